//! Runs detection end to end, from phantoms in RSNA's layout to boxes.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::Path;
use std::sync::OnceLock;

use mflag_tests::heads::{Trial, assert_films_are_drawn, json, tested};
use mflag_tests::programs::{fail, succeed};
use serde_json::Value;

/// A short training on phantoms in RSNA's layout, including the encoder.
static TRIAL: Trial = Trial {
    program: "mflag-detect",
    configs: "detection",
    phantom: &["rsna", "--films", "64", "--seed", "3"],
    prepare: &["rsna", "--split", "patient", "--side", "64"],
    config: "strict-rsna",
    sets: &[
        "data.side=64",
        "encoder.arch=resnet18",
        "encoder.frozen=false",
        "train.device=cpu",
        "train.epochs=4",
        "train.batch_size=8",
    ],
    says: &["untrained", "map_mgca"],
    folder: OnceLock::new(),
    whole: OnceLock::new(),
};

/// Checks the boxes of COCO's results: each is within its film of `width` × `height`, and the
/// scores of each film fall.
fn check_boxes(results: &Value, width: f64, height: f64) {
    for result in results.as_array().unwrap() {
        let bbox: Vec<f64> = serde_json::from_value(result["bbox"].clone()).unwrap();
        let [x, y, w, h] = bbox[..] else {
            unreachable!("four numbers");
        };
        let inside = x >= 0.0 && y >= 0.0 && x + w <= width + 1e-6 && y + h <= height + 1e-6;
        assert!(inside && w > 0.0 && h > 0.0, "{result}");
        assert_eq!(result["category_id"], 1);
        assert!(
            (0.0..=1.0).contains(&result["score"].as_f64().unwrap()),
            "{result}"
        );
    }
    for pair in results.as_array().unwrap().windows(2) {
        let same = pair[0]["image_id"] == pair[1]["image_id"];
        assert!(!same || pair[0]["score"].as_f64() >= pair[1]["score"].as_f64());
    }
}

#[test]
fn a_run_ends_with_a_model_and_its_test_results() {
    let run = TRIAL.whole();
    let evaluation = tested(run);
    assert_films_are_drawn(run);
    let names: Vec<&Value> = evaluation["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["metric"])
        .collect();
    assert_eq!(names, ["map", "map_mgca", "ap50", "ap"]);
    let films = evaluation["films"].as_u64().unwrap() as usize;
    let results = json(&run.join("test/predictions.json"));
    assert!(!results.as_array().unwrap().is_empty());
    check_boxes(&results, 1024.0, 1024.0);
    let table = std::fs::read_to_string(run.join("test/predictions.csv")).unwrap();
    assert!(
        table.starts_with("ImageId,Class,Score,X,Y,Width,Height\n"),
        "{table}"
    );
    let mut named: Vec<&str> = table
        .lines()
        .skip(1)
        .filter_map(|l| l.split(',').next())
        .collect();
    named.dedup();
    assert_eq!(
        named.len(),
        films,
        "each film has rows, one after the other"
    );

    // A second evaluation gives the same result, and writes the same bytes.
    let again = TRIAL.eval(run, "again", &[]);
    assert_eq!(json(&again.join("evaluation.json")), evaluation);
    for file in ["predictions.json", "predictions.csv"] {
        let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
        assert!(read(&again) == read(&run.join("test")), "{file} differs");
    }
}

#[test]
fn boxes_can_be_learned_by_heart() {
    let map_of_training = |run: &Path, out: &str| -> f64 {
        let out = TRIAL.eval(run, out, &["--split", "train"]);
        let evaluation = json(&out.join("evaluation.json"));
        assert_eq!(evaluation["metrics"][0]["metric"], "map");
        evaluation["metrics"][0]["value"].as_f64().unwrap()
    };
    let of = |name: &str, epochs: &str, more: &[&str]| {
        let sets = [
            "head.unmarked=left_out",
            "train.batch_size=4",
            "train.validate_every=100",
            "monitor=loss",
            epochs,
        ];
        let run = TRIAL.run(name, &[&sets[..], more].concat());
        map_of_training(&run, &format!("{name}/train"))
    };
    let untrained = of("untrained", "train.epochs=1", &["train.optimiser.lr=1e-9"]);
    let trained = of("trained", "train.epochs=60", &[]);
    assert!(untrained < 0.1 && trained > 0.5, "{untrained} {trained}");
}

#[test]
fn a_run_that_was_stopped_ends_as_one_that_was_not() {
    let run = TRIAL.stopped(11);
    let results = |run: &Path, file: &str| json(&run.join("test").join(file));
    for file in ["evaluation.json", "predictions.json"] {
        assert_eq!(results(&run, file), results(TRIAL.whole(), file), "{file}");
    }
}

#[test]
fn films_from_a_folder_become_boxes_and_a_bad_one_a_line() {
    let out = TRIAL.predict_three_and_a_bad_one();
    let results = json(&out.join("predictions.json"));
    assert!(!results.as_array().unwrap().is_empty());
    check_boxes(&results, 90.0, 60.0);
}

/// `--top` and `--confidence` choose the boxes of overlays, and change no file of predictions.
#[test]
fn flags_choose_the_boxes_that_are_drawn() {
    let films = TRIAL.folder().join("films/stage_2_train_images");
    let predict = |out: &str, flags: &[&str]| {
        let out = TRIAL.folder().join(out);
        let mut predict = TRIAL.program();
        predict.args(["predict", "--overlays"]).args(flags);
        predict.arg("--model").arg(TRIAL.whole());
        succeed(predict.arg("--out").arg(&out).arg(&films));
        out
    };
    let boxes = |out: &Path| json(&out.join("predictions.json"));
    let pictures = |out: &Path| -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(out.join("overlays")).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
            .iter()
            .map(|file| std::fs::read(file).unwrap())
            .collect()
    };
    let five = predict("five-boxes", &[]);
    let one = predict("one-box", &["--top", "1"]);
    let sure = predict("sure-boxes", &["--confidence", "1", "--top", "1"]);
    assert!(!boxes(&five).as_array().unwrap().is_empty());
    assert_eq!(boxes(&five), boxes(&one));
    assert_eq!(boxes(&five), boxes(&sure));
    assert_ne!(pictures(&five), pictures(&one));
    assert_ne!(pictures(&one), pictures(&sure));
    let mut wrong = TRIAL.program();
    wrong.args([
        "predict",
        "--model",
        "x",
        "--out",
        "y",
        "--confidence",
        "2",
        "--overlays",
        "z",
    ]);
    let output = wrong.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("must be a number from 0 to 1"), "{said}");
}

#[test]
fn a_film_without_a_box_has_a_row() {
    let run = TRIAL.run("silent", &["head.confidence=1.0", "train.epochs=1"]);
    assert_eq!(
        json(&run.join("test/predictions.json")),
        Value::Array(vec![])
    );
    let films = tested(&run)["films"].as_u64().unwrap();
    let table = std::fs::read_to_string(run.join("test/predictions.csv")).unwrap();
    assert_eq!(table.lines().count() as u64, films + 1);
    assert!(
        table.lines().skip(1).all(|l| l.ends_with(",,,,,,")),
        "{table}"
    );
}

#[test]
fn committed_configurations_and_schema_are_true() {
    TRIAL.committed_is_true(&["mgca-rsna", "mgca-object-cxr", "strict-rsna", "boxes"]);
}

#[test]
fn what_cannot_be_is_said_in_words() {
    let said = fail(&mut TRIAL.train("never", &["data.side=80"]));
    assert!(said.contains("multiple of 32"), "{said}");
    let said = fail(&mut TRIAL.train("never", &["head.classes=[a, a]"]));
    assert!(said.contains("'a' is listed twice"), "{said}");
    let said = fail(&mut TRIAL.train("never", &["head.classes=[Lung Opacty]"]));
    assert!(said.contains("did you mean 'Lung Opacity'"), "{said}");
}
