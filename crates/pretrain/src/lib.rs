//! M-FLAG pre-training (arXiv 2307.08347, MICCAI 2023). A film encoder learns from reports, which a
//! frozen language model embeds. The alignment loss pulls films and reports together; the
//! orthogonality loss keeps the latent space from collapsing.

mod arrays;
pub mod config;
pub mod dual_encoder;
mod error;
pub mod export;
pub mod latent;
pub mod loss;
pub mod model;
pub mod pairs;
pub mod run;
pub mod sync_batch_norm;
pub mod task;
pub mod text_cache;
pub mod zero_shot;

pub use error::{Error, Result};
