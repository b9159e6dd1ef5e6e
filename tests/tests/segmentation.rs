//! Segmentation from phantoms in SIIM-ACR's layout to masks, by the binaries.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use mflag_tests::programs::{fail, program, succeed};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with phantoms in SIIM-ACR's layout and their store, made once for all tests here.
fn prepared() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let (films, store) = (dir.path().join("siim"), dir.path().join("store"));
        let mut phantom = program("mflag-data");
        phantom.args(["phantom", "--as", "siim", "--films", "48", "--seed", "3"]);
        succeed(phantom.arg("--out").arg(&films));
        let mut prepare = program("mflag-data");
        prepare.args(["prepare", "--dataset", "siim", "--side", "64"]);
        succeed(prepare.arg("--root").arg(&films).arg("--out").arg(&store));
        dir
    });
    folder.path()
}

/// `mflag-segment train` of two epochs on that store.
fn train(run: &Path, sets: &[&str]) -> Command {
    let mut command = program("mflag-segment");
    command.args(["train", "--config", "configs/segmentation/siim.yaml"]);
    command.args(["--set", "data.side=64", "--set", "encoder.arch=resnet18"]);
    command.args(["--set", "train.epochs=2", "--set", "train.device=cpu"]);
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
    static RUN: OnceLock<std::path::PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let run = prepared().join("whole");
        let said = succeed(&mut train(&run, &[]));
        assert!(
            said.contains("untrained") && said.contains("95 % interval"),
            "{said}"
        );
        run
    })
}

#[test]
fn a_run_ends_with_a_model_and_its_test_results() {
    let run = whole();
    let evaluation = json(&run.join("test/evaluation.json"));
    assert_eq!(evaluation["dataset"], "siim-acr");
    assert_eq!(evaluation["metrics"][0]["metric"], "dice");
    let dice = evaluation["metrics"][0]["value"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&dice), "{evaluation}");
    let films = evaluation["films"].as_u64().unwrap() as usize;
    assert_eq!(
        std::fs::read_dir(run.join("test/masks")).unwrap().count(),
        films
    );
    let table = std::fs::read_to_string(run.join("test/predictions.csv")).unwrap();
    assert!(
        table.starts_with("ImageId,Probability,Pixels,EncodedPixels\n"),
        "{table}"
    );
    assert_eq!(table.lines().count(), films + 1);

    // Judged again, the model comes to the same.
    let again = run.with_file_name("again");
    let mut eval = program("mflag-segment");
    succeed(
        eval.arg("eval")
            .arg("--model")
            .arg(run)
            .arg("--out")
            .arg(&again),
    );
    assert_eq!(json(&again.join("evaluation.json")), evaluation);
}

#[test]
fn a_run_that_was_stopped_ends_as_one_that_was_not() {
    let run = prepared().join("stopped");
    succeed(&mut train(&run, &["train.stop_after_steps=3"]));
    assert!(!run.join("model.safetensors").exists());
    // Not by --resume alone, which would stop again: the limit is of the session.
    loop {
        let mut resume = program("mflag-segment");
        let said = succeed(resume.args(["train", "--resume", "--run"]).arg(&run));
        if !said.contains("not finished") {
            break;
        }
    }
    let weights = |run: &Path| {
        let bytes = std::fs::read(run.join("best.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut all: Vec<(String, Vec<u8>)> = file
            .iter()
            .map(|(name, view)| (name.to_owned(), view.data().to_vec()))
            .collect();
        all.sort();
        all
    };
    assert!(weights(&run) == weights(whole()), "the best weights differ");
    let results = |run: &Path| json(&run.join("test/evaluation.json"));
    assert_eq!(results(&run), results(whole()));
}

#[test]
fn kept_features_train_as_films_do() {
    let still = [
        "augment.rotation={from: 0.0, to: 0.0}",
        "augment.shift=0.0",
        "augment.scale=0.0",
    ];
    let run = |name: &str, kept: &str| {
        let run = prepared().join(name);
        let sets = [&still[..], &["train.precision=fp32", kept]].concat();
        succeed(&mut train(&run, &sets));
        json(&run.join("test/evaluation.json"))
    };
    let kept = run("kept", "data.keep_features=1024");
    let films = run("films", "data.keep_features=0");
    for (a, b) in kept["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .zip(films["metrics"].as_array().unwrap())
    {
        let (a, b) = (a["value"].as_f64(), b["value"].as_f64());
        let near = a.zip(b).is_none_or(|(a, b)| (a - b).abs() < 0.02);
        assert!(near && a.is_some() == b.is_some(), "{kept} {films}");
    }
}

#[test]
fn films_from_a_folder_become_masks_and_a_bad_one_a_line() {
    let films = prepared().join("mixed");
    std::fs::create_dir_all(films.join("more")).unwrap();
    let film = |name: &str| {
        image::GrayImage::from_fn(90, 60, |x, y| image::Luma([(x + y) as u8]))
            .save(films.join(name))
    };
    film("a.png").unwrap();
    film("more/b.jpg").unwrap();
    std::fs::write(films.join("torn.png"), b"no film").unwrap();
    let out = prepared().join("masks");
    let mut predict = program("mflag-segment");
    predict.arg("predict").arg("--model").arg(whole());
    let said = succeed(predict.arg("--out").arg(&out).arg(&films));
    assert!(
        said.contains("2 films") && said.contains("1 films could not be read"),
        "{said}"
    );
    let bad = std::fs::read_to_string(out.join("bad.csv")).unwrap();
    assert!(bad.contains("torn.png"), "{bad}");
    let masks: Vec<_> = std::fs::read_dir(out.join("masks")).unwrap().collect();
    assert_eq!(masks.len(), 2);
    for mask in masks {
        let mask = image::open(mask.unwrap().path()).unwrap();
        assert_eq!((mask.width(), mask.height()), (90, 60));
    }
}

#[test]
fn committed_configurations_and_schema_are_true() {
    let committed = std::fs::read_to_string("../configs/segmentation/schema.json").unwrap();
    let schema = succeed(program("mflag-segment").arg("schema"));
    assert_eq!(committed, schema, "write it again by `just schema`");
    for config in ["siim", "rsna", "masks"] {
        let mut command = program("mflag-segment");
        command.args(["train", "--set", "data.store=absent", "--run"]);
        let file = format!("configs/segmentation/{config}.yaml");
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
    let said = fail(&mut train(&run, &["monitor=dise"]));
    assert!(said.contains("did you mean 'dice'"), "{said}");
    let said = fail(&mut train(&run, &["head.truth=boxes"]));
    assert!(said.contains("head.truth: mask"), "{said}");
    let mut predict = program("mflag-segment");
    predict
        .arg("predict")
        .arg("--model")
        .arg(prepared().join("store"));
    let said = fail(predict.arg("--out").arg(&run).arg(prepared()));
    assert!(said.contains("model.safetensors"), "{said}");
}
