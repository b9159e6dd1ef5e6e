//! Encoders for other programs: ONNX and TorchScript. (Safetensors: [`crate::film::write_encoder`].)
//!
//! Both take grey values from 0 to 255 as f32 `[N, 1, S, S]`, the middle of the film's square ([`crate::preprocess`]), with the
//! normalisation inside, and give the pooled output `[N, width]`, for any `N`.

mod onnx;
mod proto;
#[cfg(test)]
mod tests;
mod torchscript;

pub use onnx::{Norms, write_onnx};
pub use torchscript::write_torchscript;

/// Names of the one input and the one output.
const INPUT: &str = "films";
const OUTPUT: &str = "features";
