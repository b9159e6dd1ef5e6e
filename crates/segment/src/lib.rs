//! Segmentation of chest films: a U-Net decoder on the film encoder. It supports MGCA's protocol on
//! SIIM-ACR and RSNA, and masks of your own.

mod config;
mod head;
pub mod loss;
mod target;
pub mod unet;
mod writer;

pub use config::{Loss, SegmentationConfig, Truth};
pub use head::{Fitted, Segmentation};
pub use target::{SquareMask, Target};
pub use writer::MaskWriter;
