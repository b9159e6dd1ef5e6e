//! Metrics of mflag: functions on arrays, each with its definition, its range and a golden against
//! the reference implementation of the field. The crate needs no libtorch.
//!
//! | module | content | goldens by |
//! | --- | --- | --- |
//! | [`classification`] | AUROC, average precision, F1, accuracy, calibration | scikit-learn |
//! | [`segmentation`] | Dice and IoU of masks | scikit-learn; MGCA's rule for empty masks |
//! | [`detection`] | average precision of boxes, sensitivity | pycocotools |
//! | [`retrieval`], [`latent`] | recall between two spaces; geometry of one | NumPy |
//! | [`bootstrap`] | intervals of any metric, tests between two models | NumPy, scikit-learn |
//! | [`evaluation`] | the metrics of a model on a split, with resamples, as files | |
//! | [`curves`] | ROC and precision-recall curves with bands, as a file | scikit-learn |
//! | [`catalogue`] | key, title, unit and direction of each metric that runs report | |
//!
//! An undefined metric is `None`: AUROC without both classes, Dice of an empty mask that is left
//! out, average precision without true boxes. Invalid input (unequal lengths, NaN) is an [`Error`].
//!
//! Every metric of samples takes [`Counts`], how often each sample counts. It can therefore be
//! resampled without copying samples.

pub mod bootstrap;
pub mod catalogue;
pub mod classification;
mod counts;
pub mod curves;
pub mod detection;
mod error;
pub mod evaluation;
pub mod latent;
mod mean;
pub mod retrieval;
pub mod segmentation;

pub use counts::Counts;
pub use error::{Error, Result};
pub use mean::mean_defined;

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
