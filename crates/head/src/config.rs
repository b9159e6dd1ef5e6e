//! The configuration of a head's run. Paths are relative to the folder the command is run in.

use std::path::PathBuf;

use mflag_core::config::Config;
use mflag_core::suggest;
use mflag_encoder::Arch;
use mflag_metrics::catalogue::{LOSS, Metric};
use mflag_store::augment::Augment;
use mflag_train::{Direction, TrainerConfig};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The part of a configuration that is a head's own.
pub trait Settings:
    std::fmt::Debug + Clone + Default + Serialize + DeserializeOwned + JsonSchema + Send + Sync
{
    /// The metrics of validation. Each of them, or the loss, can choose the best checkpoint.
    const METRICS: &'static [Metric];

    /// Rules between values, which no schema says: one line for each that is broken.
    fn check(&self, _data: &DataConfig) -> Vec<String> {
        Vec::new()
    }
}

/// Everything that a run of a head depends on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, bound = "S: Settings")]
#[schemars(bound = "S: Settings")]
pub struct HeadConfig<S> {
    /// Films and their labels.
    pub data: DataConfig,
    /// The film encoder under the head.
    pub encoder: EncoderConfig,
    /// The head itself.
    pub head: S,
    /// Random changes of the training films; none when absent.
    pub augment: Augment,
    /// The metric of validation that chooses the best checkpoint and stops early (with `train.patience`).
    pub monitor: String,
    /// Optimiser, schedule, precision, length, checkpoints.
    pub train: TrainerConfig,
}

impl<S: Settings> Default for HeadConfig<S> {
    fn default() -> Self {
        HeadConfig {
            data: DataConfig::default(),
            encoder: EncoderConfig::default(),
            head: S::default(),
            augment: Augment::default(),
            monitor: LOSS.key.to_owned(),
            train: TrainerConfig::default(),
        }
    }
}

/// Films and their labels.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Prepared store (`mflag-data prepare`).
    pub store: PathBuf,
    /// Side of the square that the encoder sees, in pixels; at most the store's.
    #[schemars(range(min = 64, max = 2048))]
    pub side: u32,
    /// Part of the training patients whose labels are used.
    #[schemars(range(min = 0.0001, max = 1.0))]
    pub fraction: f64,
    /// Chooses these patients; the smaller of two fractions of one seed is part of the larger.
    pub fraction_seed: u64,
    /// Threads that augment films; 0: a quarter of the cores.
    #[schemars(range(min = 0, max = 256))]
    pub loader_threads: usize,
    /// Batches kept ready.
    #[schemars(range(min = 1, max = 64))]
    pub prefetch: usize,
    /// Memory in MiB that the features of a frozen encoder may take. Where films are not augmented and their features fit,
    /// each film is encoded once and not in every epoch; 0: never.
    #[schemars(range(min = 0, max = 1_048_576))]
    pub keep_features: u64,
}

impl DataConfig {
    /// What is wrong with a side that is no multiple of what the head `needs`, such as `(32, "the U-Net needs")`.
    pub fn multiple_of(&self, step: u32, needs: &str) -> Option<String> {
        if self.side.is_multiple_of(step) {
            return None;
        }
        let near = (self.side / step).max(1) * step;
        Some(format!(
            "data.side: {} is no multiple of {step}, as {needs}; take {near} or {}",
            self.side,
            near + step
        ))
    }
}

/// What a film is on which nothing is marked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unmarked {
    /// A film with nothing to find: right for data sets of findings that may be absent.
    #[default]
    Negative,
    /// A film that nobody has marked, such as one of a set where only some have lung masks.
    LeftOut,
}

impl Unmarked {
    /// Whether such a film is learned from, and judged.
    pub fn is_learned(self) -> bool {
        self == Unmarked::Negative
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        DataConfig {
            store: PathBuf::from("data/store"),
            side: 224,
            fraction: 1.0,
            fraction_seed: 0,
            loader_threads: 0,
            prefetch: 4,
            keep_features: 4096,
        }
    }
}

/// The film encoder under the head.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderConfig {
    /// Architecture.
    pub arch: Arch,
    /// Weights at the start: `encoder.safetensors` of a pre-training run, or any file with torchvision's names; random when
    /// absent.
    pub weights: Option<PathBuf>,
    /// Whether the encoder keeps its weights; else it is trained with the head.
    pub frozen: bool,
    /// Whether the BatchNorm statistics of a frozen encoder move with the training films all the same, as in the code that
    /// the published numbers come from.
    pub moving_statistics: bool,
    /// An encoder that is trained learns at this part of the rate.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub lr_scale: f64,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        EncoderConfig {
            arch: Arch::ResNet50,
            weights: None,
            frozen: true,
            moving_statistics: false,
            lr_scale: 1.0,
        }
    }
}

/// The metrics that can choose the best checkpoint.
fn monitors<S: Settings>() -> impl Iterator<Item = &'static Metric> {
    std::iter::once(&LOSS).chain(S::METRICS)
}

impl<S: Settings> HeadConfig<S> {
    /// Which way the monitored metric is better; `None` if the head has no such metric.
    pub fn direction(&self) -> Option<Direction> {
        monitors::<S>()
            .find(|metric| metric.key == self.monitor)?
            .direction
    }
}

impl<S: Settings> Config for HeadConfig<S> {
    fn check(&self) -> Vec<String> {
        let mut problems = self.augment.check();
        problems.extend(self.head.check(&self.data));
        if self.direction().is_none() {
            let names: Vec<&str> = monitors::<S>().map(|metric| metric.key).collect();
            let hint = suggest::hint(&self.monitor, names.iter().copied());
            problems.push(format!(
                "monitor: '{}' is none of {}{hint}",
                self.monitor,
                names.join(", ")
            ));
        }
        problems
    }
}
