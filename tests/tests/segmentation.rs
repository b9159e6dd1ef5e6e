//! Runs segmentation end to end, from phantoms in SIIM-ACR's layout to masks.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use mflag_tests::heads::{
    Trial, assert_films_are_drawn, assert_metrics_near, copy_store, json, tested,
};
use mflag_tests::programs::{fail, log, succeed};
use serde_json::Value;

/// Trains for two epochs on phantoms in SIIM-ACR's layout.
static TRIAL: Trial = Trial {
    program: "mflag-segment",
    configs: "segmentation",
    phantom: &["siim", "--films", "48", "--seed", "3"],
    prepare: &[
        "siim",
        "--side",
        "64",
        "--fit",
        "squeeze",
        "--window",
        "max-scaled",
    ],
    config: "siim",
    sets: &[
        "data.side=64",
        "encoder.arch=resnet18",
        "train.epochs=2",
        "train.device=cpu",
    ],
    says: &["untrained", "95 % interval"],
    folder: OnceLock::new(),
    whole: OnceLock::new(),
};

#[test]
fn a_run_ends_with_a_model_and_its_test_results() {
    let run = TRIAL.whole();
    let evaluation = tested(run);
    assert_films_are_drawn(run);
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

    // A second evaluation gives the same result.
    let again = TRIAL.eval(run, "again", &[]);
    assert_eq!(json(&again.join("evaluation.json")), evaluation);
}

#[test]
fn a_run_that_was_stopped_ends_as_one_that_was_not() {
    let run = TRIAL.stopped(3);
    assert!(
        best_weights(&run) == best_weights(TRIAL.whole()),
        "the best weights differ"
    );
    assert_eq!(tested(&run), tested(TRIAL.whole()));
}

/// The weights of a run's best epoch as bytes, by name.
fn best_weights(run: &Path) -> BTreeMap<String, Vec<u8>> {
    weights(&run.join("best.safetensors"))
}

/// The weights of a checkpoint as bytes, by name.
fn weights(file: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(file).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let weights = file.iter();
    weights
        .map(|(name, view)| (name.to_owned(), view.data().to_vec()))
        .collect()
}

#[test]
fn a_frozen_encoders_statistics_move_only_if_the_configuration_says_so() {
    let still = ["encoder.moving_statistics=false", "train.epochs=1"];
    let still = weights(&TRIAL.run("still", &still).join("last.safetensors"));
    // The configuration of the run is MGCA's: the statistics move.
    let moving = weights(&TRIAL.whole().join("last.safetensors"));
    let mut statistics = 0;
    for (name, value) in still
        .iter()
        .filter(|(name, _)| name.starts_with("model.encoder."))
    {
        let is_statistic = name.ends_with("running_mean") || name.ends_with("running_var");
        statistics += usize::from(is_statistic);
        assert_eq!(*value != moving[name], is_statistic, "{name}");
        if name.ends_with("running_mean") {
            assert!(value.iter().all(|byte| *byte == 0), "{name} has moved");
        }
    }
    assert_eq!(statistics, 2 * 20, "a ResNet-18 has 20 BatchNorm layers");
}

#[test]
fn kept_features_train_as_films_do() {
    let still = [
        "encoder.moving_statistics=false",
        "augment.rotation={from: 0.0, to: 0.0}",
        "augment.shift=0.0",
        "augment.scale=0.0",
    ];
    let sets = [&still[..], &["train.precision=fp32"]].concat();
    let [kept, films] = TRIAL.with_features_kept_and_not(&sets);
    assert_metrics_near(&kept, &films, 0.02);
}

#[test]
fn films_from_a_folder_become_masks_and_a_bad_one_a_line() {
    let out = TRIAL.predict_three_and_a_bad_one();
    let masks: Vec<_> = std::fs::read_dir(out.join("masks")).unwrap().collect();
    assert_eq!(masks.len(), 3);
    for mask in masks {
        let mask = image::open(mask.unwrap().path()).unwrap();
        assert_eq!((mask.width(), mask.height()), (90, 60));
    }
}

#[test]
fn dicom_films_get_masks_of_their_size_as_in_the_evaluation() {
    let predicted = TRIAL.predict("**/*.dcm", "dicom").join("masks");
    let evaluated = TRIAL.whole().join("test/masks");
    let masks = |folder: &Path| -> Vec<PathBuf> {
        let files = std::fs::read_dir(folder).unwrap();
        files.map(|f| f.unwrap().path()).collect()
    };
    let of_files = masks(&predicted);
    assert_eq!(of_files.len(), 48);
    for judged in masks(&evaluated) {
        let name = judged.file_name().unwrap().to_str().unwrap();
        let same = |file: &&PathBuf| {
            let file = file.file_name().unwrap().to_str().unwrap();
            file.ends_with(name)
        };
        let file = of_files.iter().find(same).unwrap();
        let [one, other] = [&judged, file].map(|f| image::open(f).unwrap().into_luma8());
        assert_eq!(one.dimensions(), (1024, 1024));
        assert_eq!(one.dimensions(), other.dimensions());
        // The last bits of a film's features depend on the other films of its batch.
        let differ = one.iter().zip(other.iter()).filter(|(a, b)| a != b).count();
        assert!(differ < one.len() / 1000, "{name}: {differ} pixels");
    }
}

#[test]
fn committed_configurations_and_schema_are_true() {
    TRIAL.committed_is_true(&["siim", "rsna", "masks"]);
}

#[test]
fn what_cannot_be_is_said_in_words() {
    let said = fail(&mut TRIAL.train("never", &["data.side=80"]));
    assert!(said.contains("multiple of 32"), "{said}");
    let said = fail(&mut TRIAL.train("never", &["monitor=dise"]));
    assert!(said.contains("did you mean 'dice'"), "{said}");
    let said = fail(&mut TRIAL.train("never", &["head.truth=boxes"]));
    assert!(said.contains("head.truth: mask"), "{said}");
    let folder = TRIAL.folder();
    let mut predict = TRIAL.program();
    predict
        .arg("predict")
        .arg("--model")
        .arg(folder.join("store"));
    let said = fail(predict.arg("--out").arg(folder.join("never")).arg(folder));
    assert!(said.contains("model.safetensors"), "{said}");
    let mut predict = TRIAL.program();
    predict.arg("predict").arg("--model").arg(TRIAL.whole());
    let nowhere = folder.join("no*where");
    let said = fail(predict.arg("--out").arg(folder.join("never")).arg(nowhere));
    assert!(said.contains("matches nothing"), "{said}");
}

/// Copies the store to `name`, and takes the masks of a split away. Returns the override that names
/// the copy.
fn without_masks(split: &str, name: &str) -> String {
    let store = TRIAL.folder().join(name);
    copy_store(&TRIAL.folder().join("store"), &store);
    let records = store.join("films.jsonl");
    let text = std::fs::read_to_string(&records).unwrap();
    let record = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        if record["split"] == split {
            record.as_object_mut().unwrap().remove("mask");
        }
        format!("{record}\n")
    };
    std::fs::write(&records, text.lines().map(record).collect::<String>()).unwrap();
    // As in a store of an earlier version, no digest says that the records have changed.
    let file = store.join("store.json");
    let mut meta = json(&file);
    assert!(
        meta.as_object_mut()
            .unwrap()
            .remove("records_blake3")
            .is_some()
    );
    std::fs::write(file, meta.to_string()).unwrap();
    format!("data.store={}", store.display())
}

#[test]
fn what_cannot_be_measured_is_told_before_the_first_epoch() {
    let dry = |sets: &[&str]| {
        let mut train = TRIAL.train("dry", sets);
        train.arg("--dry-run");
        train
    };
    let ready = "nothing stands against this run";
    assert!(succeed(&mut dry(&[])).contains(ready));
    let store = without_masks("validate", "no-validation");
    let left_out = fail(&mut dry(&[&store, "head.unmarked=left_out"]));
    assert!(
        left_out.contains("no film of its validate split") && left_out.contains("head.unmarked"),
        "{left_out}"
    );
    let undefined =
        fail(&mut TRIAL.train("dry", &[&store, "head.unmarked=negative", "monitor=dice"]));
    assert!(
        undefined.contains("none has a mask") && undefined.contains("monitor: loss"),
        "{undefined}"
    );
    let said = succeed(&mut dry(&[
        &store,
        "head.unmarked=negative",
        "monitor=loss",
    ]));
    assert!(said.contains(ready), "{said}");
    assert!(!TRIAL.folder().join("dry").exists());

    // Without masks in the test split, the run warns at its start and ends without an evaluation.
    let store = without_masks("test", "no-test");
    let sets = [&store, "head.unmarked=left_out", "train.epochs=1"];
    let said = log(&mut TRIAL.train("no-test-run", &sets));
    assert!(
        said.contains("no film of the test split has labels"),
        "{said}"
    );
    let run = TRIAL.folder().join("no-test-run");
    assert!(run.join("model.safetensors").exists() && !run.join("test").exists());
}
