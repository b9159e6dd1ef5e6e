//! The committed experiments are what the program reads.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};

use mflag_core::config;
use mflag_experiments::Published;
use mflag_experiments::config::Experiments;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/experiments")
}

#[test]
fn experiments_and_their_published_tables_are_read() {
    let published = Published::read(&folder().join("published.yaml")).unwrap();
    let mut beside = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let is_experiment = path.extension().is_some_and(|e| e == "yaml");
        if !is_experiment || path.ends_with("published.yaml") {
            continue;
        }
        let experiments: Experiments = config::load(Some(&path), &[]).unwrap().config;
        for task in &experiments.tasks {
            let head = folder().join("../..").join(&task.config);
            assert!(head.exists(), "{}: {}", path.display(), head.display());
            let told = experiments.published.is_none() || published.tables.contains_key(&task.name);
            assert!(
                told,
                "{}: nothing is published as '{}'",
                path.display(),
                task.name
            );
            beside += usize::from(experiments.published.is_some());
        }
    }
    assert_eq!(beside, 9, "tasks of the paper's tables");
}

/// MGCA's own code (mgca_detector.py, mgca_segmenter.py, ssl_finetuner.py and the transforms of its data modules) and its paper's rates.
#[test]
fn the_configurations_of_published_protocols_say_what_these_do() {
    // File, batch, rate, weight decay, part of the augmentation that is on.
    let protocols: [(&str, u64, f64, f64, &[&str]); 6] = [
        (
            "classification/mgca-chexpert",
            48,
            5e-4,
            1e-6,
            &["blur", "crop", "flip", "jitter"],
        ),
        ("classification/mgca-rsna", 48, 5e-4, 1e-6, &["crop"]),
        ("segmentation/siim", 8, 5e-4, 0.05, &["rotation", "scale"]),
        ("segmentation/rsna", 16, 5e-4, 0.05, &["rotation", "scale"]),
        ("detection/mgca-rsna", 16, 5e-4, 1e-6, &[]),
        ("detection/mgca-object-cxr", 16, 5e-4, 1e-6, &[]),
    ];
    for (name, batch, rate, decay, augmented) in protocols {
        let stated = stated(name);
        let train = &stated["train"];
        assert_eq!(train["batch_size"], batch, "{name}");
        assert_eq!(train["optimiser"]["lr"], rate, "{name}");
        assert_eq!(train["optimiser"]["weight_decay"], decay, "{name}");
        assert_eq!(
            (&train["epochs"], &train["patience"]),
            (&50.into(), &10.into()),
            "{name}"
        );
        // None of MGCA's heads has a scheduler.
        assert_eq!(train["schedule"]["decay"]["kind"], "constant", "{name}");
        assert_eq!(stated["encoder"]["frozen"], true, "{name}");
        assert_eq!(on(&stated), augmented, "{name}");
    }
    assert!(on(&stated("classification/strict-chexpert")).is_empty());
}

fn stated(name: &str) -> Value {
    let file = folder().join("..").join(format!("{name}.yaml"));
    config::stated(&file, &[]).unwrap()
}

/// What changes films at random.
fn on(stated: &Value) -> Vec<&str> {
    let Some(all) = stated["augment"].as_object() else {
        return vec![];
    };
    let is_on = |value: &Value| match value {
        Value::Object(part) => part.get("probability").is_none_or(|p| *p != 0.0),
        value => *value != false && *value != 0.0,
    };
    let mut names: Vec<&str> = all
        .iter()
        .filter(|(name, value)| *name != "probability" && is_on(value))
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn the_schema_is_that_of_the_program() {
    let text = std::fs::read_to_string(folder().join("schema.json")).unwrap();
    let committed: Value = serde_json::from_str(&text).unwrap();
    let schema = config::schema::<Experiments>();
    assert!(committed == schema, "run `just schema`");
}
