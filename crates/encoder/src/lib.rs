#![doc = include_str!("../README.md")]

mod batch_norm;
mod batcher;
#[cfg(feature = "text")]
pub mod bert;
mod config;
mod error;
#[cfg(feature = "export")]
pub mod export;
mod film_encoder;
pub mod init;
mod preprocess;
mod resnet;
mod shared;
#[cfg(feature = "text")]
pub mod text;

pub use batch_norm::BatchNorm;
pub use batcher::{BatchOptions, Batcher, Closed};
pub use config::EncoderConfig;
pub use error::{Error, IoError, Result};
pub use film_encoder::{FilmEncoder, write_encoder};
pub use mflag_film::{Film, Fit, Limits, Squaring, ViewGeometry, Window};
pub use mflag_weights as weights;
pub use preprocess::Preprocess;
pub use resnet::{Arch, Features, ResNet};
pub use shared::SharedEncoder;
pub use {ndarray, tch};

/// The prefix of an encoder's variables in the weights of a larger model.
pub const ENCODER_PREFIX: &str = "encoder.";
