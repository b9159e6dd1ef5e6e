//! Goldens of the reference implementations (`tests/oracle/metrics.py`, `tests/oracle/latent.py`).
#![allow(clippy::unwrap_used, reason = "test code")]

mod bootstrap;
mod classification;
mod detection;
mod latent;
mod segmentation;

use serde_json::Value;

fn golden(topic: &str, name: &str) -> Value {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden");
    let text = std::fs::read_to_string(format!("{root}/{topic}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn list<T>(values: &Value, read: impl Fn(&Value) -> T) -> Vec<T> {
    values.as_array().unwrap().iter().map(read).collect()
}

fn numbers(values: &Value) -> Vec<f64> {
    list(values, |v| v.as_f64().unwrap())
}

fn scores(values: &Value) -> Vec<f32> {
    list(values, |v| v.as_f64().unwrap() as f32)
}

fn counts(values: &Value) -> Vec<u32> {
    list(values, |v| v.as_u64().unwrap() as u32)
}

/// Fails unless both are undefined, or equal within 1e-12, the rounding of f64.
#[track_caller]
fn same(ours: Option<f64>, theirs: &Value, what: &str) {
    let equal = match (ours, theirs.as_f64()) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() < 1e-12,
        (None, None) => theirs.is_null(),
        _ => false,
    };
    assert!(equal, "{what}: {ours:?} instead of {theirs}");
}
