//! What the tests of several crates share. End-to-end tests of the binaries are in `tests/`.

#![allow(clippy::panic, clippy::unwrap_used, reason = "test code")]

pub mod formula;
pub mod heads;
pub mod programs;
pub mod ranks;
pub mod service;

use std::path::PathBuf;

/// Reads a golden file, by its path below `tests/golden`.
///
/// # Panics
/// If the file does not exist. `tests/oracle` has the Python that makes it.
pub fn golden(path: &str) -> PathBuf {
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden")).join(path);
    assert!(
        file.exists(),
        "{} is missing; the scripts in tests/oracle make it",
        file.display()
    );
    file
}

/// Reads a golden JSON file.
///
/// # Panics
/// If the file is missing or damaged.
pub fn golden_json(path: &str) -> serde_json::Value {
    let read = std::fs::read_to_string(golden(path)).map(|text| serde_json::from_str(&text));
    match read {
        Ok(Ok(value)) => value,
        other => panic!("{path}: {other:?}"),
    }
}

/// Returns the numbers of a JSON array of any depth, row by row.
pub fn numbers(value: &serde_json::Value) -> Vec<f64> {
    match value {
        serde_json::Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => other.as_f64().into_iter().collect(),
    }
}

/// Compares two lists of numbers. `tolerance` is relative to the larger of 1 and the golden's
/// absolute value.
///
/// # Panics
/// If they differ by more than `tolerance`; the message contains `what`.
#[track_caller]
pub fn assert_close(found: &[f64], golden: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), golden.len(), "{what}: lengths differ");
    for (i, (a, b)) in found.iter().zip(golden).enumerate() {
        let far = (a - b).abs() / b.abs().max(1.0);
        assert!(
            far <= tolerance,
            "{what}[{i}]: {a} is not {b} within {tolerance}"
        );
    }
}
