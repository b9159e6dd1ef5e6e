//! Reports: `report.rs` writes them, `phrases.toml` has their words, `phrases.rs` reads that file.

mod phrases;
mod report;

pub use report::{Mention, Report};
