//! Runs classification end to end, from phantoms in CheXpert's and RSNA's layouts to scores.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::Path;
use std::sync::OnceLock;

use mflag_tests::heads::{Trial, assert_metrics_near, json, prepare, tested};
use mflag_tests::programs::{fail, program, succeed};
use serde_json::Value;

/// A short training on phantoms in CheXpert's layout.
static TRIAL: Trial = Trial {
    program: "mflag-classify",
    configs: "classification",
    phantom: &[
        "chexpert", "--films", "800", "--side", "96", "--test", "0.3",
    ],
    prepare: &[
        "chexpert",
        "--side",
        "64",
        "--split",
        "patient",
        "--validate",
        "0.2",
        "--test",
        "0.3",
    ],
    config: "strict-chexpert",
    sets: &[
        "data.side=64",
        "data.resize=64",
        "encoder.arch=resnet18",
        "train.epochs=30",
        "train.device=cpu",
        "train.precision=fp32",
        "train.optimiser.lr=0.01",
    ],
    says: &["95 % interval"],
    folder: OnceLock::new(),
    whole: OnceLock::new(),
};

fn metric(run: &Path, name: &str) -> Option<f64> {
    let evaluation = tested(run);
    let metrics = evaluation["metrics"].as_array().unwrap();
    metrics.iter().find(|m| m["metric"] == name).unwrap()["value"].as_f64()
}

/// The fitted values in the model of a run, which the file holds under the key `facts`.
fn facts(run: &Path) -> Value {
    let bytes = std::fs::read(run.join("model.safetensors")).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    serde_json::from_str(&metadata.metadata().as_ref().unwrap()["facts"]).unwrap()
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
    let run = TRIAL.whole();
    let auroc = metric(run, "auroc").unwrap();
    // The encoder is random. The interval of AUROC must still be above chance, and a large heart
    // must be recognised.
    let low = tested(run)["metrics"][0]["low"].as_f64();
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
    // A label with fewer than ten validation films on one side has none.
    let thresholds = facts["thresholds"].as_array().unwrap();
    assert_eq!(thresholds.len(), 5);
    let chosen = thresholds.iter().filter_map(Value::as_f64);
    assert!(chosen.clone().any(|t| t != 0.5), "{thresholds:?}");
    assert!(chosen.count() < 5, "{thresholds:?}");

    let table = std::fs::read_to_string(run.join("test/predictions.csv")).unwrap();
    let header = format!(
        "film,{},present:{},{}_truth",
        MGCA5.join(","),
        MGCA5.join(",present:"),
        MGCA5.join("_truth,")
    );
    let mut rows = table.lines();
    assert_eq!(rows.next(), Some(header.as_str()));
    let films = tested(run)["films"].as_u64();
    assert_eq!(Some(table.lines().count() as u64 - 1), films);
    for row in rows {
        let cells: Vec<&str> = row.split(',').collect();
        for (label, threshold) in thresholds.iter().enumerate() {
            let p: f32 = cells[1 + label].parse().unwrap();
            let called = match threshold.as_f64() {
                Some(threshold) if p >= threshold as f32 => "1",
                Some(_) => "0",
                None => "",
            };
            assert_eq!(cells[6 + label], called, "{row}");
            assert!(["1", "0", ""].contains(&cells[11 + label]), "{row}");
        }
    }
    let predictions = json(&run.join("test/predictions.json"));
    for (film, row) in predictions["films"]
        .as_array()
        .unwrap()
        .iter()
        .zip(table.lines().skip(1))
    {
        let digit = |truth: &Value| truth.as_bool().map_or("", |t| if t { "1" } else { "0" });
        let truth: Vec<&str> = film["truth"]
            .as_array()
            .unwrap()
            .iter()
            .map(digit)
            .collect();
        assert!(
            row.ends_with(&format!(",{}", truth.join(","))),
            "{row} {film}"
        );
    }
    let is_there = |label: usize| {
        table
            .lines()
            .any(|row| row.split(',').nth(11 + label) == Some("1"))
    };
    assert!((0..MGCA5.len()).any(is_there));
    let curves = json(&run.join("test/curves.json"));
    let first = &curves[0];
    assert_eq!(
        (&first["label"], &first["roc"][0]),
        (&"Atelectasis".into(), &Value::from(vec![0.0, 0.0]))
    );
    for band in ["roc_band", "precision_recall_band"] {
        let band = first[band].as_array().unwrap();
        let ascends = |place: &Value| {
            let [x, low, high] = [0, 1, 2].map(|i| place[i].as_f64().unwrap());
            (0.0..=1.0).contains(&x) && low <= high && low >= 0.0 && high <= 1.0
        };
        assert!(band.len() == 51 && band.iter().all(ascends), "{band:?}");
    }

    // A second evaluation gives the same result.
    let again = TRIAL.eval(run, "again", &[]);
    assert_eq!(json(&again.join("evaluation.json")), tested(run));
}

#[test]
fn thresholds_are_the_best_of_the_validation_films() {
    let out = TRIAL.eval(TRIAL.whole(), "validate", &["--split", "validate"]);
    let evaluation = json(&out.join("evaluation.json"));
    let metrics = evaluation["metrics"].as_array().unwrap();
    let f1 = metrics.iter().find(|m| m["metric"] == "f1").unwrap()["value"].as_f64();
    // The line of the best epoch in metrics.jsonl has the same F1, because its thresholds come from
    // the same films and weights.
    let lines = std::fs::read_to_string(TRIAL.whole().join("metrics.jsonl")).unwrap();
    let found = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .any(|line| line.to_string().contains(&f1.unwrap().to_string()));
    assert!(found, "{f1:?} is in no line of\n{lines}");
}

#[test]
fn a_run_that_was_stopped_ends_as_one_that_was_not() {
    let run = TRIAL.stopped(170);
    let model = |run: &Path| {
        let bytes = std::fs::read(run.join("model.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        ["classifier.weight", "classifier.bias"].map(|n| file.tensor(n).unwrap().data().to_vec())
    };
    assert!(model(&run) == model(TRIAL.whole()), "the weights differ");
    assert_eq!(facts(&run), facts(TRIAL.whole()));
    assert_eq!(tested(&run), tested(TRIAL.whole()));
}

#[test]
fn kept_features_train_as_films_do() {
    let [kept, films] = TRIAL.with_features_kept_and_not(&["train.epochs=3"]);
    // The last bits of a film's features depend on the other films of its batch.
    assert_metrics_near(&kept, &films, 0.01);
}

#[test]
fn an_encoder_that_has_changed_is_refused() {
    TRIAL.refuses_what_has_changed();
}

#[test]
fn a_damaged_model_is_refused() {
    let model = TRIAL.folder().join("damaged.safetensors");
    let mut bytes = std::fs::read(TRIAL.whole().join("model.safetensors")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4000].fill(0xff);
    std::fs::write(&model, bytes).unwrap();
    let mut predict = TRIAL.program();
    predict.arg("predict").arg("--model").arg(&model);
    predict.arg("--out").arg(TRIAL.folder().join("never"));
    let said = fail(predict.arg(TRIAL.folder().join("films")));
    assert!(
        said.contains("damaged.safetensors") && said.contains("do not match its digest"),
        "{said}"
    );
}

#[test]
fn a_model_of_a_gpu_predicts_on_a_cpu() {
    let model = TRIAL.folder().join("of-gpu.safetensors");
    let bytes = std::fs::read(TRIAL.whole().join("model.safetensors")).unwrap();
    // Changes only the header, and keeps its length.
    let [trained, other] = ["fp32", "fp16"].map(|p| format!(r#"\"precision\":\"{p}\""#));
    let place = bytes
        .windows(trained.len())
        .position(|w| w == trained.as_bytes());
    let place = place.unwrap();
    let mut text = bytes;
    text[place..place + other.len()].copy_from_slice(other.as_bytes());
    std::fs::write(&model, text).unwrap();
    let out = TRIAL.folder().join("on-cpu");
    let mut predict = TRIAL.program();
    predict.args(["predict", "--device", "cpu", "--threads", "1", "--model"]);
    predict.arg(&model).arg("--out").arg(&out);
    succeed(predict.arg(TRIAL.folder().join("films")));
    let mut absent = TRIAL.program();
    absent.args(["predict", "--device", "cuda:99", "--model"]);
    absent.arg(&model).arg("--out").arg(&out);
    let said = fail(absent.arg(TRIAL.folder().join("films")));
    assert!(said.contains("cuda"), "{said}");
}

#[test]
fn films_from_a_folder_become_rows_and_a_bad_one_a_line() {
    let out = TRIAL.predict_three_and_a_bad_one();
    let table = std::fs::read_to_string(out.join("predictions.csv")).unwrap();
    assert_eq!(table.lines().count(), 5, "{table}");
    let predictions = json(&out.join("predictions.json"));
    assert_eq!(predictions["labels"], serde_json::json!(MGCA5));
    assert_eq!(
        predictions["thresholds"],
        facts(TRIAL.whole())["thresholds"]
    );
    let films = predictions["films"].as_array().unwrap();
    assert_eq!(films.len(), 4);
    for film in films {
        let is_bad = film["film"].as_str().unwrap().ends_with("torn.png");
        assert_eq!(film["error"].is_string(), is_bad, "{film}");
        assert!(film["truth"].is_null(), "{film}");
        let scores = film["scores"].as_array().unwrap();
        assert_eq!(scores.len(), if is_bad { 0 } else { MGCA5.len() });
        for (label, score) in scores.iter().enumerate() {
            let threshold = predictions["thresholds"][label].as_f64();
            let called = threshold.is_some_and(|threshold| score.as_f64() >= Some(threshold));
            let names = film["called"].as_array().unwrap();
            assert_eq!(names.contains(&MGCA5[label].into()), called, "{film}");
        }
    }
}

/// The export of a CD: DICOM files without extension beside other files.
#[test]
fn unusual_films_get_a_warning_and_films_without_a_picture_no_scores() {
    let films = TRIAL.folder().join("export");
    std::fs::create_dir_all(films.join("DICOM")).unwrap();
    for name in [
        "shoulder",
        "frames_plain",
        "blank_above",
        "chest",
        "refused_black",
    ] {
        let from = mflag_tests::golden(&format!("film_odd/{name}.dcm"));
        std::fs::copy(from, films.join("DICOM").join(name)).unwrap();
    }
    std::fs::write(films.join("DICOMDIR"), [&[0; 128][..], b"DICM"].concat()).unwrap();
    std::fs::write(films.join("autorun.inf"), "[autorun]").unwrap();
    let predict = |flags: &[&str], out: &str| {
        let out = TRIAL.folder().join(out);
        let mut predict = TRIAL.program();
        predict
            .arg("predict")
            .args(flags)
            .arg("--model")
            .arg(TRIAL.whole());
        let said = succeed(predict.arg("--out").arg(&out).arg(&films));
        (
            said,
            std::fs::read_to_string(out.join("predictions.csv")).unwrap(),
        )
    };
    let row = |table: &str, name: &str| {
        let ends = format!("{name},");
        table
            .lines()
            .find(|line| line.contains(&ends))
            .unwrap()
            .to_owned()
    };
    let (said, table) = predict(&[], "export-all");
    assert!(said.contains("passed over, no films: 1 text"), "{said}");
    assert!(
        said.contains("4 films: ") && said.contains("could not be read: 1 of 5"),
        "{said}"
    );
    assert!(
        said.contains("warning: not a chest film by its DICOM file: 1 of 4 films"),
        "{said}"
    );
    assert!(
        table.lines().next().unwrap().ends_with(",warning,error"),
        "{table}"
    );
    assert_eq!(table.lines().count(), 6, "{table}");
    assert!(
        row(&table, "shoulder").ends_with("(modality MR, body part SHOULDER)\","),
        "{table}"
    );
    assert!(
        row(&table, "blank_above").contains("the full range was used"),
        "{table}"
    );
    assert!(row(&table, "/chest").ends_with(",,"), "{table}");
    let blank = row(&table, "refused_black");
    assert!(
        blank.contains(",,,,,") && blank.contains("is blank"),
        "{blank}"
    );

    let (said, table) = predict(&["--chest-only", "--frame", "3"], "export-chest");
    assert!(
        said.contains("3 films: ") && !said.contains("warning: several"),
        "{said}"
    );
    assert!(
        row(&table, "shoulder").contains("--chest-only refuses it"),
        "{table}"
    );
}

#[test]
fn classes_and_single_labels_are_learned_too() {
    let store = TRIAL.folder().join("store-rsna");
    prepare(
        &["rsna", "--films", "60"],
        &["rsna", "--side", "64", "--split", "patient"],
        &TRIAL.folder().join("rsna"),
        &store,
    );
    let of_rsna = format!("data.store={}", store.display());
    let sets = [&of_rsna, "head.policy=zeros", "train.epochs=2"];

    let classes = [&sets[..], &["head.task=multi_class", "monitor=accuracy"]].concat();
    let run = TRIAL.run("classes", &classes);
    assert!(metric(&run, "accuracy").is_some() && metric(&run, "auroc:Normal").is_some());
    assert_eq!(facts(&run)["thresholds"], Value::Null);
    let table = std::fs::read_to_string(run.join("test/predictions.csv")).unwrap();
    let header = "film,Lung Opacity,No Lung Opacity / Not Normal,Normal,class,\
                  Lung Opacity_truth,No Lung Opacity / Not Normal_truth,Normal_truth";
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

    let single = [
        &sets[..],
        &["head.task=binary", "head.labels=[Lung Opacity]"],
    ]
    .concat();
    let run = TRIAL.run("pneumonia", &single);
    assert_eq!(facts(&run)["labels"], Value::from(vec!["Lung Opacity"]));
    let names: Vec<Value> = tested(&run)["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["metric"].clone())
        .collect();
    assert!(names.contains(&"auroc".into()) && !names.contains(&"auroc:Lung Opacity".into()));
}

#[test]
fn committed_configurations_and_schema_are_true() {
    let configs = [
        "mgca-chexpert",
        "mgca-rsna",
        "strict-chexpert",
        "chexclusion-chexpert",
        "chexclusion-mimic",
        "chexclusion-nih",
        "benchx-nih",
        "findings",
    ];
    TRIAL.committed_is_true(&configs);
}

#[test]
fn flags_of_boxes_are_refused_where_there_are_none() {
    let mut predict = TRIAL.program();
    predict.args([
        "predict",
        "--model",
        "x",
        "--out",
        "y",
        "--overlays",
        "--top",
        "3",
        "z",
    ]);
    let output = predict.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("predicts no boxes"), "{said}");
    let help = succeed(TRIAL.program().args(["predict", "--help"]));
    assert!(!help.contains("--top"), "{help}");
}

#[test]
fn what_cannot_be_is_said_in_words() {
    let said = fail(&mut TRIAL.train("never", &["head.policy=zeros", "head.labels=[Edma]"]));
    assert!(
        said.contains("head.labels") && said.contains("did you mean 'Edema'"),
        "{said}"
    );
    let said = fail(&mut TRIAL.train(
        "never",
        &["head.task=binary", "head.labels=[Edema, Fracture]"],
    ));
    assert!(said.contains("binary takes one label"), "{said}");
    let said = fail(&mut TRIAL.train("never", &["monitor=aurok"]));
    assert!(said.contains("did you mean 'auroc'"), "{said}");

    // A model of another head.
    let mut segment = program("mflag-segment");
    segment.arg("predict").arg("--model").arg(TRIAL.whole());
    let said = fail(
        segment
            .arg("--out")
            .arg(TRIAL.folder().join("never"))
            .arg(TRIAL.folder().join("films")),
    );
    assert!(
        said.contains("holds a classification head, but this program needs segmentation"),
        "{said}"
    );
}
