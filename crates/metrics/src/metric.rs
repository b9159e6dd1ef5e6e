//! The names of the metrics, and which way each is better.

use mflag_core::Direction;

/// A metric that a run reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// [`Ranking::auroc`](crate::classification::Ranking::auroc).
    Auroc,
    /// [`Ranking::average_precision`](crate::classification::Ranking::average_precision).
    AveragePrecision,
    /// [`Confusion::f1`](crate::classification::Confusion::f1).
    F1,
    /// [`Confusion::accuracy`](crate::classification::Confusion::accuracy), and that of
    /// [classes](crate::classification::class_accuracy).
    Accuracy,
    /// [`calibration_error`](crate::classification::calibration_error).
    CalibrationError,
    /// [`Overlap::dice`](crate::segmentation::Overlap::dice).
    Dice,
    /// [`Overlap::iou`](crate::segmentation::Overlap::iou).
    Iou,
    /// [`Matches::mean_average_precision`](crate::detection::Matches::mean_average_precision).
    MeanAveragePrecision,
    /// [`Matches::sensitivity`](crate::detection::Matches::sensitivity).
    Sensitivity,
}

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 9] = [
        Metric::Auroc,
        Metric::AveragePrecision,
        Metric::F1,
        Metric::Accuracy,
        Metric::CalibrationError,
        Metric::Dice,
        Metric::Iou,
        Metric::MeanAveragePrecision,
        Metric::Sensitivity,
    ];

    /// The name that tables and `metrics.jsonl` have.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Auroc => "auroc",
            Metric::AveragePrecision => "average_precision",
            Metric::F1 => "f1",
            Metric::Accuracy => "accuracy",
            Metric::CalibrationError => "calibration_error",
            Metric::Dice => "dice",
            Metric::Iou => "iou",
            Metric::MeanAveragePrecision => "map",
            Metric::Sensitivity => "sensitivity",
        }
    }

    /// Which way it is better.
    pub fn direction(self) -> Direction {
        match self {
            Metric::CalibrationError => Direction::Lower,
            _ => Direction::Higher,
        }
    }
}

/// Mean of the values that are defined, as of a metric over its labels; `None` if none is.
pub fn mean_defined(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let (mut sum, mut defined) = (0.0, 0u64);
    for value in values.into_iter().flatten() {
        sum += value;
        defined += 1;
    }
    (defined > 0).then(|| sum / defined as f64)
}

/// `part / whole`; `None` if the whole is 0.
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_one_metric() {
        let mut names = Metric::ALL.map(Metric::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len());
    }

    #[test]
    fn what_is_undefined_is_no_zero() {
        assert_eq!(mean_defined([Some(1.0), None, Some(0.5)]), Some(0.75));
        assert_eq!(mean_defined([None, None]), None);
        assert_eq!(mean_defined([]), None);
    }
}
