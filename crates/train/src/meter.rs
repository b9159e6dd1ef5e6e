//! Means of the training metrics. The sums stay on the device until they are written.

use tch::{Kind, Tensor};

use crate::error::{Error, Result};

/// Seconds of an optimiser step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepTime {
    pub(crate) seconds: f64,
    /// Of these, seconds outside forward pass, backward pass and optimiser.
    pub(crate) outside: f64,
}

/// Sums since the last line of training metrics.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    sums: Vec<(String, Tensor)>,
    steps: i64,
    /// Samples in this session. A checkpoint leaves out samples and times: a rate across an
    /// interruption would mean nothing.
    samples: usize,
    seconds: f64,
    outside: f64,
}

const STEPS: &str = "steps";

impl Meter {
    /// Adds the scalar `value`, multiplied by `share`, to the sum called `name`.
    pub(crate) fn add(&mut self, name: &str, value: &Tensor, share: f64) -> Result<()> {
        let value = value.detach().to_kind(Kind::Double) * share;
        match self.sums.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum = &*sum + value,
            None => self.sums.push((name.to_owned(), value)),
        }
        Ok(())
    }

    /// The sum called `name`.
    pub(crate) fn sum(&self, name: &str) -> Result<&Tensor> {
        let found = self.sums.iter().find(|(known, _)| known == name);
        let missing = || Error::Config(format!("no value of {name} has been added"));
        found.map(|(_, sum)| sum).ok_or_else(missing)
    }

    /// Counts the samples of a batch.
    pub(crate) fn add_samples(&mut self, samples: usize) {
        self.samples += samples;
    }

    /// Counts an optimiser step and its time.
    pub(crate) fn end_step(&mut self, time: StepTime) {
        self.steps += 1;
        self.seconds += time.seconds;
        self.outside += time.outside;
    }

    /// Samples per second, and the share of time spent outside forward pass, backward pass and
    /// optimiser, mostly waiting for the loader.
    pub(crate) fn clocks(&self) -> [(&'static str, f64); 2] {
        [
            ("samples_per_second", self.samples as f64 / self.seconds),
            ("outside_share", self.outside / self.seconds),
        ]
    }

    /// The means over the steps, in the order in which their names were first added. Resets the
    /// meter.
    pub(crate) fn take(&mut self) -> Result<Vec<(String, f64)>> {
        let Meter { sums, steps, .. } = std::mem::take(self);
        let mean =
            |(name, sum): (String, Tensor)| Ok((name, sum.f_double_value(&[])? / steps as f64));
        sums.into_iter().map(mean).collect()
    }

    /// The state by name, for a checkpoint. A number before each name keeps the order, because a
    /// checkpoint sorts its names.
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
