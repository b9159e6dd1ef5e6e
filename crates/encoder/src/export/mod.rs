//! Encoders for other programs, as ONNX and TorchScript. (For safetensors see
//! [`FilmEncoder::write`](crate::FilmEncoder::write).)
//!
//! Both take grey values from 0 to 255 as f32 `[N, 1, S, S]`, the centre of the film's square
//! ([`Preprocess`](crate::Preprocess)), for any `N`. They normalise the values and return the
//! pooled vectors `[N, width]`.

mod onnx;
mod proto;
#[cfg(test)]
mod tests;
mod torchscript;

pub use onnx::{BatchNorms, write_onnx};
pub use torchscript::write_torchscript;

/// The names of the input and the output.
const INPUT: &str = "films";
const OUTPUT: &str = "features";
