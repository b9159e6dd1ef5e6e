//! Saves a run to its last checkpoint, and restores it.

use std::path::Path;

use mflag_core::run::LAST;
use tch::{Device, Tensor};

use super::Trainer;
use crate::checkpoint::{Checkpoint, TrainState};
use crate::error::{Error, Result};
use crate::meter::Meter;
use crate::precision::GradScaler;
use crate::shim;
use crate::task::Task;

/// A part of a checkpoint: its name and its tensors.
type Part = (&'static str, Vec<(String, Tensor)>);

impl<T: Task> Trainer<'_, T> {
    /// Writes the checkpoint to resume from. Of several processes, only rank 0 does.
    pub(super) fn save_last(&mut self) -> Result<()> {
        if !self.is_main() {
            return Ok(());
        }
        self.sinks.flush()?;
        let mut checkpoint = self.checkpoint();
        for (part, tensors) in self.tensors()? {
            checkpoint.add(part, tensors)?;
        }
        checkpoint.write(&self.folder.join(LAST))
    }

    /// A checkpoint of the present state, without tensors.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint::new(self.state.clone(), self.run_config.clone())
    }

    /// Restores the run from a checkpoint. Returns the checkpoint's state and configuration.
    pub(super) fn restore(&mut self, path: &Path) -> Result<(TrainState, Option<String>)> {
        let checkpoint = Checkpoint::read(path)?;
        check_same_batches(path, &checkpoint.state, &self.state)?;
        self.meter = Meter::from_state(&checkpoint.part("meter"))?;
        for (part, live) in self.tensors()? {
            if !matches!(part, "meter" | "rng") {
                checkpoint.restore(part, &live, path)?;
            }
        }
        self.restore_generators(&checkpoint.part("rng"))?;
        self.state = TrainState {
            epochs: self.config.epochs,
            world_size: self.state.world_size,
            ..checkpoint.state.clone()
        };
        Ok((checkpoint.state, checkpoint.config))
    }

    fn restore_generators(&self, states: &[(String, Tensor)]) -> Result<()> {
        for (name, state) in states {
            if name == "cpu" {
                shim::set_generator_state(Device::Cpu, state)?;
            } else if self.device.is_cuda() {
                shim::set_generator_state(self.device, state)?;
            }
            // A run that moves from a GPU to the CPU does not need the GPU's generator.
        }
        Ok(())
    }

    /// Every tensor that the run depends on, by part.
    fn tensors(&self) -> Result<Vec<Part>> {
        let mut generators = vec![("cpu".to_owned(), shim::generator_state(Device::Cpu)?)];
        if self.device.is_cuda() {
            generators.push(("device".to_owned(), shim::generator_state(self.device)?));
        }
        let scaler = self.scaler.as_ref().map(GradScaler::state);
        Ok(vec![
            ("model", self.task.variables()),
            ("optim", self.optimiser.state()),
            ("scaler", scaler.unwrap_or_default()),
            ("rng", generators),
            ("meter", self.meter.state()),
        ])
    }
}

fn check_same_batches(path: &Path, saved: &TrainState, now: &TrainState) -> Result<()> {
    let batches = |state: &TrainState| (state.batches_per_epoch, state.accumulate);
    if batches(saved) == batches(now) {
        return Ok(());
    }
    Err(Error::checkpoint(
        path,
        format!(
            "has {} batches per epoch and {} per step, but the configuration gives {} and {}: resume \
             with the same data, batch size and accumulation",
            saved.batches_per_epoch, saved.accumulate, now.batches_per_epoch, now.accumulate
        ),
    ))
}
