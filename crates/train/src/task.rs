//! What a training job provides to the training loop.

use crate::error::{Error, Result, TaskResult};
use crate::optim::Group;
use crate::world::World;
use mflag_core::Direction;
use tch::Tensor;

/// Batches of one epoch, in order.
pub type Batches<B> = Box<dyn Iterator<Item = TaskResult<B>>>;

/// The current position of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Current epoch, from 1.
    pub epoch: usize,
    /// Optimiser steps done in all epochs.
    pub step: u64,
    /// Optimiser steps of the whole run.
    pub steps: u64,
}

/// The result of the forward pass over one batch.
#[derive(Debug)]
pub struct Step {
    /// Mean loss over the batch: a scalar with its graph.
    pub loss: Tensor,
    /// More scalars to log, such as the parts of the loss: means over the batch, on the device.
    pub parts: Vec<(&'static str, Tensor)>,
}

/// The validation metric that selects the best checkpoint and stops training early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// Name of the metric, as [`Task::validate`] returns it.
    pub metric: String,
    /// Whether higher or lower is better.
    pub direction: Direction,
}

impl Monitor {
    /// The value of the monitored metric among `metrics`.
    pub(crate) fn value(&self, metrics: &[(String, f64)]) -> Result<f64> {
        let found = metrics.iter().find(|(name, _)| *name == self.metric);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = metrics.iter().map(|(name, _)| name.as_str()).collect();
            Error::Config(format!(
                "the monitored metric {} is not one of {names:?}",
                self.metric
            ))
        })
    }
}

/// A training job: pre-training, or one of the heads.
pub trait Task {
    /// One batch from the loader.
    type Batch: Send + 'static;

    /// The tensors that a checkpoint must hold, by unique name and in a fixed order. They include
    /// those that are not trained, such as BatchNorm statistics.
    fn variables(&self) -> Vec<(String, Tensor)>;

    /// The parameters to train, in groups. By default: one group with all variables that require a
    /// gradient.
    fn groups(&self) -> Vec<Group> {
        let trainable = self
            .variables()
            .into_iter()
            .filter(|(_, tensor)| tensor.requires_grad())
            .collect();
        vec![Group::new("all", trainable)]
    }

    /// Batches in an epoch: the same number in every epoch.
    fn batches_per_epoch(&self) -> usize;

    /// The batches of `epoch` (from 1), starting with number `first_batch` (from 0). Their order
    /// and content must depend only on `epoch` and the configuration, so that a resumed epoch
    /// continues exactly. No batch is left if `first_batch` is [`Task::batches_per_epoch`].
    ///
    /// # Errors
    /// If the data cannot be read.
    fn batches(&self, epoch: usize, first_batch: usize) -> TaskResult<Batches<Self::Batch>>;

    /// Samples in a batch.
    fn batch_len(&self, batch: &Self::Batch) -> usize;

    /// Names of the samples in a batch, for an error message.
    fn ids(&self, batch: &Self::Batch) -> Vec<String>;

    /// The forward pass in training mode. Runs under autocast if the precision requires it.
    ///
    /// # Errors
    /// If the forward pass fails.
    fn step(&mut self, batch: &Self::Batch, position: Position) -> TaskResult<Step>;

    /// Computes the metrics on the validation data after `epoch` (0: before training), in
    /// evaluation mode and without gradients. Runs under autocast as training does. An undefined
    /// metric is NaN.
    ///
    /// # Errors
    /// If the data cannot be read, or the forward pass fails.
    fn validate(&mut self, epoch: usize) -> TaskResult<Vec<(String, f64)>>;

    /// Curves of the latest validation, such as a spectrum: points by name. `metrics.jsonl` holds
    /// them beside the metrics.
    fn series(&self) -> Vec<(String, Vec<[f64; 2]>)> {
        Vec::new()
    }

    /// The metric that selects the best checkpoint.
    fn monitor(&self) -> Monitor;

    /// The processes that train together. Then [`Task::batches`] has this process's share of each
    /// batch, [`Task::step`] its loss, and [`Task::validate`] returns the same metrics on all
    /// ranks. By default: this process alone.
    fn world(&self) -> Option<&World> {
        None
    }
}
