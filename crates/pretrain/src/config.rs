//! The configuration of a pre-training run. Paths are relative to the working directory.

use std::path::PathBuf;

use mflag_core::config::Config;
use mflag_encoder::EncoderConfig;
use mflag_encoder::text::{Pooling, TextEncoder};
use mflag_metrics::catalogue::{MEAN_COSINE, Metric, RANK};
use mflag_store::FilmsConfig;
use mflag_store::augment::Augment;
use mflag_train::TrainerConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::error::{Error, Result};
use crate::loss::OrthogonalityForm;
use crate::model::ProjectorConfig;

/// The configuration of a pre-training run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PretrainConfig {
    /// Films and their reports.
    pub data: DataConfig,
    /// The frozen language model.
    pub text: TextConfig,
    /// The film encoder.
    pub encoder: EncoderConfig,
    /// The two projectors.
    pub projector: ProjectorConfig,
    /// The two losses.
    pub loss: LossConfig,
    /// Augmentation of the training films.
    pub augment: Augment,
    /// When to warn that the latent space has collapsed.
    pub collapse: CollapseConfig,
    /// Optimiser, schedule, precision, length, checkpoints.
    pub train: TrainerConfig,
}

/// Films and their reports.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The keys that all runs share.
    #[serde(flatten)]
    pub films: FilmsConfig,
    /// Maximum number of training pairs; the first ones of the store are used. If absent, all are
    /// used.
    #[schemars(range(min = 2))]
    pub max_train: Option<usize>,
    /// Maximum number of validation pairs; the first ones of the store are used. Recall compares
    /// each film with each report, so the cost grows with the square of this number.
    #[schemars(range(min = 2, max = 20000))]
    pub max_validation: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        DataConfig {
            films: FilmsConfig::default(),
            max_train: None,
            max_validation: 2000,
        }
    }
}

/// The frozen language model.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextConfig {
    /// Folder with `config.json`, weights, and `tokenizer.json` or `vocab.txt`.
    pub model: PathBuf,
    /// Replace the folder's weights by random ones from this seed, for an ablation of the language
    /// model's knowledge.
    pub random: Option<u64>,
    /// How the token vectors are pooled into one.
    pub pooling: Pooling,
    /// Longer texts are truncated to this number of tokens. It must not exceed the number of
    /// positions of the language model.
    #[schemars(range(min = 8, max = 4096))]
    pub max_tokens: usize,
    /// Folder of the text cache.
    pub cache: PathBuf,
}

impl Default for TextConfig {
    fn default() -> Self {
        TextConfig {
            model: PathBuf::from(".models/all-minilm-l6-v2"),
            random: None,
            pooling: Pooling::Cls,
            max_tokens: 512,
            cache: PathBuf::from("data/text-cache"),
        }
    }
}

impl TextConfig {
    /// Opens the language model on `device`.
    ///
    /// # Errors
    /// As [`TextEncoder::open`].
    pub fn encoder(&self, device: Device) -> mflag_encoder::Result<TextEncoder> {
        let (folder, pooling, tokens) = (&self.model, self.pooling, self.max_tokens);
        match self.random {
            None => TextEncoder::open(folder, pooling, tokens, device),
            Some(seed) => TextEncoder::random(folder, seed, pooling, tokens, device),
        }
    }
}

/// The batch over which a loss is computed if several processes train together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LossBatch {
    /// The joined batch of all processes: the loss and its gradient are those of one process.
    #[default]
    Global,
    /// Each process's own share of the batch, as the authors did; gradients are averaged. The
    /// orthogonality loss then has another value and another minimum.
    Process,
}

/// The two losses: `alignment · L_align + orthogonality · L_orth`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Weight of the alignment loss.
    #[schemars(range(min = 0.0, max = 1.0e6))]
    pub alignment: f64,
    /// Weight of the orthogonality loss.
    #[schemars(range(min = 0.0, max = 1.0e6))]
    pub orthogonality: f64,
    /// Form of the orthogonality loss.
    pub form: OrthogonalityForm,
    /// Weight of the off-diagonal entries within the orthogonality loss.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub lambda: f64,
    /// The batch over which several processes compute the losses. In one process, this changes nothing.
    pub batch: LossBatch,
    /// Optimiser steps over which the weight of the orthogonality loss rises from 0 to its value.
    pub warm_up_steps: u64,
}

impl Default for LossConfig {
    fn default() -> Self {
        LossConfig {
            alignment: 1.0,
            orthogonality: 1.0,
            form: OrthogonalityForm::Official,
            lambda: 0.0051,
            batch: LossBatch::Global,
            warm_up_steps: 0,
        }
    }
}

/// When to warn that the latent space has collapsed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CollapseConfig {
    /// Warn if the effective rank of the encoder's output on the validation films is below this
    /// value.
    #[schemars(range(min = 1.0, max = 1.0e6))]
    pub min_rank: f64,
    /// Warn if the mean cosine between different projected films is above this value.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_cosine: f64,
}

impl Default for CollapseConfig {
    fn default() -> Self {
        CollapseConfig {
            min_rank: 2.0,
            max_cosine: 0.95,
        }
    }
}

impl CollapseConfig {
    /// A sentence about each limit that the validation metrics cross.
    pub fn crossed(&self, metrics: &[(String, f64)]) -> Vec<String> {
        let value = |metric: Metric| {
            let found = metrics.iter().find(|(name, _)| name == metric.key);
            // Rank and cosine are undefined if all points are identical.
            found.map_or(1.0, |(_, value)| *value)
        };
        let (rank, cosine) = (value(RANK), value(MEAN_COSINE));
        let mut crossed = Vec::new();
        if rank < self.min_rank {
            let limit = self.min_rank;
            crossed.push(format!(
                "the effective rank is {rank:.1}, below collapse.min_rank ({limit})"
            ));
        }
        if cosine > self.max_cosine {
            let limit = self.max_cosine;
            crossed.push(format!(
                "the mean cosine is {cosine:.3}, above collapse.max_cosine ({limit})"
            ));
        }
        crossed
    }
}

impl PretrainConfig {
    /// Whether several processes share the statistics of BatchNorm.
    pub fn sync_batch_norm(&self) -> bool {
        let is_global = self.loss.batch == LossBatch::Global;
        self.train.sync_batch_norm.unwrap_or(is_global)
    }

    /// Checks that `ranks` processes can share a batch.
    ///
    /// # Errors
    /// If the batch size is no multiple of their number, or a share is too small for BatchNorm.
    pub fn check_share(&self, ranks: usize) -> Result<()> {
        let batch = self.train.batch_size;
        if !batch.is_multiple_of(ranks) {
            return Err(Error::Data(format!(
                "train.batch_size: {ranks} processes cannot share {batch} pairs equally; choose a \
                 multiple of {ranks}"
            )));
        }
        if batch == ranks && !self.sync_batch_norm() {
            return Err(Error::Data(format!(
                "train.batch_size: each of {ranks} processes would have 1 pair, and BatchNorm needs at \
                 least 2; choose a larger batch, or train.sync_batch_norm=true"
            )));
        }
        Ok(())
    }
}

impl Config for PretrainConfig {
    fn check(&self) -> Vec<String> {
        let mut problems = self.augment.check();
        problems.extend(self.data.films.check(&self.augment));
        if self.train.batch_size < 2 {
            problems.push("train.batch_size: 1 is too small; BatchNorm needs at least 2".into());
        }
        if self.loss.alignment == 0.0 && self.loss.orthogonality == 0.0 {
            problems
                .push("loss.alignment and loss.orthogonality are both 0: nothing to train".into());
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_share_a_batch_equally() {
        let mut config = PretrainConfig::default();
        let problem =
            |config: &PretrainConfig, ranks| config.check_share(ranks).err().map(|e| e.to_string());
        config.train.batch_size = 4;
        assert_eq!(problem(&config, 1), None);
        assert_eq!(problem(&config, 4), None);
        let unequal = problem(&config, 3).unwrap();
        assert!(unequal.starts_with("train.batch_size: 3 processes cannot share 4 pairs equally"));
        config.loss.batch = LossBatch::Process;
        assert!(
            problem(&config, 4)
                .unwrap()
                .contains("BatchNorm needs at least 2")
        );
        config.train.sync_batch_norm = Some(true);
        assert_eq!(problem(&config, 4), None);
    }

    #[test]
    fn the_alarm_names_the_limits_that_are_crossed_and_no_others() {
        let limits = CollapseConfig::default();
        let crossed = |rank: Option<f64>, cosine: Option<f64>| {
            let metrics = [(RANK, rank), (MEAN_COSINE, cosine)].into_iter();
            let metrics = metrics.filter_map(|(metric, v)| Some((metric.key.to_owned(), v?)));
            limits.crossed(&metrics.collect::<Vec<_>>())
        };
        let rank = "the effective rank is 1.5, below collapse.min_rank (2)";
        let cosine = "the mean cosine is 0.997, above collapse.max_cosine (0.95)";
        assert_eq!(crossed(Some(7.5), Some(0.997)), [cosine]);
        assert_eq!(crossed(Some(1.5), Some(0.2)), [rank]);
        assert_eq!(crossed(Some(1.5), Some(0.997)), [rank, cosine]);
        assert!(crossed(Some(2.0), Some(0.95)).is_empty());
        assert_eq!(crossed(None, None).len(), 2, "all points are identical");
    }
}
