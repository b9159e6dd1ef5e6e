//! M-FLAG pre-training (arXiv 2307.08347, MICCAI 2023): a film encoder learns from reports that pass through a frozen
//! language model; an alignment loss pulls the two together, an orthogonality loss keeps the latent space round.

pub mod config;
mod error;
pub mod export;
pub mod latent;
pub mod loss;
pub mod model;
pub mod pairs;
pub mod run;
pub mod space;
pub mod task;
pub mod text_cache;
pub mod zero_shot;

pub use error::{Error, Result};
