//! Detection on chest films: YOLOv3 heads on the film encoder. It supports MGCA's protocol on RSNA
//! and Object-CXR, and boxes of your own.

pub mod anchors;
pub mod boxes;
mod config;
mod head;
pub mod loss;
mod target;
mod writer;
pub mod yolo;

pub use config::{AnchorSource, DetectionConfig, Rules};
pub use head::{Detection, Fitted, Scored};
pub use target::{SquareBox, Target, TrueBox};
pub use writer::{BoxWriter, FilmBoxes};
