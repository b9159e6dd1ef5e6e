//! Classification: scores of samples against their labels.
//!
//! A label is present (`Some(true)`), absent (`Some(false)`) or missing (`None`). A sample whose
//! label is missing does not count for that label, but counts for the others. [`Ranking`] needs
//! only the order of the scores, so they may be logits or probabilities. Logits are better: a
//! sigmoid in f32 makes all scores above 17 equal. [`calibration_error`] needs probabilities.
//!
//! A table `[n, labels]` is measured label by label ([`per_label`]). The mean over the labels where
//! the metric is defined ([`mean_defined`](crate::mean_defined)) is the macro mean of published
//! tables:
//!
//! ```
//! use mflag_metrics::{Counts, classification::{Ranking, per_label}, mean_defined};
//! use ndarray::array;
//!
//! let scores = array![[0.9, 0.2], [0.4, 0.1], [0.6, 0.7]];
//! let truth = array![[Some(true), Some(false)], [Some(false), None], [Some(false), Some(false)]];
//! let labels = per_label(scores.view(), truth.view(), Ranking::new)?;
//! let auroc: Result<Vec<_>, _> = labels.iter().map(|label| label.auroc(Counts::Once)).collect();
//! let auroc = auroc?;
//! assert_eq!(auroc, [Some(1.0), None]); // no sample has the second label
//! assert_eq!(mean_defined(auroc), Some(1.0));
//! # Ok::<(), mflag_metrics::Error>(())
//! ```

mod calibration;
mod confusion;
mod curve;
mod ranking;

pub use calibration::{BINS, calibration_error, class_calibration_error};
pub use confusion::{Confusion, class_accuracy};
pub use curve::Point;
pub use ranking::{LabelCount, Ranking};

use ndarray::{ArrayView1, ArrayView2, Axis};

use crate::{Error, Result};

/// Applies `measure` to each label: to its columns of `scores` and `truth`, both `[n, labels]`.
///
/// # Errors
/// If the shapes differ, or `measure` fails; the message then names the label.
pub fn per_label<'a, T>(
    scores: ArrayView2<'a, f32>,
    truth: ArrayView2<'a, Option<bool>>,
    measure: impl Fn(ArrayView1<'a, f32>, ArrayView1<'a, Option<bool>>) -> Result<T>,
) -> Result<Vec<T>> {
    let (rows, columns) = ("rows of labels", "columns of labels");
    Error::check_length(rows, truth.nrows(), "rows of scores", scores.nrows())?;
    Error::check_length(columns, truth.ncols(), "columns of scores", scores.ncols())?;
    (0..scores.ncols())
        .map(|label| {
            let scores = scores.index_axis_move(Axis(1), label);
            let truth = truth.index_axis_move(Axis(1), label);
            measure(scores, truth).map_err(|error| error.at("label", label))
        })
        .collect()
}
