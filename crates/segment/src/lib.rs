//! Segmentation of chest films: a U-Net decoder on the film encoder (MGCA's protocol on SIIM-ACR and RSNA, and own masks).

mod config;
mod head;
pub mod loss;
pub mod unet;
mod writer;

pub use config::{Loss, SegmentationConfig, Truth};
pub use head::{Facts, Segmentation, Target};
pub use writer::MaskWriter;
