//! The readers of the data sets, each on a tree that its test writes, and against its card in `datasets/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

mod chexpert;
mod datasets;
mod manifest;
mod mimic;
mod mimic_tree;
mod nih;
mod object_cxr;
mod rsna;
mod siim;
mod toy;
mod vindr;
