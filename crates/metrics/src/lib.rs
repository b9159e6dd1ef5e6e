//! The metrics of mflag: plain functions on arrays, each with its definition, its range and a golden against the
//! reference that the field uses. Needs no libtorch.
//!
//! | module | metrics | reference of the goldens |
//! | --- | --- | --- |
//! | [`classification`] | AUROC, average precision, F1, accuracy, calibration error, ROC and precision-recall curves | scikit-learn |
//! | [`segmentation`] | Dice and IoU of masks | scikit-learn, MGCA's rule for empty masks |
//! | [`detection`] | average precision of boxes, sensitivity at a rate of false positives | pycocotools |
//! | [`bootstrap`] | intervals of any of these, and tests between two models, by patient | NumPy and scikit-learn |
//! | [`evaluation`] | all of a model on a split, with their resamples, in a folder | |
//! | [`curves`] | ROC and precision-recall curves with their bands, in a folder | scikit-learn |
//! | [`retrieval`], [`latent`] | recall across two spaces; geometry of one | NumPy |
//!
//! What is undefined is `None`, never a number that looks like a result: AUROC without both classes, Dice of two empty masks where
//! they are left out, average precision without a box to find. Input that cannot be meant (lengths that differ, NaN) is an [`Error`].
//!
//! Every metric of samples takes [`Counts`], how often each sample counts, and so can be resampled without a copy.

pub mod bootstrap;
pub mod classification;
mod counts;
pub mod curves;
pub mod detection;
mod error;
pub mod evaluation;
pub mod latent;
mod metric;
pub mod retrieval;
pub mod segmentation;

pub use counts::Counts;
pub use error::{Error, Result};
pub use metric::{Metric, mean_defined};
