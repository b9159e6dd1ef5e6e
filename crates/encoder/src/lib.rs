//! ResNet and BERT with upstream checkpoint names, and weight files in and out: the crate to reuse elsewhere.
#![doc = include_str!("../README.md")]

mod atomic;
pub mod bert;
mod error;
pub mod export;
pub mod film;
pub mod preprocess;
pub mod resnet;
pub mod start;
pub mod text;
pub mod weights;

pub use error::{Error, Result};
pub use tch;
