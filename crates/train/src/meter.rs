//! Means of what is measured in training, kept on the device until they are written.

use tch::{Kind, Tensor};

use crate::error::{Error, Result};

/// Sums since the last line of metrics.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    sums: Vec<(String, Tensor)>,
    steps: i64,
    /// Of this session alone: a rate across a pause means nothing.
    samples: usize,
    seconds: f64,
}

const STEPS: &str = "steps";

impl Meter {
    /// Adds `share` of a scalar.
    pub(crate) fn add(&mut self, name: &str, value: &Tensor, share: f64) -> Result<()> {
        let value = value.detach().to_kind(Kind::Double) * share;
        match self.sums.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum = &*sum + value,
            None => self.sums.push((name.to_owned(), value)),
        }
        Ok(())
    }

    /// Whether the sum of the losses is a number. Waits for the device.
    pub(crate) fn loss_is_finite(&self) -> Result<bool> {
        let loss = self.sums.iter().find(|(name, _)| name == "loss");
        loss.map_or(Ok(true), |(_, sum)| {
            Ok(sum.f_double_value(&[])?.is_finite())
        })
    }

    /// Counts the samples of a batch.
    pub(crate) fn add_samples(&mut self, samples: usize) {
        self.samples += samples;
    }

    /// Ends a step that took `seconds`.
    pub(crate) fn end_step(&mut self, seconds: f64) {
        self.steps += 1;
        self.seconds += seconds;
    }

    /// Samples by the seconds that their steps took.
    pub(crate) fn samples_per_second(&self) -> f64 {
        self.samples as f64 / self.seconds
    }

    /// The means over the steps, in the order in which they came; starts anew.
    pub(crate) fn take(&mut self) -> Result<Vec<(String, f64)>> {
        let Meter { sums, steps, .. } = std::mem::take(self);
        let mean =
            |(name, sum): (String, Tensor)| Ok((name, sum.f_double_value(&[])? / steps as f64));
        sums.into_iter().map(mean).collect()
    }

    /// The state by name, for a checkpoint; the numbers before the names keep the order, since a checkpoint sorts them.
    pub(crate) fn state(&self) -> Vec<(String, Tensor)> {
        let sums = self.sums.iter().enumerate();
        let mut state: Vec<(String, Tensor)> = sums
            .map(|(i, (name, sum))| (format!("{i:03}.{name}"), sum.shallow_clone()))
            .collect();
        state.push((STEPS.to_owned(), Tensor::from(self.steps)));
        state
    }

    /// A meter from [`Meter::state`].
    pub(crate) fn from_state(state: &[(String, Tensor)]) -> Result<Meter> {
        let mut meter = Meter::default();
        for (name, value) in state {
            if name == STEPS {
                meter.steps = value.f_int64_value(&[])?;
            } else {
                let (_, name) = name.split_once('.').ok_or_else(|| {
                    Error::Config(format!("the checkpoint's meter has an unknown part {name}"))
                })?;
                meter.sums.push((name.to_owned(), value.shallow_clone()));
            }
        }
        Ok(meter)
    }
}
