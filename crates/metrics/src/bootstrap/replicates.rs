//! The values of a metric in all resamples, and the intervals and differences that follow from
//! them.

use crate::{Error, Result};

/// An estimate with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The metric of the samples.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Number of resamples in which the metric is defined. The interval comes from these alone. If
    /// a label is rare, the metric may be undefined in many resamples.
    pub resamples: usize,
}

/// The difference between two models, first minus second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The difference with its interval.
    pub interval: Interval,
    /// Two-sided p value against the hypothesis of no difference: twice the smaller share of
    /// resamples on one side of 0, with one added to both counts (Davison & Hinkley, Bootstrap
    /// Methods and their Application, 1997, chapter 4). It lies between 2 / (resamples + 1) and 1.
    pub p: f64,
}

/// A metric of the samples and of each resample of their patients.
///
/// Replicates of one [`Bootstrap`](super::Bootstrap) on the same patients belong together: resample
/// `i` holds the same samples in each. Models can therefore be compared long after their
/// evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Replicates {
    /// The metric of the samples.
    pub estimate: f64,
    /// The metric of each resample; `None` where it is undefined.
    pub values: Vec<Option<f64>>,
}

impl Replicates {
    /// The mean over `models` evaluated on the same patients; `None` without a model.
    ///
    /// # Errors
    /// If the models differ in the number of resamples.
    pub fn mean(models: &[Replicates]) -> Result<Option<Replicates>> {
        let Some((first, rest)) = models.split_first() else {
            return Ok(None);
        };
        let sum = rest.iter().try_fold(first.clone(), |sum, next| {
            sum.combine(next, |sum, value| sum + value)
        })?;
        let share = |value: f64| value / models.len() as f64;
        Ok(Some(Replicates {
            estimate: share(sum.estimate),
            values: sum.values.into_iter().map(|v| v.map(share)).collect(),
        }))
    }

    /// This model minus the `other`, evaluated on the same patients.
    ///
    /// # Errors
    /// If both differ in the number of resamples.
    pub fn minus(&self, other: &Replicates) -> Result<Replicates> {
        self.combine(other, |own, other| own - other)
    }

    /// Applies `operation` to the estimates and to both values of each resample.
    fn combine(
        &self,
        other: &Replicates,
        operation: impl Fn(f64, f64) -> f64,
    ) -> Result<Replicates> {
        Error::check_length(
            "resamples of the second model",
            other.values.len(),
            "resamples of the first",
            self.values.len(),
        )?;
        let pairs = self.values.iter().zip(&other.values);
        Ok(Replicates {
            estimate: operation(self.estimate, other.estimate),
            values: pairs.map(|(a, b)| Some(operation((*a)?, (*b)?))).collect(),
        })
    }

    /// The interval that holds the share `level` of the resamples; `None` if the metric is
    /// undefined in all of them.
    ///
    /// # Errors
    /// If the level is not between 0 and 1.
    pub fn interval(&self, level: f64) -> Result<Option<Interval>> {
        check_level(level)?;
        let mut values: Vec<f64> = self.values.iter().flatten().copied().collect();
        values.sort_unstable_by(f64::total_cmp);
        Ok((!values.is_empty()).then(|| {
            let [low, high] = percentiles(&values, level);
            Interval {
                estimate: self.estimate,
                low,
                high,
                resamples: values.len(),
            }
        }))
    }

    /// Tests the result of [`minus`](Replicates::minus) against no difference. `None` if it is
    /// undefined in all resamples.
    ///
    /// # Errors
    /// If the level is not between 0 and 1.
    pub fn difference(&self, level: f64) -> Result<Option<Difference>> {
        let values: Vec<f64> = self.values.iter().flatten().copied().collect();
        Ok(self.interval(level)?.map(|interval| Difference {
            interval,
            p: p_value(&values),
        }))
    }
}

/// Fails unless the level is between 0 and 1.
pub(super) fn check_level(level: f64) -> Result<()> {
    let valid = level > 0.0 && level < 1.0;
    Error::check_value("the level", level, valid, "between 0 and 1")
}

/// The ends of the middle share `level` of ascending values, of which there is at least one.
pub(super) fn percentiles(ascending: &[f64], level: f64) -> [f64; 2] {
    let outside = (1.0 - level) / 2.0;
    [outside, 1.0 - outside].map(|share| quantile(ascending, share))
}

/// The `share` quantile of ascending values, of which there is at least one. It is linear between
/// neighbours, as NumPy's default.
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let index = share * (ascending.len() - 1) as f64;
    let (below, above) = (index.floor() as usize, index.ceil() as usize);
    ascending[below] + (ascending[above] - ascending[below]) * (index - index.floor())
}

/// See [`Difference::p`].
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
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[5.0], 0.025), 5.0);
    }

    #[test]
    fn p_is_small_if_all_resamples_agree_and_one_for_equal_models() {
        assert_eq!(p_value(&[0.1; 99]), 0.02);
        assert_eq!(p_value(&[-0.1; 99]), 0.02);
        assert_eq!(p_value(&[0.0; 99]), 1.0);
    }
}
