//! Detection on chest films: YOLOv3 heads on the film encoder (MGCA's protocol on RSNA and Object-CXR, and own boxes).

pub mod anchors;
pub mod boxes;
mod config;
mod head;
pub mod loss;
mod writer;
pub mod yolo;

pub use config::{Anchors, DetectionConfig};
pub use head::{Detection, Facts};
pub use writer::{BoxWriter, Boxes};
