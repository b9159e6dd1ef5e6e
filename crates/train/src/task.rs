//! What a training job gives to the loop.

use crate::error::TaskResult;
use crate::optim::Group;
use mflag_core::Direction;
use tch::{Tensor, nn};

/// Batches of one epoch, in order.
pub type Batches<B> = Box<dyn Iterator<Item = TaskResult<B>>>;

/// Where training stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Epoch in progress, from 1.
    pub epoch: usize,
    /// Optimiser steps done so far, all epochs together.
    pub step: u64,
    /// Optimiser steps of the whole run.
    pub steps: u64,
}

/// What the forward pass over one batch gives.
#[derive(Debug)]
pub struct Step {
    /// Mean loss over the batch: a scalar with its graph.
    pub loss: Tensor,
    /// Further scalars to log (parts of the loss, say), as means over the batch; left on the device.
    pub parts: Vec<(&'static str, Tensor)>,
}

/// The validation metric that chooses the best checkpoint and stops early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// Its name among those of [`Task::validate`].
    pub metric: String,
    /// Which way it is better.
    pub direction: Direction,
}

/// A training job: pre-training, or one of the heads.
pub trait Task {
    /// One batch as the loader gives it.
    type Batch: Send + 'static;

    /// Everything that a checkpoint must hold, trainable or not (BatchNorm statistics), in a fixed order, by unique name.
    fn variables(&self) -> Vec<(String, Tensor)>;

    /// Parameters to train, in groups; at first all variables that require a gradient, in one group.
    fn groups(&self) -> Vec<Group> {
        let trainable = self
            .variables()
            .into_iter()
            .filter(|(_, tensor)| tensor.requires_grad())
            .collect();
        vec![Group::new("all", trainable)]
    }

    /// Batches in an epoch: the same for every epoch.
    fn batches_per_epoch(&self) -> usize;

    /// The batches of `epoch` (from 1) from number `first_batch` (from 0) on: order and content depend on nothing else, so that a
    /// resumed epoch goes on as if it had never stopped. None where `first_batch` is [`Task::batches_per_epoch`].
    ///
    /// # Errors
    /// If the data cannot be read.
    fn batches(&self, epoch: usize, first_batch: usize) -> TaskResult<Batches<Self::Batch>>;

    /// Samples in a batch.
    fn batch_len(&self, batch: &Self::Batch) -> usize;

    /// Names of the samples, for an error message.
    fn ids(&self, batch: &Self::Batch) -> Vec<String>;

    /// Forward pass in training mode; runs under autocast where the precision says so.
    ///
    /// # Errors
    /// The task's own.
    fn step(&mut self, batch: &Self::Batch, at: Position) -> TaskResult<Step>;

    /// Metrics on held-out data after `epoch` (0: before training), in evaluation mode, without gradients. Runs under autocast
    /// as training does. An undefined metric is NaN.
    ///
    /// # Errors
    /// The task's own.
    fn validate(&mut self, epoch: usize) -> TaskResult<Vec<(String, f64)>>;

    /// What the last validation saw that is no metric, such as a spectrum: points by name. `metrics.jsonl` has them beside the metrics.
    fn series(&self) -> Vec<(String, Vec<[f64; 2]>)> {
        Vec::new()
    }

    /// Which of the metrics chooses the best checkpoint.
    fn monitor(&self) -> Monitor;
}

/// All variables of a store, in the order of their names, as [`Task::variables`] wants them.
pub fn variables(store: &nn::VarStore) -> Vec<(String, Tensor)> {
    let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    variables
}
