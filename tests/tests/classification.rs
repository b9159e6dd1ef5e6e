//! Classification from phantoms in CheXpert's and RSNA's layouts to scores, by the binaries.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use mflag_tests::programs::{fail, program, succeed};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with phantoms in CheXpert's layout and their store, made once for all tests here.
fn prepared() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let (films, store) = (dir.path().join("chexpert"), dir.path().join("store"));
        let mut phantom = program("mflag-data");
        phantom.args(["phantom", "--as", "chexpert", "--films", "800"]);
        phantom.args(["--side", "96", "--test", "0.3"]);
        succeed(phantom.arg("--out").arg(&films));
        let mut prepare = program("mflag-data");
        prepare.args(["prepare", "--dataset", "chexpert", "--side", "64"]);
        prepare.args(["--split", "patient", "--validate", "0.2", "--test", "0.3"]);
        succeed(prepare.arg("--root").arg(&films).arg("--out").arg(&store));
        dir
    });
    folder.path()
}

/// `mflag-classify train` of some epochs on that store.
fn train(run: &Path, sets: &[&str]) -> Command {
    let mut command = program("mflag-classify");
    command.args([
        "train",
        "--config",
        "configs/classification/strict-chexpert.yaml",
    ]);
    command.args(["--set", "data.side=64", "--set", "encoder.arch=resnet18"]);
    command.args(["--set", "train.epochs=30", "--set", "train.device=cpu"]);
    command.args([
        "--set",
        "train.precision=fp32",
        "--set",
        "train.optimiser.lr=0.01",
    ]);
    let store = format!("data.store={}", prepared().join("store").display());
    for set in [store.as_str()].iter().chain(sets) {
        command.args(["--set", set]);
    }
    command.arg("--run").arg(run);
    command
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn metric(run: &Path, name: &str) -> Option<f64> {
    let evaluation = json(&run.join("test/evaluation.json"));
    let metrics = evaluation["metrics"].as_array().unwrap();
    metrics.iter().find(|m| m["metric"] == name).unwrap()["value"].as_f64()
}

/// The facts in the model of a run.
fn facts(run: &Path) -> Value {
    let bytes = std::fs::read(run.join("model.safetensors")).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    serde_json::from_str(&metadata.metadata().as_ref().unwrap()["facts"]).unwrap()
}

/// An uninterrupted run, made once.
fn whole() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let run = prepared().join("whole");
        let said = succeed(&mut train(&run, &[]));
        assert!(said.contains("95 % interval"), "{said}");
        run
    })
}

const MGCA5: [&str; 5] = [
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Pleural Effusion",
];

#[test]
fn a_probe_finds_what_is_drawn_and_its_model_has_thresholds() {
    let run = whole();
    let auroc = metric(run, "auroc").unwrap();
    // Random features of a small network: above chance by more than chance of drawing patients, and a large heart is seen.
    let low = json(&run.join("test/evaluation.json"))["metrics"][0]["low"].as_f64();
    assert!(low.unwrap() > 0.5, "{auroc}, {low:?}");
    assert!(metric(run, "auroc:Cardiomegaly").unwrap() > 0.75);
    let each: Vec<Option<f64>> = MGCA5
        .iter()
        .map(|label| metric(run, &format!("auroc:{label}")))
        .collect();
    let defined: Vec<f64> = each.iter().copied().flatten().collect();
    let mean = defined.iter().sum::<f64>() / defined.len() as f64;
    assert!((mean - auroc).abs() < 1e-12, "{each:?} {auroc}");
    let counted = metric(run, "labels_with_auroc").unwrap();
    assert_eq!(counted, defined.len() as f64);

    let facts = facts(run);
    assert_eq!(facts["task"], "multi_label");
    assert_eq!(facts["labels"], Value::from(MGCA5.to_vec()));
    let thresholds: Vec<f64> = facts["thresholds"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    assert_eq!(thresholds.len(), 5);
    assert!(thresholds.iter().any(|t| *t != 0.5), "{thresholds:?}");

    let table = std::fs::read_to_string(run.join("test/predictions.csv")).unwrap();
    let header = format!(
        "film,{},present:{}",
        MGCA5.join(","),
        MGCA5.join(",present:")
    );
    let mut rows = table.lines();
    assert_eq!(rows.next(), Some(header.as_str()));
    let films = json(&run.join("test/evaluation.json"))["films"].as_u64();
    assert_eq!(Some(table.lines().count() as u64 - 1), films);
    for row in rows {
        let cells: Vec<&str> = row.split(',').collect();
        for (label, threshold) in thresholds.iter().enumerate() {
            let p: f32 = cells[1 + label].parse().unwrap();
            let called = p >= *threshold as f32;
            assert_eq!(cells[6 + label], if called { "1" } else { "0" }, "{row}");
        }
    }
    let curves = json(&run.join("test/curves.json"));
    let first = &curves[0];
    assert_eq!(
        (&first["label"], &first["roc"][0]),
        (&"Atelectasis".into(), &Value::from(vec![0.0, 0.0]))
    );

    // Judged again, the model comes to the same.
    let again = run.with_file_name("again");
    let mut eval = program("mflag-classify");
    succeed(
        eval.arg("eval")
            .arg("--model")
            .arg(run)
            .arg("--out")
            .arg(&again),
    );
    assert_eq!(
        json(&again.join("evaluation.json")),
        json(&run.join("test/evaluation.json"))
    );
}

#[test]
fn thresholds_are_the_best_of_the_validation_films() {
    let out = prepared().join("validate");
    let mut eval = program("mflag-classify");
    eval.args(["eval", "--split", "validate", "--model"])
        .arg(whole());
    succeed(eval.arg("--out").arg(&out));
    let evaluation = json(&out.join("evaluation.json"));
    let metrics = evaluation["metrics"].as_array().unwrap();
    let f1 = metrics.iter().find(|m| m["metric"] == "f1").unwrap()["value"].as_f64();
    // The best epoch's line has F1 at thresholds chosen there and then: the same films, the same weights.
    let lines = std::fs::read_to_string(whole().join("metrics.jsonl")).unwrap();
    let found = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .any(|line| line.to_string().contains(&f1.unwrap().to_string()));
    assert!(found, "{f1:?} is in no line of\n{lines}");
}

#[test]
fn a_run_that_was_stopped_ends_as_one_that_was_not() {
    let run = prepared().join("stopped");
    succeed(&mut train(&run, &["train.stop_after_steps=170"]));
    assert!(!run.join("model.safetensors").exists());
    // Not by --resume alone, which would stop again: the limit is of the session.
    loop {
        let mut resume = program("mflag-classify");
        let said = succeed(resume.args(["train", "--resume", "--run"]).arg(&run));
        if !said.contains("not finished") {
            break;
        }
    }
    let model = |run: &Path| {
        let bytes = std::fs::read(run.join("model.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        ["classifier.weight", "classifier.bias"].map(|n| file.tensor(n).unwrap().data().to_vec())
    };
    assert!(model(&run) == model(whole()), "the weights differ");
    assert_eq!(facts(&run), facts(whole()));
    let results = |run: &Path| json(&run.join("test/evaluation.json"));
    assert_eq!(results(&run), results(whole()));
}

#[test]
fn kept_features_train_as_films_do() {
    let metrics = |name: &str, kept: &str| {
        let run = prepared().join(name);
        succeed(&mut train(&run, &["train.epochs=3", kept]));
        let evaluation = json(&run.join("test/evaluation.json"));
        let metrics = evaluation["metrics"].as_array().unwrap().clone();
        let value = |m: &Value| m["value"].as_f64();
        metrics.iter().map(value).collect::<Vec<_>>()
    };
    let kept = metrics("kept", "data.keep_features=64");
    let films = metrics("films", "data.keep_features=0");
    assert_eq!(kept.len(), films.len());
    // Features of a film differ in their last bits with the films beside it in the batch.
    for (kept, films) in kept.into_iter().zip(films) {
        let near = kept.zip(films).is_none_or(|(a, b)| (a - b).abs() < 0.01);
        assert!(
            near && kept.is_some() == films.is_some(),
            "{kept:?} {films:?}"
        );
    }
}

#[test]
fn films_from_a_folder_become_rows_and_a_bad_one_a_line() {
    let films = prepared().join("mixed");
    std::fs::create_dir_all(films.join("more")).unwrap();
    for name in ["a.png", "more/b.jpg"] {
        image::GrayImage::from_fn(90, 60, |x, y| image::Luma([(x + y) as u8]))
            .save(films.join(name))
            .unwrap();
    }
    std::fs::write(films.join("torn.png"), b"no film").unwrap();
    let out = prepared().join("findings");
    let mut predict = program("mflag-classify");
    predict.arg("predict").arg("--model").arg(whole());
    let said = succeed(predict.arg("--out").arg(&out).arg(&films));
    assert!(
        said.contains("2 films") && said.contains("1 films could not be read"),
        "{said}"
    );
    let bad = std::fs::read_to_string(out.join("bad.csv")).unwrap();
    assert!(bad.contains("torn.png"), "{bad}");
    let table = std::fs::read_to_string(out.join("predictions.csv")).unwrap();
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(
        table.contains("a.png") && table.contains("b.jpg"),
        "{table}"
    );
}

#[test]
fn classes_and_single_labels_are_learned_too() {
    let (films, store) = (prepared().join("rsna"), prepared().join("store-rsna"));
    let mut phantom = program("mflag-data");
    phantom.args(["phantom", "--as", "rsna", "--films", "60"]);
    succeed(phantom.arg("--out").arg(&films));
    let mut prepare = program("mflag-data");
    prepare.args([
        "prepare",
        "--dataset",
        "rsna",
        "--side",
        "64",
        "--split",
        "patient",
    ]);
    succeed(prepare.arg("--root").arg(&films).arg("--out").arg(&store));
    let of_rsna = format!("data.store={}", store.display());
    let sets = [&of_rsna, "head.policy=zeros", "train.epochs=2"];

    let run = prepared().join("classes");
    let classes = [&sets[..], &["head.task=multi_class", "monitor=accuracy"]].concat();
    succeed(&mut train(&run, &classes));
    assert!(metric(&run, "accuracy").is_some() && metric(&run, "auroc:Normal").is_some());
    assert_eq!(facts(&run)["thresholds"], Value::Null);
    let table = std::fs::read_to_string(run.join("test/predictions.csv")).unwrap();
    let header = "film,Lung Opacity,No Lung Opacity / Not Normal,Normal,class";
    assert_eq!(table.lines().next(), Some(header));
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let p: Vec<f64> = cells[1..4].iter().map(|p| p.parse().unwrap()).collect();
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{row}");
        let likeliest = (0..3).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap();
        assert_eq!(
            header.split(',').nth(1 + likeliest),
            Some(cells[4]),
            "{row}"
        );
    }

    let run = prepared().join("pneumonia");
    let single = [
        &sets[..],
        &["head.task=binary", "head.labels=[Lung Opacity]"],
    ]
    .concat();
    succeed(&mut train(&run, &single));
    assert_eq!(facts(&run)["labels"], Value::from(vec!["Lung Opacity"]));
    let names: Vec<Value> = json(&run.join("test/evaluation.json"))["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["metric"].clone())
        .collect();
    assert!(names.contains(&"auroc".into()) && !names.contains(&"auroc:Lung Opacity".into()));
}

#[test]
fn committed_configurations_and_schema_are_true() {
    let committed = std::fs::read_to_string("../configs/classification/schema.json").unwrap();
    let schema = succeed(program("mflag-classify").arg("schema"));
    assert_eq!(committed, schema, "write it again by `just schema`");
    let configs = [
        "mgca-chexpert",
        "mgca-rsna",
        "strict-chexpert",
        "chexclusion-mimic",
        "chexclusion-nih",
        "findings",
    ];
    for config in configs {
        let mut command = program("mflag-classify");
        command.args(["train", "--set", "data.store=absent", "--run"]);
        let file = format!("configs/classification/{config}.yaml");
        let said = fail(
            command
                .arg(prepared().join(config))
                .args(["--config", &file]),
        );
        assert!(
            said.contains("absent") && said.contains("mflag-data prepare"),
            "{said}"
        );
    }
}

#[test]
fn what_cannot_be_is_said_in_words() {
    let run = prepared().join("never");
    let said = fail(&mut train(
        &run,
        &["head.policy=zeros", "head.labels=[Edma]"],
    ));
    assert!(
        said.contains("head.labels") && said.contains("did you mean 'Edema'"),
        "{said}"
    );
    let run = prepared().join("never-binary");
    let said = fail(&mut train(
        &run,
        &["head.task=binary", "head.labels=[Edema, Fracture]"],
    ));
    assert!(said.contains("binary takes one label"), "{said}");
    let said = fail(&mut train(&run, &["monitor=aurok"]));
    assert!(said.contains("did you mean 'auroc'"), "{said}");

    // A model of another head.
    let mut segment = program("mflag-segment");
    segment.arg("predict").arg("--model").arg(whole());
    let said = fail(
        segment
            .arg("--out")
            .arg(&run)
            .arg(prepared().join("chexpert")),
    );
    assert!(
        said.contains("holds classification, and this program is for segmentation"),
        "{said}"
    );
}
