//! Masks: run-length strings, files and boxes, and their place in a film's square and view.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

mod mask;
mod rle;
mod view;
