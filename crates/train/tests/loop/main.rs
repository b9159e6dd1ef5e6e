//! The loop on a small task.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    reason = "test code"
)]

mod course;
mod faults;
mod process;
mod resume;
mod tensorboard;
mod toy;
