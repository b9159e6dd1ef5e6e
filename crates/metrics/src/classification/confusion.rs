//! Decisions: accuracy, F1 and what else is counted once a threshold is set, or a class is chosen.

use ndarray::{ArrayView1, ArrayView2};

use crate::error::check_each;
use crate::metric::ratio;
use crate::{Counts, Error, Result};

/// How many samples are called what they are, and how many are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Confusion {
    /// With the label, and called positive.
    pub true_positives: u64,
    /// Without the label, but called positive.
    pub false_positives: u64,
    /// With the label, but called negative.
    pub false_negatives: u64,
    /// Without the label, and called negative.
    pub true_negatives: u64,
}

impl Confusion {
    /// Of `scores` and `truth`, both `[n]`, where a score of at least `threshold` is called positive; a truth of `None` does not count.
    ///
    /// # Errors
    /// The lengths differ, or a score or the threshold is NaN.
    pub fn at<'a>(
        scores: impl Into<ArrayView1<'a, f32>>,
        truth: impl Into<ArrayView1<'a, Option<bool>>>,
        threshold: f32,
        counts: Counts<'_>,
    ) -> Result<Confusion> {
        let (scores, truth) = (scores.into(), truth.into());
        Error::check_length("labels, of the scores", truth.len(), scores.len())?;
        counts.check(scores.len())?;
        let number = |value: f32| !value.is_nan();
        Error::check_value(
            "the threshold",
            threshold.into(),
            number(threshold),
            "a number",
        )?;
        check_each("the score", scores.iter().copied(), number, "a number")?;
        let mut confusion = Confusion::default();
        for (sample, (score, truth)) in scores.iter().zip(truth).enumerate() {
            let cell = match (*score >= threshold, truth) {
                (true, Some(true)) => &mut confusion.true_positives,
                (true, Some(false)) => &mut confusion.false_positives,
                (false, Some(true)) => &mut confusion.false_negatives,
                (false, Some(false)) => &mut confusion.true_negatives,
                (_, None) => continue,
            };
            *cell += counts.of(sample);
        }
        Ok(confusion)
    }

    /// Harmonic mean of precision and sensitivity, 2·TP / (2·TP + FP + FN). From 0 to 1; `None` if nothing has the label and nothing
    /// is called positive.
    pub fn f1(&self) -> Option<f64> {
        let wrong = self.false_positives + self.false_negatives;
        ratio(2 * self.true_positives, 2 * self.true_positives + wrong)
    }

    /// Share of samples that are called what they are. From 0 to 1; `None` without samples.
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.true_positives + self.true_negatives;
        ratio(right, right + self.false_positives + self.false_negatives)
    }

    /// Share of the samples called positive that have the label. From 0 to 1; `None` if none is called so.
    pub fn precision(&self) -> Option<f64> {
        ratio(
            self.true_positives,
            self.true_positives + self.false_positives,
        )
    }

    /// Share of the samples with the label that are called positive (recall). From 0 to 1; `None` if none has it.
    pub fn sensitivity(&self) -> Option<f64> {
        ratio(
            self.true_positives,
            self.true_positives + self.false_negatives,
        )
    }

    /// Share of the samples without the label that are called negative. From 0 to 1; `None` if all have it.
    pub fn specificity(&self) -> Option<f64> {
        ratio(
            self.true_negatives,
            self.true_negatives + self.false_positives,
        )
    }
}

/// Accuracy among classes: the share of rows of `scores`, `[n, classes]`, whose highest score (of equal ones the first) is that of
/// their `truth`, `[n]`. From 0 to 1; a truth of `None` does not count; `None` if no row does.
///
/// # Errors
/// The lengths differ, a score is NaN, or a truth is none of the classes.
pub fn class_accuracy<'a>(
    scores: ArrayView2<'_, f32>,
    truth: impl Into<ArrayView1<'a, Option<u32>>>,
    counts: Counts<'_>,
) -> Result<Option<f64>> {
    let (mut right, mut all) = (0, 0);
    for choice in choices(scores, truth.into(), counts)? {
        all += choice.count;
        right += if choice.right { choice.count } else { 0 };
    }
    Ok(ratio(right, all))
}

/// The class that a row is called, by its highest score.
pub(super) struct Choice {
    pub(super) score: f32,
    /// Whether it is the true one.
    pub(super) right: bool,
    pub(super) count: u64,
}

/// The choices of the rows whose truth is known.
pub(super) fn choices(
    scores: ArrayView2<'_, f32>,
    truth: ArrayView1<'_, Option<u32>>,
    counts: Counts<'_>,
) -> Result<Vec<Choice>> {
    Error::check_length(
        "classes, of the rows of scores",
        truth.len(),
        scores.nrows(),
    )?;
    counts.check(scores.nrows())?;
    let mut choices = Vec::with_capacity(truth.len());
    for (sample, (row, truth)) in scores.rows().into_iter().zip(truth).enumerate() {
        let (class, score) = highest(row).map_err(|error| error.of("sample", sample))?;
        let Some(truth) = *truth else { continue };
        let known = (truth as usize) < row.len();
        Error::check_value("the class", truth.into(), known, "a column of the scores")
            .map_err(|error| error.of("sample", sample))?;
        choices.push(Choice {
            score,
            right: class == truth as usize,
            count: counts.of(sample),
        });
    }
    Ok(choices)
}

/// The place of the highest of the `scores`, of equal ones the first, and that score.
fn highest(scores: ArrayView1<'_, f32>) -> Result<(usize, f32)> {
    let mut best = (0, f32::NEG_INFINITY);
    for (class, score) in scores.iter().enumerate() {
        Error::check_value("the score", f64::from(*score), !score.is_nan(), "a number")?;
        if *score > best.1 {
            best = (class, *score);
        }
    }
    Ok(best)
}
