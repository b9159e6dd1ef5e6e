//! Metrics of the order of scores: AUROC, average precision and the best F1.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::curve::{self, Point};
use crate::error::check_numbers;
use crate::mean::ratio;
use crate::{Counts, Error, Result};

/// How many samples have a label, and how many lack it. Samples of which this is unknown do not
/// count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelCount {
    /// Samples with the label.
    pub with: usize,
    /// Samples without it.
    pub without: usize,
}

impl LabelCount {
    /// With fewer samples on one side, a threshold or a metric is a matter of chance.
    pub const FEWEST: usize = 10;

    /// Whether one side has fewer than [`LabelCount::FEWEST`] samples.
    pub fn is_small(&self) -> bool {
        self.with.min(self.without) < LabelCount::FEWEST
    }
}

/// Samples sorted by their scores. Each metric is then one walk from the highest score down.
///
/// Equal scores are one step, since their order means nothing. Sorting costs O(n log n), each
/// metric O(n).
#[derive(Debug, Clone)]
pub struct Ranking {
    /// Samples whose label is known, highest score first.
    order: Vec<u32>,
    /// Whether the label is present in them, in the same order.
    present: Vec<bool>,
    /// The distinct scores, highest first, each with the end of its range in `order`.
    steps: Vec<(f32, u32)>,
    /// Number of samples, including those whose label is missing.
    samples: usize,
}

/// The samples that a threshold of `score` predicts positive.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Positives {
    score: f32,
    /// True positives.
    hits: u64,
    /// False positives.
    alarms: u64,
}

impl Ranking {
    /// Sorts `scores` with their `truth`, both `[n]`. A truth of `None` does not count.
    ///
    /// # Errors
    /// If the lengths differ, or a score is NaN.
    pub fn new<'a>(
        scores: impl Into<ArrayView1<'a, f32>>,
        truth: impl Into<ArrayView1<'a, Option<bool>>>,
    ) -> Result<Ranking> {
        let (scores, truth) = (scores.into(), truth.into());
        Error::check_length("labels", truth.len(), "scores", scores.len())?;
        check_numbers("the score", scores.iter().copied())?;
        let mut known: Vec<(f32, u32, bool)> = scores
            .iter()
            .zip(truth)
            .zip(0u32..)
            .filter_map(|((score, truth), sample)| Some((*score, sample, (*truth)?)))
            .collect();
        known.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut end = 0;
        let steps = known
            .chunk_by(|a, b| a.0 == b.0)
            .map(|equal| {
                end += equal.len() as u32;
                (equal[0].0, end)
            })
            .collect();
        Ok(Ranking {
            order: known.iter().map(|k| k.1).collect(),
            present: known.iter().map(|k| k.2).collect(),
            steps,
            samples: scores.len(),
        })
    }

    /// Area under the ROC curve: the probability that a sample with the label scores higher than
    /// one without it, where equal scores count half (Hanley & McNeil, Radiology 1982). From 0 to
    /// 1; 0.5 is chance. `None` unless there are samples with and without the label.
    ///
    /// # Errors
    /// If there is not one count per sample.
    pub fn auroc(&self, counts: Counts<'_>) -> Result<Option<f64>> {
        let (mut last, mut twice_area) = (Positives::NONE, 0u128);
        for found in self.walk(counts)? {
            let width = u128::from(found.alarms - last.alarms);
            twice_area += width * (u128::from(found.hits) + u128::from(last.hits));
            last = found;
        }
        let whole = 2 * u128::from(last.hits) * u128::from(last.alarms);
        Ok((whole > 0).then(|| twice_area as f64 / whole as f64))
    }

    /// Average precision: Σ (R_i − R_{i−1}) · P_i over the distinct scores, with recall R and
    /// precision P, without interpolation (scikit-learn's `average_precision_score`). Above 0, at
    /// most 1; chance is the share of samples with the label. `None` if no sample has the label.
    ///
    /// # Errors
    /// If there is not one count per sample.
    pub fn average_precision(&self, counts: Counts<'_>) -> Result<Option<f64>> {
        let (mut last, mut sum) = (Positives::NONE, 0.0);
        for found in self.walk(counts)? {
            sum += (found.hits - last.hits) as f64 * found.precision();
            last = found;
        }
        Ok((last.hits > 0).then(|| sum / last.hits as f64))
    }

    /// The threshold with the highest F1, and that F1, which is above 0 and at most 1. The
    /// threshold is one of the scores; of equally good thresholds, the lowest. Choose it on
    /// validation data, and apply it to test data with [`Confusion::at`](super::Confusion::at).
    /// `None` if no sample has the label.
    ///
    /// # Errors
    /// If there is not one count per sample.
    pub fn best_f1(&self, counts: Counts<'_>) -> Result<Option<(f32, f64)>> {
        let all = self.total(counts)?.hits;
        let f1 =
            |found: Positives| 2.0 * found.hits as f64 / (found.hits + found.alarms + all) as f64;
        let best = self
            .walk(counts)?
            .map(|found| (found.score, f1(found)))
            .filter(|(_, f1)| *f1 > 0.0)
            .max_by(|a, b| a.1.total_cmp(&b.1));
        Ok(best)
    }

    /// The numbers of samples with and without the label.
    pub fn known(&self) -> LabelCount {
        let with = self.present.iter().filter(|present| **present).count();
        LabelCount {
            with,
            without: self.present.len() - with,
        }
    }

    /// The highest score below `score`; `None` if no score is lower.
    pub fn below(&self, score: f32) -> Option<f32> {
        let mut lower = self.steps.iter().map(|&(score, _)| score);
        lower.find(|lower| *lower < score)
    }

    /// ROC curve from (0, 0) to (1, 1): x is the false positive rate, y the sensitivity. It is
    /// thinned to `most` points (see [`Point`]). `None` unless there are samples with and without
    /// the label.
    pub fn roc_curve(&self, most: usize) -> Option<Vec<Point>> {
        let all = self.total(Counts::Once).ok()?;
        let start = Point::new(f32::INFINITY, 0.0, 0.0);
        let points: Option<Vec<Point>> = self
            .walk(Counts::Once)
            .ok()?
            .map(|found| {
                let (x, y) = (
                    ratio(found.alarms, all.alarms)?,
                    ratio(found.hits, all.hits)?,
                );
                Some(Point::new(found.score, x, y))
            })
            .collect();
        curve::thin_by_length(start, points?, most)
    }

    /// Precision-recall curve from (0, 1) to recall 1: x is the recall, y the precision. It is
    /// thinned to `most` points (see [`Point`]). `None` if no sample has the label.
    pub fn precision_recall_curve(&self, most: usize) -> Option<Vec<Point>> {
        let all = self.total(Counts::Once).ok()?;
        let start = Point::new(f32::INFINITY, 0.0, 1.0);
        let points: Option<Vec<Point>> = self
            .walk(Counts::Once)
            .ok()?
            .map(|found| {
                Some(Point::new(
                    found.score,
                    ratio(found.hits, all.hits)?,
                    found.precision(),
                ))
            })
            .collect();
        curve::thin_by_length(start, points?, most)
    }

    /// Sensitivity at each of the false positive `rates`, which ascend from 0 to 1: the highest
    /// sensitivity of a threshold whose rate is not higher. `None` unless there are samples with
    /// and without the label.
    ///
    /// # Errors
    /// If there is not one count per sample.
    pub fn sensitivity_at(&self, rates: &[f64], counts: Counts<'_>) -> Result<Option<Vec<f64>>> {
        let all = self.total(counts)?;
        if all.hits == 0 || all.alarms == 0 {
            return Ok(None);
        }
        let mut walk = self.walk(counts)?.peekable();
        let mut hits = 0;
        let mut at = |rate: &f64| {
            let within = |found: &Positives| found.alarms as f64 / all.alarms as f64 <= *rate;
            while let Some(found) = walk.next_if(within) {
                hits = found.hits;
            }
            hits as f64 / all.hits as f64
        };
        Ok(Some(rates.iter().map(&mut at).collect()))
    }

    /// Precision at each of the `sensitivities`, which ascend from 0 to 1: that of the highest
    /// threshold with this sensitivity or more. `None` if no sample has the label.
    ///
    /// # Errors
    /// If there is not one count per sample.
    pub fn precision_at(
        &self,
        sensitivities: &[f64],
        counts: Counts<'_>,
    ) -> Result<Option<Vec<f64>>> {
        let all = self.total(counts)?;
        if all.hits == 0 {
            return Ok(None);
        }
        let mut walk = self.walk(counts)?;
        let mut found = walk.next().unwrap_or(all);
        let mut at = |sensitivity: &f64| {
            while (found.hits as f64 / all.hits as f64) < *sensitivity {
                match walk.next() {
                    Some(next) => found = next,
                    None => break,
                }
            }
            found.precision()
        };
        Ok(Some(sensitivities.iter().map(&mut at).collect()))
    }

    /// The positives at each distinct score that counts, from the highest down.
    fn walk(&self, counts: Counts<'_>) -> Result<impl Iterator<Item = Positives>> {
        counts.check(self.samples)?;
        let (mut found, mut start) = (Positives::NONE, 0);
        Ok(self.steps.iter().filter_map(move |&(score, end)| {
            let (hits, alarms) = (found.hits, found.alarms);
            for place in start..end as usize {
                let count = counts.of(self.order[place] as usize);
                if self.present[place] {
                    found.hits += count;
                } else {
                    found.alarms += count;
                }
            }
            (found.score, start) = (score, end as usize);
            (found.hits + found.alarms > hits + alarms).then_some(found)
        }))
    }

    /// The positives if every sample is predicted positive.
    fn total(&self, counts: Counts<'_>) -> Result<Positives> {
        Ok(self.walk(counts)?.last().unwrap_or(Positives::NONE))
    }
}

impl Positives {
    const NONE: Positives = Positives {
        score: f32::INFINITY,
        hits: 0,
        alarms: 0,
    };

    /// Share of true positives. At least one sample must be predicted positive.
    fn precision(self) -> f64 {
        self.hits as f64 / (self.hits + self.alarms) as f64
    }
}
