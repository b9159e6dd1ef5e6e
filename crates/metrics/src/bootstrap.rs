//! How sure a figure is: intervals of any metric, and tests between two models, by resampling patients.
//!
//! Films of one patient resemble each other, so that what is resampled is patients, each with all of its films: to resample films
//! would give intervals that are too narrow. A resample draws as many patients as there are, with replacement; the interval lies
//! between percentiles of the metric over the resamples (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
//!
//! Two models on the same patients are compared by the difference of their metrics within each resample: what makes a patient hard for
//! both cancels out.
//!
//! ```
//! use mflag_metrics::{bootstrap::{Bootstrap, Patients}, classification::Ranking};
//!
//! let patients = Patients::new(&["a", "a", "b", "c", "d", "e", "f"]);
//! let truth = [true, true, false, true, false, true, false].map(Some);
//! let first = Ranking::new(&[0.9, 0.7, 0.8, 0.6, 0.2, 0.5, 0.1], &truth)?;
//! let second = Ranking::new(&[0.4, 0.7, 0.8, 0.3, 0.9, 0.5, 0.1], &truth)?;
//! let bootstrap = Bootstrap::default();
//! let interval = bootstrap.interval(&patients, |counts| first.auroc(counts))?.unwrap();
//! assert!(interval.low <= interval.estimate && interval.estimate <= interval.high);
//! let difference = bootstrap.difference(&patients, |c| first.auroc(c), |c| second.auroc(c))?.unwrap();
//! assert!(difference.interval.estimate > 0.0);
//! # Ok::<(), mflag_metrics::Error>(())
//! ```

use std::collections::HashMap;
use std::hash::Hash;

use mflag_core::seed;
use rand::Rng;
use rayon::prelude::*;

use crate::{Counts, Error, Result};

/// The stream of random numbers, by the second argument of [`seed::rng`]: no epoch of training has this number.
const STREAM: u64 = u64::MAX;

/// What part of the resamples an interval holds where nobody asks otherwise.
pub const LEVEL: f64 = 0.95;

/// Which samples belong to one patient.
#[derive(Debug, Clone)]
pub struct Patients {
    /// The patient of each sample.
    of: Vec<u32>,
    number: u32,
}

impl Patients {
    /// Of samples by the identifiers of their patients; patients are numbered as they come.
    pub fn new<I: Hash + Eq>(identifiers: &[I]) -> Patients {
        let mut known = HashMap::new();
        let of = identifiers
            .iter()
            .map(|identifier| {
                let next = known.len() as u32;
                *known.entry(identifier).or_insert(next)
            })
            .collect();
        Patients {
            of,
            number: known.len() as u32,
        }
    }

    /// How many patients there are.
    pub fn number(&self) -> usize {
        self.number as usize
    }

    /// Draws as many patients as there are, with replacement, and tells how often each sample counts by that.
    fn resample(&self, seed: u64, resample: u64, drawn: &mut Vec<u32>, counts: &mut Vec<u32>) {
        let mut rng = seed::rng(seed, STREAM, resample);
        drawn.clear();
        drawn.resize(self.number(), 0);
        for _ in 0..self.number {
            drawn[rng.random_range(0..self.number) as usize] += 1;
        }
        counts.clear();
        counts.extend(self.of.iter().map(|patient| drawn[*patient as usize]));
    }
}

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// How often, at least once.
    pub resamples: usize,
    /// What part of the resamples the interval holds, between 0 and 1.
    pub level: f64,
    /// The same seed gives the same interval, on any number of threads.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// 1000 resamples, 95 %.
    fn default() -> Bootstrap {
        Bootstrap {
            resamples: 1000,
            level: LEVEL,
            seed: 0,
        }
    }
}

/// A figure with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The metric of the samples themselves.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Resamples in which the metric is defined, and which the interval comes from. Where a label is rare it may be undefined in many;
    /// the interval then speaks of the others alone.
    pub resamples: usize,
}

/// How much better the first of two models is than the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The first model's metric less the second's.
    pub interval: Interval,
    /// Two-sided p value of no difference, above 0 to 1: twice the smaller share of resamples on one side of 0, each side counting
    /// itself once more (Davison & Hinkley, Bootstrap Methods and their Application, 1997, chapter 4). Never below 2 / (resamples + 1).
    pub p: f64,
}

impl Bootstrap {
    /// A `metric`, which is given [`Counts`] of the samples of `patients`, of the samples themselves and of each resample. `None` if it
    /// is undefined on the samples themselves.
    ///
    /// # Errors
    /// There are no resamples, or the metric fails.
    pub fn replicates<M>(&self, patients: &Patients, metric: M) -> Result<Option<Replicates>>
    where
        M: Fn(Counts<'_>) -> Result<Option<f64>> + Sync,
    {
        let once = vec![1; patients.of.len()];
        let Some(estimate) = metric(Counts::Of(&once))? else {
            return Ok(None);
        };
        let values = self.resamples(patients, metric)?;
        Ok(Some(Replicates { estimate, values }))
    }

    /// What a function of [`Counts`] is in each resample.
    fn resamples<T: Send, F>(&self, patients: &Patients, of: F) -> Result<Vec<T>>
    where
        F: Fn(Counts<'_>) -> Result<T> + Sync,
    {
        let resamples = self.resamples;
        Error::check_value(
            "the number of resamples",
            resamples as f64,
            resamples > 0,
            "at least 1",
        )?;
        (0..resamples as u64)
            .into_par_iter()
            .map_init(
                || (Vec::new(), Vec::new()),
                |(drawn, counts), resample| {
                    patients.resample(self.seed, resample, drawn, counts);
                    of(Counts::Of(counts))
                },
            )
            .collect()
    }

    /// The pointwise interval of a `curve`, which is given as its values at places that are always the same: the ends at each place, from
    /// the resamples in which the curve is defined. `None` if it is undefined in each.
    ///
    /// # Errors
    /// There are no resamples, the level is not between 0 and 1, or the curve fails.
    pub fn band<C>(&self, patients: &Patients, curve: C) -> Result<Option<Vec<[f64; 2]>>>
    where
        C: Fn(Counts<'_>) -> Result<Option<Vec<f64>>> + Sync,
    {
        check_level(self.level)?;
        let curves: Vec<Vec<f64>> = self
            .resamples(patients, curve)?
            .into_iter()
            .flatten()
            .collect();
        let Some(first) = curves.first() else {
            return Ok(None);
        };
        let ends = |place: usize| {
            let mut values: Vec<f64> = curves.iter().map(|curve| curve[place]).collect();
            values.sort_unstable_by(f64::total_cmp);
            ends(&values, self.level)
        };
        Ok(Some((0..first.len()).map(ends).collect()))
    }

    /// The interval of a `metric`. `None` if it is undefined on the samples themselves, or in each resample.
    ///
    /// # Errors
    /// There are no resamples, the level is not between 0 and 1, or the metric fails.
    pub fn interval<M>(&self, patients: &Patients, metric: M) -> Result<Option<Interval>>
    where
        M: Fn(Counts<'_>) -> Result<Option<f64>> + Sync,
    {
        match self.replicates(patients, metric)? {
            Some(replicates) => replicates.interval(self.level),
            None => Ok(None),
        }
    }

    /// The difference of two metrics on the same patients: the first less the second. `None` where [`interval`](Bootstrap::interval) is.
    ///
    /// # Errors
    /// Those of [`interval`](Bootstrap::interval).
    pub fn difference<A, B>(
        &self,
        patients: &Patients,
        first: A,
        second: B,
    ) -> Result<Option<Difference>>
    where
        A: Fn(Counts<'_>) -> Result<Option<f64>> + Sync,
        B: Fn(Counts<'_>) -> Result<Option<f64>> + Sync,
    {
        let first = self.replicates(patients, first)?;
        let second = self.replicates(patients, second)?;
        match (first, second) {
            (Some(first), Some(second)) => first.minus(&second)?.difference(self.level),
            _ => Ok(None),
        }
    }
}

/// A metric of the samples themselves and of each resample of their patients. Those of one [`Bootstrap`] on the same patients go together:
/// resample by resample they are of the same samples, so that models can be compared long after they were judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Replicates {
    /// The metric of the samples themselves.
    pub estimate: f64,
    /// That of each resample; `None` where it is undefined.
    pub values: Vec<Option<f64>>,
}

impl Replicates {
    /// The mean over several models, on the same patients. `None` of none.
    ///
    /// # Errors
    /// They have not as many resamples as each other.
    pub fn mean(of: &[Replicates]) -> Result<Option<Replicates>> {
        let Some((first, rest)) = of.split_first() else {
            return Ok(None);
        };
        let sum = rest.iter().try_fold(first.clone(), |sum, next| {
            sum.with(next, |sum, value| sum + value)
        })?;
        let share = |value: f64| value / of.len() as f64;
        Ok(Some(Replicates {
            estimate: share(sum.estimate),
            values: sum.values.into_iter().map(|v| v.map(share)).collect(),
        }))
    }

    /// This model less the `other`, on the same patients.
    ///
    /// # Errors
    /// They have not as many resamples as each other.
    pub fn minus(&self, other: &Replicates) -> Result<Replicates> {
        self.with(other, |one, other| one - other)
    }

    fn with(&self, other: &Replicates, of: impl Fn(f64, f64) -> f64) -> Result<Replicates> {
        Error::check_length("resamples", other.values.len(), self.values.len())?;
        let both = self.values.iter().zip(&other.values);
        Ok(Replicates {
            estimate: of(self.estimate, other.estimate),
            values: both.map(|(a, b)| Some(of((*a)?, (*b)?))).collect(),
        })
    }

    /// The interval that holds the part `level` of the resamples. `None` if the metric is undefined in each.
    ///
    /// # Errors
    /// The level is not between 0 and 1.
    pub fn interval(&self, level: f64) -> Result<Option<Interval>> {
        check_level(level)?;
        let mut values: Vec<f64> = self.values.iter().flatten().copied().collect();
        values.sort_unstable_by(f64::total_cmp);
        Ok((!values.is_empty()).then(|| {
            let [low, high] = ends(&values, level);
            Interval {
                estimate: self.estimate,
                low,
                high,
                resamples: values.len(),
            }
        }))
    }

    /// What [`minus`](Replicates::minus) came to, as a test of no difference. `None` where [`interval`](Replicates::interval) is.
    ///
    /// # Errors
    /// The level is not between 0 and 1.
    pub fn difference(&self, level: f64) -> Result<Option<Difference>> {
        let values: Vec<f64> = self.values.iter().flatten().copied().collect();
        Ok(self.interval(level)?.map(|interval| Difference {
            interval,
            p: p_value(&values),
        }))
    }
}

fn check_level(level: f64) -> Result<()> {
    let valid = level > 0.0 && level < 1.0;
    Error::check_value("the level", level, valid, "between 0 and 1")
}

/// The ends of the part `level` in the middle of ascending values, of which there is at least one.
fn ends(ascending: &[f64], level: f64) -> [f64; 2] {
    let outside = (1.0 - level) / 2.0;
    [outside, 1.0 - outside].map(|share| quantile(ascending, share))
}

/// The `share` quantile of ascending values, of which there is at least one, linear between neighbours (NumPy's default).
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let place = share * (ascending.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    ascending[below] + (ascending[above] - ascending[below]) * (place - place.floor())
}

fn p_value(differences: &[f64]) -> f64 {
    let not_above = differences.iter().filter(|d| **d <= 0.0).count();
    let not_below = differences.iter().filter(|d| **d >= 0.0).count();
    let smaller = not_above.min(not_below) + 1;
    (2.0 * smaller as f64 / (differences.len() + 1) as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_never_changes() {
        let (mut drawn, mut counts) = (Vec::new(), Vec::new());
        let patients = Patients::new(&[10, 11, 10, 12, 13, 14, 15, 16]);
        patients.resample(7, 0, &mut drawn, &mut counts);
        assert_eq!(drawn.iter().sum::<u32>(), 7);
        assert_eq!(counts[0], counts[2], "films of one patient go together");
        assert_eq!(counts, [2, 2, 2, 1, 1, 0, 1, 0]);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[5.0], 0.025), 5.0);
    }

    #[test]
    fn p_is_small_where_all_resamples_agree_and_one_where_models_are_the_same() {
        assert_eq!(p_value(&[0.1; 99]), 0.02);
        assert_eq!(p_value(&[-0.1; 99]), 0.02);
        assert_eq!(p_value(&[0.0; 99]), 1.0);
    }
}
