//! Tests of the readers. Each test writes a small data set, and compares the reader with the data
//! set's card in `datasets/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

mod chexpert;
mod command_line;
mod manifest;
mod mimic;
mod mimic_tree;
mod nih;
mod object_cxr;
mod rsna;
mod siim;
mod toy;
mod vindr;
