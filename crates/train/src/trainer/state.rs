//! A run's state, to its last checkpoint and back.

use std::path::Path;

use mflag_core::run::LAST;
use tch::{Device, Tensor};

use super::Run;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::meter::Meter;
use crate::precision::GradScaler;
use crate::shim;
use crate::task::Task;

/// A part of a checkpoint: its name and its tensors.
type Part = (&'static str, Vec<(String, Tensor)>);

impl<T: Task> Run<'_, T> {
    pub(super) fn save_last(&mut self) -> Result<()> {
        self.sinks.flush()?;
        let mut checkpoint = Checkpoint::new(self.counters.clone());
        for (part, tensors) in self.state()? {
            checkpoint.add(part, tensors)?;
        }
        checkpoint.write(&self.folder.join(LAST))
    }

    pub(super) fn restore(&mut self, path: &Path) -> Result<()> {
        let checkpoint = Checkpoint::read(path)?;
        let (then, now) = (&checkpoint.counters, &self.counters);
        if (then.batches_per_epoch, then.accumulate) != (now.batches_per_epoch, now.accumulate) {
            return Err(Error::checkpoint(
                path,
                format!(
                    "the run had {} batches an epoch and {} a step, now it would have {} and {}: resume with the same data, batch size and accumulation",
                    then.batches_per_epoch, then.accumulate, now.batches_per_epoch, now.accumulate
                ),
            ));
        }
        self.meter = Meter::from_state(&checkpoint.part("meter"))?;
        for (part, live) in self.state()? {
            if !matches!(part, "meter" | "rng") {
                checkpoint.restore(part, &live, path)?;
            }
        }
        for (name, state) in checkpoint.part("rng") {
            match name.as_str() {
                "cpu" => shim::set_generator_state(Device::Cpu, &state)?,
                _ if self.device.is_cuda() => shim::set_generator_state(self.device, &state)?,
                // A run may move from a GPU to the CPU; the GPU's generator cannot.
                _ => {}
            }
        }
        self.counters = checkpoint.counters;
        Ok(())
    }

    /// Every tensor that the run depends on, in parts.
    fn state(&self) -> Result<Vec<Part>> {
        let mut generators = vec![("cpu".to_owned(), shim::generator_state(Device::Cpu)?)];
        if self.device.is_cuda() {
            generators.push(("device".to_owned(), shim::generator_state(self.device)?));
        }
        let scaler = self
            .scaler
            .as_ref()
            .map(GradScaler::state)
            .unwrap_or_default();
        Ok(vec![
            ("model", self.task.variables()),
            ("optim", self.optimiser.state()),
            ("scaler", scaler),
            ("rng", generators),
            ("meter", self.meter.state()),
        ])
    }
}
