//! Metrics of decisions: accuracy, F1 and others that need a threshold or a chosen class.

use ndarray::{ArrayView1, ArrayView2};

use crate::error::check_numbers;
use crate::mean::ratio;
use crate::{Counts, Error, Result};

/// The confusion matrix of one label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Confusion {
    /// Samples with the label, predicted positive.
    pub true_positives: u64,
    /// Samples without the label, predicted positive.
    pub false_positives: u64,
    /// Samples with the label, predicted negative.
    pub false_negatives: u64,
    /// Samples without the label, predicted negative.
    pub true_negatives: u64,
}

impl Confusion {
    /// Counts `scores` against `truth`, both `[n]`. A score of at least `threshold` is positive. A
    /// truth of `None` does not count.
    ///
    /// # Errors
    /// If the lengths differ, or a score or the threshold is NaN.
    pub fn at<'a>(
        scores: impl Into<ArrayView1<'a, f32>>,
        truth: impl Into<ArrayView1<'a, Option<bool>>>,
        threshold: f32,
        counts: Counts<'_>,
    ) -> Result<Confusion> {
        let (scores, truth) = (scores.into(), truth.into());
        Error::check_length("labels", truth.len(), "scores", scores.len())?;
        counts.check(scores.len())?;
        Error::check_number("the threshold", threshold)?;
        check_numbers("the score", scores.iter().copied())?;
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

    /// Harmonic mean of precision and sensitivity, 2·TP / (2·TP + FP + FN). From 0 to 1. `None` if
    /// no sample has the label and none is predicted positive.
    pub fn f1(&self) -> Option<f64> {
        let wrong = self.false_positives + self.false_negatives;
        ratio(2 * self.true_positives, 2 * self.true_positives + wrong)
    }

    /// Share of samples predicted correctly, from 0 to 1. `None` without samples.
    pub fn accuracy(&self) -> Option<f64> {
        let correct = self.true_positives + self.true_negatives;
        ratio(
            correct,
            correct + self.false_positives + self.false_negatives,
        )
    }

    /// Share of the samples predicted positive that have the label, from 0 to 1. `None` if no
    /// sample is predicted positive.
    pub fn precision(&self) -> Option<f64> {
        let positives = self.true_positives + self.false_positives;
        ratio(self.true_positives, positives)
    }

    /// Share of the samples with the label that are predicted positive (recall), from 0 to 1.
    /// `None` if no sample has the label.
    pub fn sensitivity(&self) -> Option<f64> {
        let present = self.true_positives + self.false_negatives;
        ratio(self.true_positives, present)
    }

    /// Share of the samples without the label that are predicted negative, from 0 to 1. `None` if
    /// all samples have the label.
    pub fn specificity(&self) -> Option<f64> {
        let absent = self.true_negatives + self.false_positives;
        ratio(self.true_negatives, absent)
    }
}

/// Accuracy among classes: the share of rows of `scores`, `[n, classes]`, whose highest score is in
/// the column of the true class, `truth`, `[n]`. Of equal scores the first counts as the highest.
/// From 0 to 1. A truth of `None` does not count; `None` if no row counts.
///
/// # Errors
/// If the lengths differ, a score is NaN, or a true class has no column.
pub fn class_accuracy<'a>(
    scores: ArrayView2<'_, f32>,
    truth: impl Into<ArrayView1<'a, Option<u32>>>,
    counts: Counts<'_>,
) -> Result<Option<f64>> {
    let (mut correct, mut all) = (0, 0);
    for choice in choices(scores, truth.into(), counts)? {
        all += choice.count;
        correct += if choice.correct { choice.count } else { 0 };
    }
    Ok(ratio(correct, all))
}

/// The class with the highest score of a row.
pub(super) struct Choice {
    pub(super) score: f32,
    /// Whether it is the true class.
    pub(super) correct: bool,
    pub(super) count: u64,
}

/// The choices of the rows whose true class is known.
pub(super) fn choices(
    scores: ArrayView2<'_, f32>,
    truth: ArrayView1<'_, Option<u32>>,
    counts: Counts<'_>,
) -> Result<Vec<Choice>> {
    Error::check_length("classes", truth.len(), "rows of scores", scores.nrows())?;
    counts.check(scores.nrows())?;
    let mut choices = Vec::with_capacity(truth.len());
    for (sample, (row, truth)) in scores.rows().into_iter().zip(truth).enumerate() {
        let (class, score) = highest(row).map_err(|error| error.at("sample", sample))?;
        let Some(truth) = *truth else { continue };
        let known = (truth as usize) < row.len();
        Error::check_value("the class", truth.into(), known, "a column of the scores")
            .map_err(|error| error.at("sample", sample))?;
        choices.push(Choice {
            score,
            correct: class == truth as usize,
            count: counts.of(sample),
        });
    }
    Ok(choices)
}

/// The highest score and its index; of equal scores, the first.
fn highest(scores: ArrayView1<'_, f32>) -> Result<(usize, f32)> {
    let mut best = (0, f32::NEG_INFINITY);
    for (class, score) in scores.iter().enumerate() {
        Error::check_number("the score", *score)?;
        if *score > best.1 {
            best = (class, *score);
        }
    }
    Ok(best)
}
