//! Detection: predicted boxes against true ones, for one class.
//!
//! Average precision follows COCO (Lin et al., ECCV 2014; `COCOeval` of pycocotools). In each image
//! the most confident predictions claim boxes first. Each claims the free box that it overlaps
//! most, if their IoU reaches the threshold. Then the predictions of all images are ranked
//! together, and precision, made monotone, is averaged over 101 recalls from 0 to 1. Boxes of any
//! area count, and there are no crowd regions. With several classes, measure each separately and
//! take [`mean_defined`](crate::mean_defined).
//!
//! A [`Protocol`] chooses the images. `Strict` counts all of them. `Mgca` leaves out those that
//! MGCA's evaluation leaves out, for comparison with published tables. MGCA's figures come from
//! torchmetrics 0.8.2 on boxes in f32, where an IoU must exceed the threshold. Results differ only
//! where an IoU equals the threshold.

mod boxes;
mod matching;

pub use boxes::{Rect, iou};
pub use matching::{Image, MAX_PREDICTIONS, Matches, Prediction, Protocol};

/// IoU thresholds that the tables of MGCA and M-FLAG average over: .40 to .75 in steps of .05.
pub const MGCA_THRESHOLDS: [f64; 8] = [0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75];
