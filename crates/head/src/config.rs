//! The configuration of a head's run. Paths are relative to the current folder.

use mflag_core::config::Config;
use mflag_core::suggest;
use mflag_metrics::catalogue::{LOSS, Metric};
use mflag_store::FilmsConfig;
use mflag_store::augment::Augment;
use mflag_train::{Direction, TrainerConfig};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The section `head` of the configuration, which each head defines.
pub trait Settings:
    std::fmt::Debug + Clone + Default + Serialize + DeserializeOwned + JsonSchema + Send + Sync
{
    /// The metrics of validation. Each of them, or the loss, can choose the best checkpoint.
    const METRICS: &'static [Metric];

    /// Checks rules that involve several values, which the schema cannot express. Returns an error
    /// message per broken rule.
    fn check(&self, _data: &DataConfig) -> Vec<String> {
        Vec::new()
    }
}

/// The configuration of a head's run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, bound = "S: Settings")]
#[schemars(bound = "S: Settings")]
pub struct HeadConfig<S> {
    /// Films and their labels.
    pub data: DataConfig,
    /// The film encoder under the head.
    pub encoder: EncoderConfig,
    /// The head's own settings.
    pub head: S,
    /// Augmentation of the training films. If absent, films are not augmented.
    pub augment: Augment,
    /// The validation metric that chooses the best checkpoint and, with `train.patience`, stops
    /// early.
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

/// The smallest side of a film for a head, in pixels.
const MIN_SIDE: u32 = 64;

/// Films and their labels.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The keys that all runs share.
    #[serde(flatten)]
    pub films: FilmsConfig,
    /// Fraction of the training patients that is used.
    #[schemars(range(min = 0.0001, max = 1.0))]
    pub fraction: f64,
    /// Seed that chooses these patients. With the same seed, a smaller fraction is a subset of a
    /// larger one.
    pub fraction_seed: u64,
    /// Memory in MiB for the features of a frozen encoder. If films are not augmented and their
    /// features fit, each film is encoded once instead of in every epoch. 0: never.
    #[schemars(range(min = 0, max = 1_048_576))]
    pub feature_cache_mib: u64,
}

impl DataConfig {
    /// Checks that `data.side` is a multiple of `step`, as `network` requires. Returns an error
    /// message if it is not.
    pub fn multiple_of(&self, step: u32, network: &str) -> Option<String> {
        if self.films.side.is_multiple_of(step) {
            return None;
        }
        let near = (self.films.side / step).max(1) * step;
        Some(format!(
            "data.side: {} is not a multiple of {step}, which {network} needs; use {near} or {}",
            self.films.side,
            near + step
        ))
    }
}

/// How films without a mask or box are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unmarked {
    /// They count as films with nothing to find. Right for data sets in which every film was
    /// examined for findings.
    #[default]
    Negative,
    /// They are not used. Right for data sets where only some films were annotated, for example
    /// with lung masks.
    LeftOut,
}

impl Unmarked {
    /// Whether films without a mask or box are trained on and evaluated.
    pub fn is_learned(self) -> bool {
        self == Unmarked::Negative
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        DataConfig {
            films: FilmsConfig::default(),
            fraction: 1.0,
            fraction_seed: 0,
            feature_cache_mib: 4096,
        }
    }
}

/// The film encoder under the head.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderConfig {
    /// The keys that all runs share.
    #[serde(flatten)]
    pub network: mflag_encoder::EncoderConfig,
    /// Whether the encoder keeps its weights. If false, it is trained together with the head.
    pub frozen: bool,
    /// Whether a frozen encoder's BatchNorm statistics are still updated by the training films, as
    /// in the code behind the published numbers.
    pub moving_statistics: bool,
    /// Learning rate of a trained encoder, as a share of the head's learning rate.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub lr_scale: f64,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        EncoderConfig {
            network: mflag_encoder::EncoderConfig::default(),
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
    /// Whether a lower or a higher value of the monitored metric is better; `None` if the head has
    /// no such metric.
    pub fn direction(&self) -> Option<Direction> {
        monitors::<S>()
            .find(|metric| metric.key == self.monitor)?
            .direction
    }
}

impl<S: Settings> Config for HeadConfig<S> {
    fn check(&self) -> Vec<String> {
        let mut problems = self.augment.check();
        problems.extend(self.data.films.check(&self.augment));
        problems.extend(self.head.check(&self.data));
        if self.data.films.side < MIN_SIDE {
            problems.push(format!(
                "data.side: {} is too small; the minimum is {MIN_SIDE}",
                self.data.films.side
            ));
        }
        if self.direction().is_none() {
            let names: Vec<&str> = monitors::<S>().map(|metric| metric.key).collect();
            let hint = suggest::hint(&self.monitor, names.iter().copied());
            problems.push(format!(
                "monitor: '{}' is not one of {}{hint}",
                self.monitor,
                names.join(", ")
            ));
        }
        problems
    }
}
