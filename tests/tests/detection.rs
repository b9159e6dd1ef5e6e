//! Detection from phantoms in RSNA's layout to boxes, by the binaries.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use mflag_tests::programs::{fail, program, succeed};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with phantoms in RSNA's layout and their store, made once for all tests here.
fn prepared() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let (films, store) = (dir.path().join("rsna"), dir.path().join("store"));
        let mut phantom = program("mflag-data");
        phantom.args(["phantom", "--as", "rsna", "--films", "64", "--seed", "3"]);
        succeed(phantom.arg("--out").arg(&films));
        let mut prepare = program("mflag-data");
        prepare.args(["prepare", "--dataset", "rsna", "--split", "patient"]);
        prepare.args(["--side", "64", "--root"]).arg(&films);
        succeed(prepare.arg("--out").arg(&store));
        dir
    });
    folder.path()
}

/// `mflag-detect train` of a few epochs on that store, encoder and all.
fn train(run: &Path, sets: &[&str]) -> Command {
    let mut command = program("mflag-detect");
    command.args(["train", "--config", "configs/detection/strict-rsna.yaml"]);
    command.args(["--set", "data.side=64", "--set", "encoder.arch=resnet18"]);
    command.args(["--set", "encoder.frozen=false", "--set", "train.device=cpu"]);
    command.args(["--set", "train.epochs=4", "--set", "train.batch_size=8"]);
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

/// An uninterrupted run, made once.
fn whole() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let run = prepared().join("whole");
        let said = succeed(&mut train(&run, &[]));
        assert!(
            said.contains("untrained") && said.contains("map_mgca"),
            "{said}"
        );
        run
    })
}

/// Boxes of COCO's results, each within its film of `width` × `height`; by film in falling order of the scores.
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
    let run = whole();
    let evaluation = json(&run.join("test/evaluation.json"));
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
        "each film is there, and its rows are together"
    );

    // Judged again, the model comes to the same, and writes the same bytes.
    let again = run.with_file_name("again");
    let mut eval = program("mflag-detect");
    succeed(
        eval.arg("eval")
            .arg("--model")
            .arg(run)
            .arg("--out")
            .arg(&again),
    );
    assert_eq!(json(&again.join("evaluation.json")), evaluation);
    for file in ["predictions.json", "predictions.csv"] {
        let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
        assert!(read(&again) == read(&run.join("test")), "{file} differs");
    }
}

#[test]
fn boxes_can_be_learned_by_heart() {
    let map_of_training = |run: &Path, out: &str| -> f64 {
        let mut eval = program("mflag-detect");
        eval.args(["eval", "--split", "train", "--model"]).arg(run);
        succeed(eval.arg("--out").arg(run.join(out)));
        let evaluation = json(&run.join(out).join("evaluation.json"));
        assert_eq!(evaluation["metrics"][0]["metric"], "map");
        evaluation["metrics"][0]["value"].as_f64().unwrap()
    };
    let of = |name: &str, epochs: &str, more: &[&str]| {
        let run = prepared().join(name);
        let sets = [
            "head.unmarked=left_out",
            "train.batch_size=4",
            "train.validate_every=100",
            "monitor=loss",
            epochs,
        ];
        succeed(&mut train(&run, &[&sets[..], more].concat()));
        map_of_training(&run, "train")
    };
    let untrained = of("untrained", "train.epochs=1", &["train.optimiser.lr=1e-9"]);
    let trained = of("trained", "train.epochs=60", &[]);
    assert!(untrained < 0.1 && trained > 0.5, "{untrained} {trained}");
}

#[test]
fn a_run_that_was_stopped_ends_as_one_that_was_not() {
    let run = prepared().join("stopped");
    succeed(&mut train(&run, &["train.stop_after_steps=11"]));
    assert!(!run.join("model.safetensors").exists());
    loop {
        let mut resume = program("mflag-detect");
        let said = succeed(resume.args(["train", "--resume", "--run"]).arg(&run));
        if !said.contains("not finished") {
            break;
        }
    }
    let results = |run: &Path, file: &str| json(&run.join("test").join(file));
    for file in ["evaluation.json", "predictions.json"] {
        assert_eq!(results(&run, file), results(whole(), file), "{file}");
    }
}

#[test]
fn films_from_a_folder_become_boxes_and_a_bad_one_a_line() {
    let films = prepared().join("mixed");
    std::fs::create_dir_all(&films).unwrap();
    let film = image::GrayImage::from_fn(90, 60, |x, y| image::Luma([(x + y) as u8]));
    film.save(films.join("a.png")).unwrap();
    film.save(films.join("b.jpg")).unwrap();
    std::fs::write(films.join("torn.png"), b"no film").unwrap();
    let out = prepared().join("boxes");
    let mut predict = program("mflag-detect");
    predict.arg("predict").arg("--model").arg(whole());
    let said = succeed(predict.arg("--out").arg(&out).arg(&films));
    assert!(
        said.contains("2 films") && said.contains("1 films could not be read"),
        "{said}"
    );
    let bad = std::fs::read_to_string(out.join("bad.csv")).unwrap();
    assert!(bad.contains("torn.png"), "{bad}");
    let results = json(&out.join("predictions.json"));
    assert!(!results.as_array().unwrap().is_empty());
    check_boxes(&results, 90.0, 60.0);
    let table = std::fs::read_to_string(out.join("predictions.csv")).unwrap();
    assert!(
        table.contains("a.png") && table.contains("b.jpg"),
        "{table}"
    );
}

#[test]
fn a_film_without_a_box_has_a_row() {
    let run = prepared().join("silent");
    succeed(&mut train(&run, &["head.confidence=1.0", "train.epochs=1"]));
    assert_eq!(
        json(&run.join("test/predictions.json")),
        Value::Array(vec![])
    );
    let films = json(&run.join("test/evaluation.json"))["films"]
        .as_u64()
        .unwrap();
    let table = std::fs::read_to_string(run.join("test/predictions.csv")).unwrap();
    assert_eq!(table.lines().count() as u64, films + 1);
    assert!(
        table.lines().skip(1).all(|l| l.ends_with(",,,,,,")),
        "{table}"
    );
}

#[test]
fn committed_configurations_and_schema_are_true() {
    let committed = std::fs::read_to_string("../configs/detection/schema.json").unwrap();
    let schema = succeed(program("mflag-detect").arg("schema"));
    assert_eq!(committed, schema, "write it again by `just schema`");
    for config in ["mgca-rsna", "mgca-object-cxr", "strict-rsna", "boxes"] {
        let mut command = program("mflag-detect");
        command.args(["train", "--set", "data.store=absent", "--run"]);
        let file = format!("configs/detection/{config}.yaml");
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
    let said = fail(&mut train(&run, &["data.side=50"]));
    assert!(said.contains("multiple of 32"), "{said}");
    let said = fail(&mut train(&run, &["head.classes=[a, a]"]));
    assert!(said.contains("'a' is there twice"), "{said}");
    let said = fail(&mut train(&run, &["head.classes=[Lung Opacty]"]));
    assert!(said.contains("did you mean 'Lung Opacity'"), "{said}");
}
