//! The committed experiments are what the program reads.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};

use mflag_core::config;
use mflag_experiments::Published;
use mflag_experiments::config::Experiments;

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

#[test]
fn the_schema_is_that_of_the_program() {
    let text = std::fs::read_to_string(folder().join("schema.json")).unwrap();
    let committed: serde_json::Value = serde_json::from_str(&text).unwrap();
    let schema = config::schema::<Experiments>();
    assert!(committed == schema, "run `just schema`");
}
