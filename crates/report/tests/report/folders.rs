//! Folders of runs and experiments.

use std::path::Path;

/// Writes a file of a folder.
pub(crate) fn put(folder: &Path, file: &str, text: &str) {
    let file = folder.join(file);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

/// The provenance of a run of `PROGRAM`.
pub(crate) const PROVENANCE: &str = r#"{"mflag": "0.1.0", "libraries": {"libtorch": "2.13.0"}, "git": "abc-dirty",
    "command": ["target/release/PROGRAM", "train"], "started": 951827696, "processors": 2, "digests": {"store": "d1"}}"#;

/// A finished pre-training of two epochs.
pub(crate) fn pretraining(folder: &Path) {
    put(
        folder,
        "config.yaml",
        "train: { epochs: 2, seed: 7 }\nprojector: { hidden: 8 }\ncollapse: { min_rank: 2.0 }\n",
    );
    put(
        folder,
        "provenance.json",
        &PROVENANCE.replace("PROGRAM", "mflag-pretrain"),
    );
    let lines = r#"{"kind":"validation","step":0,"epoch":0,"film_to_report@1":0.1,"film_to_report@5":0.2,"recall_mean":0.15,"rank":90.5,"rank_projected":60.0,"mean_cosine":0.9,"collapsed":0.0,"spectrum":[[1,1.0],[2,0.5],[8,0.01]]}
{"kind":"train","step":1,"epoch":1,"lr":0.1,"loss":5.5,"gradient_norm":null}
{"kind":"train","step":2,"epoch":1,"lr":0.05,"loss":4.5,"gradient_norm":3.0}
{"kind":"validation","step":2,"epoch":1,"film_to_report@1":0.3,"film_to_report@5":0.4,"recall_mean":0.35,"rank":1.5,"rank_projected":1.2,"mean_cosine":0.97,"collapsed":1.0,"spectrum":[[1,1.0],[2,0.1],[8,0.0]]}
{"kind":"validation","step":4,"epoch":2,"film_to_report@1":0.2,"film_to_report@5":0.3,"recall_mean":0.25,"rank":80.25,"rank_projected":50.0,"mean_cosine":0.3,"collapsed":0.0,"spectrum":[[1,1.0],[2,0.7],[8,0.2]]}
"#;
    put(folder, "metrics.jsonl", lines);
}

/// A head of two epochs that was evaluated on a test split, with two example films.
pub(crate) fn head(folder: &Path, auroc: f64) {
    put(
        folder,
        "config.yaml",
        &format!(
            "train: {{ epochs: 2 }}\nhead: {{ task: binary }}\nmonitor: auroc\nencoder: {{ weights: e{auroc} }}\n"
        ),
    );
    put(
        folder,
        "provenance.json",
        &PROVENANCE.replace("PROGRAM", "mflag-classify"),
    );
    put(
        folder,
        "metrics.jsonl",
        "{\"kind\":\"validation\",\"step\":0,\"epoch\":0,\"loss\":1.0,\"auroc\":0.5}\n{\"kind\":\"validation\",\"step\":4,\"epoch\":2,\"loss\":0.5,\"auroc\":0.7}\n",
    );
    put(
        folder,
        "test/evaluation.json",
        &format!(
            r#"{{"dataset": "toy", "split": "test", "films": 12, "patients": 9, "resamples": 3, "metrics": [
            {{"metric": "auroc", "value": {auroc}, "low": {}, "high": {}}}, {{"metric": "auroc:Edema", "value": {auroc}, "low": 0.5, "high": 0.95}},
            {{"metric": "f1", "value": null, "low": null, "high": null}}]}}"#,
            auroc - 0.1,
            auroc + 0.1
        ),
    );
    put(
        folder,
        "test/bootstrap.csv",
        &format!("auroc\n{auroc}\n{}\n{}\n", auroc - 0.1, auroc + 0.1),
    );
    put(
        folder,
        "test/curves.json",
        r#"[{"label": "Edema", "threshold": 0.5, "roc": [[0, 0], [0.5, 0.8], [1, 1]], "roc_band": [[0, 0, 0.2], [0.5, 0.6, 0.9], [1, 1, 1]],
        "precision_recall": [[0, 1], [1, 0.4]], "precision_recall_band": null},
        {"label": "Absent", "threshold": 0.5, "roc": null, "precision_recall": null}]"#,
    );
    put(
        folder,
        "test/cases.json",
        r#"[{"rank": "best", "metric": "dice", "value": 0.91, "line": 17, "film": "patient-0042.dcm", "image": "cases/1.png", "words": "Predicted in colour."},
        {"rank": "worst", "metric": "dice", "value": 0.02, "line": 18, "film": "patient-0043.dcm", "image": "../../secret.png", "words": "Predicted in colour."}]"#,
    );
    put(folder, "test/cases/1.png", "bytes of a png");
}

/// An experiment with published numbers and a difference.
pub(crate) fn experiment(folder: &Path) {
    put(
        folder,
        "results.md",
        "# Two | encoders\n\n## Masks, Dice\n\n`dice` × 100 on the test split.\n",
    );
    put(
        folder,
        "results.csv",
        "task,metric,encoder,fraction,seeds,mean,standard_deviation,low,high\n\"Masks, Dice\",dice,Random,0.01,1,0.1,,0.05,0.15\n\"Masks, Dice\",dice,Random,1,2,0.5,0.02,0.45,0.55\n\"Masks, Dice\",dice,Ours,1,1,,,,\n",
    );
    put(
        folder,
        "published.csv",
        "task,encoder,fraction,value,source\n\"Masks, Dice\",Theirs,0.01,<1,a paper\n\"Masks, Dice\",Theirs,1,61.5,a paper\n",
    );
    put(
        folder,
        "differences.csv",
        "task,difference,value,low,high,p\n\"Masks, Dice\",Ours − Random,0.123,0.05,0.2,0.004\n",
    );
}
