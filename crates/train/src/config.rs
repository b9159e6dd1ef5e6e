//! Settings of the loop, the same for pre-training and for the heads.

use crate::optim::OptimiserConfig;
use crate::precision::Precision;
use crate::schedule::Schedule;
use mflag_core::device::DeviceChoice;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainerConfig {
    /// Passes over the training samples.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    /// Samples in a batch.
    #[schemars(range(min = 1))]
    pub batch_size: usize,
    /// Batches whose gradients are averaged into one optimiser step. At an epoch's end the last step takes the batches that are left.
    #[schemars(range(min = 1))]
    pub accumulate: usize,
    /// Number format of the forward pass.
    pub precision: Precision,
    /// Convolution weights and activations in channels-last order: the same numbers, in a faster layout.
    pub channels_last: bool,
    /// Where to train.
    pub device: DeviceChoice,
    /// Threads that compute on the CPU; 0: libtorch's choice, one a core. Sums depend on it in their last bits, so a
    /// run repeats bit for bit with the same number only.
    #[schemars(range(min = 0, max = 1024))]
    pub threads: usize,
    /// Only kernels that repeat bit for bit. On a CPU they do anyhow; on CUDA it costs speed.
    pub deterministic: bool,
    /// f32 products may run in TF32 on CUDA.
    pub tf32: bool,
    /// Seed of libtorch's generator (initial weights, dropout) and of whatever the task draws.
    pub seed: u64,
    /// AdamW.
    pub optimiser: OptimiserConfig,
    /// Learning rate over the steps.
    pub schedule: Schedule,
    /// Optimiser steps between two lines of training metrics; the last step of the run always has one.
    #[schemars(range(min = 1))]
    pub log_every: u64,
    /// Epochs between two validations; the last epoch is always followed by one.
    #[schemars(range(min = 1))]
    pub validate_every: usize,
    /// Optimiser steps between two writes of the last checkpoint, besides those after each validation; 0: only those.
    #[schemars(range(min = 0))]
    pub checkpoint_every: u64,
    /// Stop after this many validations in a row without a better value of the monitored metric.
    #[schemars(range(min = 1))]
    pub patience: Option<usize>,
    /// Stop, with a checkpoint, after this many optimiser steps of this session; a resumed run goes on from there.
    #[schemars(range(min = 1))]
    pub stop_after_steps: Option<u64>,
}

impl Default for TrainerConfig {
    fn default() -> Self {
        TrainerConfig {
            epochs: 50,
            batch_size: 32,
            accumulate: 1,
            precision: Precision::Auto,
            channels_last: true,
            device: DeviceChoice::Auto,
            threads: 0,
            deterministic: false,
            tf32: true,
            seed: 0,
            optimiser: OptimiserConfig::default(),
            schedule: Schedule::default(),
            log_every: 10,
            validate_every: 1,
            checkpoint_every: 0,
            patience: None,
            stop_after_steps: None,
        }
    }
}
