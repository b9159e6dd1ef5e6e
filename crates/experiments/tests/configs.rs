//! The program reads the committed experiments and their published tables.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};

use mflag_core::config;
use mflag_experiments::Published;
use mflag_experiments::config::Experiment;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/experiments")
}

#[test]
fn experiments_and_their_published_tables_are_read() {
    let published = Published::read(&folder().join("published.yaml")).unwrap();
    let mut with_published = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let is_experiment = path.extension().is_some_and(|e| e == "yaml");
        if !is_experiment || path.ends_with("published.yaml") {
            continue;
        }
        let experiment: Experiment = config::load(Some(&path), &[]).unwrap().config;
        for task in &experiment.tasks {
            let head = folder().join("../..").join(&task.config);
            assert!(head.exists(), "{}: {}", path.display(), head.display());
            let is_published =
                experiment.published.is_none() || published.tables.contains_key(&task.name);
            assert!(
                is_published,
                "{}: nothing is published as '{}'",
                path.display(),
                task.name
            );
            with_published += usize::from(experiment.published.is_some());
        }
    }
    assert_eq!(with_published, 9, "tasks of the paper's tables");
}

/// Values from MGCA's code (mgca_detector.py, mgca_segmenter.py, ssl_finetuner.py and the
/// transforms of its data modules), and learning rates from its paper.
#[test]
fn configurations_of_published_protocols_have_their_values() {
    // File, batch size, learning rate, weight decay, enabled augmentations.
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
    for (name, batch, rate, decay, augmentations) in protocols {
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
        // MGCA's heads have no scheduler.
        assert_eq!(train["schedule"]["decay"]["kind"], "constant", "{name}");
        assert_eq!(stated["encoder"]["frozen"], true, "{name}");
        // MGCA's linear probe is in evaluation mode; its segmenter and detector are not.
        let moving = !name.starts_with("classification");
        assert_eq!(moving_statistics(&stated), moving, "{name}");
        if name.starts_with("detection") {
            assert_eq!(stated["head"]["assignment"], "mgca", "{name}");
        }
        assert_eq!(enabled_augmentations(&stated), augmentations, "{name}");
    }
    for name in ["classification/strict-chexpert", "detection/strict-rsna"] {
        let strict = stated(name);
        assert!(enabled_augmentations(&strict).is_empty(), "{name}");
        assert!(!moving_statistics(&strict), "{name}");
    }
    for name in ["mimic", "chexpert", "nih"] {
        let stated = stated(&format!("classification/chexclusion-{name}"));
        assert_eq!(
            stated["train"]["schedule"]["decay"]["kind"], "constant",
            "MGCA's linear probe on {name}"
        );
    }
}

/// The paper's abstract: M-FLAG with 1 % of the labels against ImageNet with all of them.
/// Learning rates at 1 %: MGCA's run_det_finetune.sh.
#[test]
fn experiments_of_the_paper_compute_its_claim_by_its_settings() {
    for name in ["paper-segmentation", "paper-detection"] {
        let experiment = experiment(name);
        for than in ["ImageNet", "Random"] {
            let computed = experiment.compare.iter().any(|pair| {
                (pair.encoder.as_str(), pair.fraction) == ("M-FLAG", 0.01)
                    && (pair.than.as_str(), pair.than_fraction) == (than, 1.0)
            });
            assert!(computed, "{name}: M-FLAG at 1 % against {than} at 100 %");
        }
    }
    let detection = experiment("paper-detection");
    let rates = detection.tasks.iter().map(|task| {
        let at = task.at.iter().find(|at| at.fraction == 0.01).unwrap();
        assert_eq!(at.set["train.batch_size"], 8, "{}", task.name);
        at.set["train.optimiser.lr"].as_f64().unwrap()
    });
    assert_eq!(rates.collect::<Vec<f64>>(), [2e-4, 2.5e-4]);
}

fn experiment(name: &str) -> Experiment {
    let path = folder().join(format!("{name}.yaml"));
    config::load(Some(&path), &[]).unwrap().config
}

/// Whether a frozen encoder's BatchNorm statistics move. The default is no.
fn moving_statistics(stated: &Value) -> bool {
    stated["encoder"]["moving_statistics"] == true
}

fn stated(name: &str) -> Value {
    let file = folder().join("..").join(format!("{name}.yaml"));
    config::stated(&file, &[]).unwrap()
}

/// The names of the augmentations that a configuration enables.
fn enabled_augmentations(stated: &Value) -> Vec<&str> {
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
fn the_committed_schema_is_up_to_date() {
    let text = std::fs::read_to_string(folder().join("schema.json")).unwrap();
    let committed: Value = serde_json::from_str(&text).unwrap();
    let schema = config::schema::<Experiment>();
    assert!(
        committed == schema,
        "the committed schema is out of date: run `just schema`"
    );
}
