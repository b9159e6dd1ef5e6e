//! Weight files that PyTorch wrote (`tests/oracle/weights.py`; the values must be equal), and
//! damaged and hostile files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

mod hostile;
mod load;
mod read_write;

use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};

pub(crate) fn golden(name: &str) -> PathBuf {
    mflag_tests::golden(&format!("weights/{name}"))
}

pub(crate) fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

pub(crate) fn assert_not_executed() {
    let marker = Path::new(env!("CARGO_MANIFEST_DIR")).join("pickle-was-executed");
    assert!(!marker.exists() && !Path::new("pickle-was-executed").exists());
}
