//! Confidence intervals of any metric, and tests between two models, by resampling patients.
//!
//! Films of one patient resemble each other. Therefore patients are resampled, each with all of its
//! films; resampling films would give intervals that are too narrow. A resample draws as many
//! patients as there are, with replacement. The interval lies between percentiles of the metric
//! over the resamples (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
//!
//! Two models on the same patients are compared by the difference of their metrics within each
//! resample: what makes a patient hard for both models cancels out.
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
//! let better = bootstrap.difference(&patients, |c| first.auroc(c), |c| second.auroc(c))?.unwrap();
//! assert!(better.interval.estimate > 0.0);
//! # Ok::<(), mflag_metrics::Error>(())
//! ```

mod replicates;

use std::collections::HashMap;
use std::hash::Hash;

use mflag_core::seed;
use rand::Rng;
use rayon::prelude::*;

use crate::{Counts, Error, Result};

pub use replicates::{Difference, Interval, Replicates};

/// The second argument of [`seed::rng`]. Training passes the number of an epoch there, and never
/// reaches this number.
const STREAM: u64 = u64::MAX;

/// Default share of the resamples that an interval holds.
pub const LEVEL: f64 = 0.95;

/// Which samples belong to one patient.
#[derive(Debug, Clone)]
pub struct Patients {
    /// The patient of each sample.
    of_sample: Vec<u32>,
    number: u32,
}

impl Patients {
    /// Groups samples by the identifiers of their patients.
    pub fn new<I: Hash + Eq>(identifiers: &[I]) -> Patients {
        let mut known = HashMap::new();
        let of_sample = identifiers
            .iter()
            .map(|identifier| {
                let next = known.len() as u32;
                *known.entry(identifier).or_insert(next)
            })
            .collect();
        Patients {
            of_sample,
            number: known.len() as u32,
        }
    }

    /// Number of patients.
    pub fn number(&self) -> usize {
        self.number as usize
    }

    /// Draws as many patients as there are, with replacement. `drawn` gets the number of draws of
    /// each patient, `counts` that of each sample.
    fn resample(&self, seed: u64, resample: u64, drawn: &mut Vec<u32>, counts: &mut Vec<u32>) {
        let mut rng = seed::rng(seed, STREAM, resample);
        drawn.clear();
        drawn.resize(self.number(), 0);
        for _ in 0..self.number {
            drawn[rng.random_range(0..self.number) as usize] += 1;
        }
        counts.clear();
        counts.extend(
            self.of_sample
                .iter()
                .map(|patient| drawn[*patient as usize]),
        );
    }
}

/// Settings of a bootstrap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Number of resamples, at least 1.
    pub resamples: usize,
    /// Share of the resamples that an interval holds, between 0 and 1.
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

impl Bootstrap {
    /// Evaluates a `metric` on the samples and on each resample of their `patients`. `None` if it
    /// is undefined on the samples.
    ///
    /// # Errors
    /// If the number of resamples is 0, or the metric fails.
    pub fn replicates<M>(&self, patients: &Patients, metric: M) -> Result<Option<Replicates>>
    where
        M: Fn(Counts<'_>) -> Result<Option<f64>> + Sync,
    {
        let once = vec![1; patients.of_sample.len()];
        let Some(estimate) = metric(Counts::Of(&once))? else {
            return Ok(None);
        };
        let values = self.for_each_resample(patients, metric)?;
        Ok(Some(Replicates { estimate, values }))
    }

    /// The values of a function of [`Counts`] in all resamples.
    fn for_each_resample<T: Send, F>(&self, patients: &Patients, value: F) -> Result<Vec<T>>
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
                    value(Counts::Of(counts))
                },
            )
            .collect()
    }

    /// The pointwise interval of a `curve`: lower and upper end at each x. The curve is a function
    /// that returns its values at the same x every time. Resamples in which the curve is undefined
    /// do not count. `None` if it is undefined in all resamples.
    ///
    /// # Errors
    /// If the number of resamples is 0, the level is not between 0 and 1, or the curve fails.
    pub fn band<C>(&self, patients: &Patients, curve: C) -> Result<Option<Vec<[f64; 2]>>>
    where
        C: Fn(Counts<'_>) -> Result<Option<Vec<f64>>> + Sync,
    {
        replicates::check_level(self.level)?;
        let curves: Vec<Vec<f64>> = self
            .for_each_resample(patients, curve)?
            .into_iter()
            .flatten()
            .collect();
        let Some(first) = curves.first() else {
            return Ok(None);
        };
        let ends = |point: usize| {
            let mut values: Vec<f64> = curves.iter().map(|curve| curve[point]).collect();
            values.sort_unstable_by(f64::total_cmp);
            replicates::percentiles(&values, self.level)
        };
        Ok(Some((0..first.len()).map(ends).collect()))
    }

    /// The interval of a `metric`. `None` if it is undefined on the samples, or in every resample.
    ///
    /// # Errors
    /// If the number of resamples is 0, the level is not between 0 and 1, or the metric fails.
    pub fn interval<M>(&self, patients: &Patients, metric: M) -> Result<Option<Interval>>
    where
        M: Fn(Counts<'_>) -> Result<Option<f64>> + Sync,
    {
        match self.replicates(patients, metric)? {
            Some(replicates) => replicates.interval(self.level),
            None => Ok(None),
        }
    }

    /// The difference of two metrics on the same patients, first minus second. `None` if one of
    /// them is undefined on the samples, or if no resample defines both.
    ///
    /// # Errors
    /// If the number of resamples is 0, the level is not between 0 and 1, or a metric fails.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_random_stream_never_changes() {
        let (mut drawn, mut counts) = (Vec::new(), Vec::new());
        let patients = Patients::new(&[10, 11, 10, 12, 13, 14, 15, 16]);
        patients.resample(7, 0, &mut drawn, &mut counts);
        assert_eq!(drawn.iter().sum::<u32>(), 7);
        assert_eq!(
            counts[0], counts[2],
            "films of one patient are drawn together"
        );
        assert_eq!(counts, [2, 2, 2, 1, 1, 0, 1, 0]);
    }
}
