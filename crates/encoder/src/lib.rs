//! ResNet and BERT with upstream checkpoint names, and weight files in and out: the crate to reuse elsewhere.

mod error;
pub mod weights;

pub use error::{Error, Result};
