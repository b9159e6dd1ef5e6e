//! Detection: predicted boxes against true ones, of one class.
//!
//! Average precision as COCO defines it (Lin et al., ECCV 2014; `COCOeval` of pycocotools): in each image the most confident
//! predictions claim the boxes first, each the free one that it overlaps most, if their IoU reaches the threshold; all
//! predictions of all images are then ranked together, and precision, made monotone, is averaged over 101 recalls, 0 to 1. The area of
//! a box is not limited, and there are no crowd regions. With more than one class, measure each by itself and take
//! [`mean_defined`](crate::mean_defined).
//!
//! Two ways to choose the images ([`Protocol`]): `strict` counts each; `mgca` leaves out what MGCA's evaluation leaves out, for
//! comparison with published tables. MGCA's figures come from torchmetrics 0.8.2 on boxes in f32, where an IoU must be above the
//! threshold and not at it: the difference shows only where both are equal.

mod boxes;
mod matching;

pub use boxes::{Rect, iou};
pub use matching::{Image, MAX_PREDICTIONS, Matches, Prediction, Protocol};

/// IoU thresholds that MGCA averages over, and with it the tables of M-FLAG: .40 to .75 in steps of .05.
pub const MGCA_THRESHOLDS: [f64; 8] = [0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75];
