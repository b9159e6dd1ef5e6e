//! One optimiser step, over one or several batches.

use std::time::Instant;

use mflag_core::atomic;

use super::Trainer;
use super::finite_check::NonFiniteStep;
use crate::error::{Error, Result};
use crate::task::{Position, Step, Task};

/// The file that lists the samples of a step whose loss or gradient was not finite.
const NON_FINITE: &str = "non-finite.txt";

impl<T: Task> Trainer<'_, T> {
    pub(super) fn forward_backward(&mut self, batch: &T::Batch, epoch: usize) -> Result<()> {
        let begin = Instant::now();
        let position = Position {
            epoch,
            step: self.state.step,
            steps: self.total_steps(),
        };
        let Step { loss, parts } = self
            .precision
            .autocast(self.device, || self.task.step(batch, position))?;
        let share = 1.0 / self.batches_in_step() as f64;
        let scaled = &loss * share;
        self.prepare_backward()?;
        match &self.scaler {
            Some(scaler) => scaler.scale(&scaled).f_backward()?,
            None => scaled.f_backward()?,
        }
        let mut values = vec![("loss", loss)];
        values.extend(parts);
        for (name, value) in self.over_ranks(values)? {
            self.meter.add(name, &value, share)?;
        }
        let samples = self.task.batch_len(batch) * self.ranks.as_ref().map_or(1, |(w, _)| w.size());
        self.meter.add_samples(samples);
        self.clock.add_batch(samples);
        self.clock.add_computing(begin);
        Ok(())
    }

    /// Batches in the current optimiser step: fewer than `accumulate` at the end of an epoch.
    fn batches_in_step(&self) -> usize {
        let accumulate = self.config.accumulate;
        let first = self.state.batch / accumulate * accumulate;
        accumulate.min(self.state.batches_per_epoch - first)
    }

    pub(super) fn is_step_due(&self) -> bool {
        self.completes_step(self.state.batch)
    }

    /// Whether an optimiser step is due after `done` batches of the epoch.
    pub(super) fn completes_step(&self, done: usize) -> bool {
        done.is_multiple_of(self.config.accumulate) || done == self.state.batches_per_epoch
    }

    /// Optimiser steps of an epoch.
    pub(super) fn steps_per_epoch(&self) -> u64 {
        let batches = self.state.batches_per_epoch;
        batches.div_ceil(self.config.accumulate) as u64
    }

    /// Optimiser steps of the whole run.
    pub(super) fn total_steps(&self) -> u64 {
        self.config.epochs as u64 * self.steps_per_epoch()
    }

    /// Learning rate of the step number `step`, from 0.
    pub(super) fn lr(&self, step: u64) -> f64 {
        let base = self.config.optimiser.lr;
        self.config.schedule.lr(base, step, self.total_steps())
    }

    /// Updates the weights by the gradients of the samples `ids`. Once a loss or a gradient is not
    /// finite, the weights no longer change; [`Trainer::check_finite`] later reports it.
    pub(super) fn optimiser_step(&mut self, ids: Vec<String>) -> Result<()> {
        let begin = Instant::now();
        let overflow = match &self.scaler {
            Some(scaler) => Some(scaler.unscale(&mut self.optimiser)?),
            None => None,
        };
        let norm = self.optimiser.gradient_norm()?;
        // A scaled loss may overflow: the step is then skipped and the scale halved.
        let checked_norm = overflow.is_none().then_some(&norm);
        let step = self.state.step;
        let loss = self.meter.sum("loss")?;
        let mut skip = self
            .finite_check
            .record(step + 1, ids, loss, checked_norm)?;
        if let Some(largest) = self.config.optimiser.clip_norm {
            self.optimiser.clip(&norm, largest)?;
        }
        if let (Some(scaler), Some(overflow)) = (&mut self.scaler, &overflow) {
            skip = skip.f_maximum(overflow)?;
            scaler.update(overflow)?;
        }
        self.optimiser.step(self.lr(step), Some(&skip))?;
        self.optimiser.zero_grad()?;
        self.meter.add("gradient_norm", &norm, 1.0)?;
        self.clock.add_computing(begin);
        self.meter.end_step(self.clock.end_step());
        self.state.step += 1;
        Ok(())
    }

    /// Fails if the loss or the gradient of a step since the last check was not finite. Waits for
    /// the device.
    pub(super) fn check_finite(&mut self, epoch: usize) -> Result<()> {
        let Some(NonFiniteStep { what, step, ids }) = self.finite_check.first_failure()? else {
            return Ok(());
        };
        let ids = self.of_all_ranks(ids)?;
        let list = self.folder.join(NON_FINITE);
        if self.is_main() {
            atomic::write(&list, |file| {
                ids.iter().try_for_each(|id| writeln!(file, "{id}"))
            })?;
        }
        Err(Error::NonFinite {
            what,
            step,
            epoch,
            ids,
            list,
        })
    }
}
