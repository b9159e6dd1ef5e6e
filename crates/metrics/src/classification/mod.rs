//! Classification: scores of samples against what is true of them.
//!
//! A label is present (`Some(true)`), absent (`Some(false)`) or missing (`None`). A sample without the label does not count for that
//! label, and counts for the others. Scores may be logits or probabilities: [`Ranking`] asks for their order alone. Logits are the
//! better input, since a sigmoid in f32 makes all scores above 17 equal. Only [`calibration_error`] asks for probabilities.
//!
//! A table `[n, labels]` is measured label by label ([`per_label`]) and then averaged over the labels where the metric is defined
//! ([`mean_defined`](crate::mean_defined)), which is the macro mean of the published tables:
//!
//! ```
//! use mflag_metrics::{Counts, classification::{Ranking, per_label}, mean_defined};
//! use ndarray::array;
//!
//! let scores = array![[0.9, 0.2], [0.4, 0.1], [0.6, 0.7]];
//! let truth = array![[Some(true), Some(false)], [Some(false), None], [Some(false), Some(false)]];
//! let labels = per_label(scores.view(), truth.view(), Ranking::new)?;
//! let auroc = labels.iter().map(|label| label.auroc(Counts::Once)).collect::<Result<Vec<_>, _>>()?;
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
pub use ranking::Ranking;

use ndarray::{ArrayView1, ArrayView2, Axis};

use crate::{Error, Result};

/// What `measure` makes of each label: of its column of `scores`, `[n, labels]`, and of `truth`, `[n, labels]`.
///
/// # Errors
/// The shapes differ, or `measure` fails; the message names the label.
pub fn per_label<'a, T>(
    scores: ArrayView2<'a, f32>,
    truth: ArrayView2<'a, Option<bool>>,
    measure: impl Fn(ArrayView1<'a, f32>, ArrayView1<'a, Option<bool>>) -> Result<T>,
) -> Result<Vec<T>> {
    Error::check_length(
        "rows of the truth, of the scores",
        truth.nrows(),
        scores.nrows(),
    )?;
    Error::check_length(
        "labels of the truth, of the scores",
        truth.ncols(),
        scores.ncols(),
    )?;
    (0..scores.ncols())
        .map(|label| {
            let scores = scores.index_axis_move(Axis(1), label);
            let truth = truth.index_axis_move(Axis(1), label);
            measure(scores, truth).map_err(|error| error.of("label", label))
        })
        .collect()
}
