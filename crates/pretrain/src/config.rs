//! The configuration of a pre-training run. Paths are relative to the folder the command is run in.

use std::path::PathBuf;

use mflag_core::config::Config;
use mflag_encoder::Arch;
use mflag_encoder::text::{Pooling, TextEncoder};
use mflag_store::augment::Augment;
use mflag_train::TrainerConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::loss::OrthogonalityForm;
use crate::model::ProjectorConfig;

/// Everything that a pre-training run depends on.
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
    /// Random changes of the training films.
    pub augment: Augment,
    /// When to say that the latent space has collapsed.
    pub collapse: CollapseConfig,
    /// Optimiser, schedule, precision, length, checkpoints.
    pub train: TrainerConfig,
}

/// Films and their reports.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Prepared store (`mflag-data prepare`).
    pub store: PathBuf,
    /// Side of the square that the encoder sees, in pixels; at most the store's.
    #[schemars(range(min = 32, max = 2048))]
    pub side: u32,
    /// At most so many training pairs (the first of the store); all when absent.
    #[schemars(range(min = 2))]
    pub max_train: Option<usize>,
    /// At most so many validation pairs (the first of the store): recall compares each with each.
    #[schemars(range(min = 2, max = 20000))]
    pub max_validation: usize,
    /// Threads that augment films; 0: a quarter of the cores.
    #[schemars(range(min = 0, max = 256))]
    pub loader_threads: usize,
    /// Batches kept ready.
    #[schemars(range(min = 1, max = 64))]
    pub prefetch: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        DataConfig {
            store: PathBuf::from("data/mimic-cxr/store-256"),
            side: 224,
            max_train: None,
            max_validation: 2000,
            loader_threads: 0,
            prefetch: 4,
        }
    }
}

/// The frozen language model.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextConfig {
    /// Folder with `config.json`, weights, and `tokenizer.json` or `vocab.txt`.
    pub model: PathBuf,
    /// Weights drawn from this seed in place of the folder's, for an ablation: what does the
    /// language model's knowledge give?
    pub random: Option<u64>,
    /// How the token vectors become one.
    pub pooling: Pooling,
    /// Longer texts are cut; at most the model's positions.
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
    /// The language model.
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

/// The film encoder.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderConfig {
    /// Architecture.
    pub arch: Arch,
    /// Weights at the start, with torchvision names; random when absent. The paper starts from
    /// ImageNet.
    pub weights: Option<PathBuf>,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        EncoderConfig {
            arch: Arch::ResNet50,
            weights: None,
        }
    }
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
    /// Optimisation steps over which the weight of the orthogonality loss rises from 0 to its
    /// value.
    pub warm_up_steps: u64,
}

impl Default for LossConfig {
    fn default() -> Self {
        LossConfig {
            alignment: 1.0,
            orthogonality: 1.0,
            form: OrthogonalityForm::Official,
            lambda: 0.0051,
            warm_up_steps: 0,
        }
    }
}

/// When to say that the latent space has collapsed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CollapseConfig {
    /// Alarm when the effective rank of the encoder's output on validation falls below this.
    #[schemars(range(min = 1.0, max = 1.0e6))]
    pub min_rank: f64,
    /// Alarm when the mean cosine between different projected films exceeds this.
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

impl Config for PretrainConfig {
    fn check(&self) -> Vec<String> {
        let mut problems = self.augment.check();
        if self.train.batch_size < 2 {
            problems.push("train.batch_size: 1 is too small, BatchNorm needs 2 or more".into());
        }
        if self.loss.alignment == 0.0 && self.loss.orthogonality == 0.0 {
            problems
                .push("loss.alignment and loss.orthogonality are both 0: nothing to train".into());
        }
        problems
    }
}
