//! The settings of the training loop, the same for pre-training and the heads.

use crate::optim::OptimiserConfig;
use crate::precision::Precision;
use crate::schedule::Schedule;
use mflag_core::device::DeviceChoice;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the training loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainerConfig {
    /// Passes over the training samples.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    /// Samples in a batch. If several processes train together, they share them equally, so this
    /// number must be a multiple of theirs.
    #[schemars(range(min = 1))]
    pub batch_size: usize,
    /// Batches whose gradients are averaged into one optimiser step. The last step of an epoch
    /// takes the remaining batches.
    #[schemars(range(min = 1))]
    pub accumulate: usize,
    /// Compute the statistics of BatchNorm over the batches of all processes that train together. If
    /// absent: if loss.batch is global. The heads train in one process, where this changes nothing.
    pub sync_batch_norm: Option<bool>,
    /// Number format of the forward pass.
    pub precision: Precision,
    /// Store convolution weights and activations in channels-last order, a faster layout of the
    /// same numbers.
    pub channels_last: bool,
    /// Device to train on.
    pub device: DeviceChoice,
    /// Threads that compute on the CPU; 0: one per core, or this process's share of the cores. Sums depend on this number in their last
    /// bits, so a run repeats bit for bit only with the same number.
    #[schemars(range(min = 0, max = 1024))]
    pub threads: usize,
    /// Use only kernels that give the same bits in every run. On a CPU, all kernels do; on CUDA,
    /// this costs speed.
    pub deterministic: bool,
    /// Allow TF32 for f32 products on CUDA.
    pub tf32: bool,
    /// Seed of libtorch's generator (initial weights, dropout), of the order of samples and of
    /// augmentation.
    pub seed: u64,
    /// Settings of AdamW.
    pub optimiser: OptimiserConfig,
    /// Learning rate over the steps.
    pub schedule: Schedule,
    /// Optimiser steps between two lines of training metrics. The last step always has a line.
    #[schemars(range(min = 1))]
    pub log_every: u64,
    /// Epochs between two validations. The last epoch is always validated.
    #[schemars(range(min = 1))]
    pub validate_every: usize,
    /// Optimiser steps between two writes of last.safetensors. It is also written after each
    /// validation; 0: only then.
    #[schemars(range(min = 0))]
    pub checkpoint_every: u64,
    /// Stop early after this many validations in a row without a better value of the monitored
    /// metric.
    #[schemars(range(min = 1))]
    pub patience: Option<usize>,
    /// Write a checkpoint and stop after this many optimiser steps in this session. `--resume`
    /// continues from there.
    #[schemars(range(min = 1))]
    pub stop_after_steps: Option<u64>,
}

impl Default for TrainerConfig {
    fn default() -> Self {
        TrainerConfig {
            epochs: 50,
            batch_size: 32,
            accumulate: 1,
            sync_batch_norm: None,
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
