//! The configuration keys of a film encoder, shared by pre-training and the heads.

use std::path::PathBuf;

use mflag_weights::{Allow, LoadReport, load_into, strip_prefix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::nn;

use crate::{Arch, ENCODER_PREFIX, Result};

/// The architecture of a film encoder, and its initial weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderConfig {
    /// Architecture.
    pub arch: Arch,
    /// File of initial weights with torchvision's names, such as ImageNet weights, from which the
    /// paper's pre-training starts, or `encoder.safetensors` of a pre-training run. Without it, the
    /// weights are random.
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

impl EncoderConfig {
    /// Loads the initial weights into the encoder's variables in `store`, whose names have the
    /// prefix [`ENCODER_PREFIX`]. `None`: there is no file, and the variables stay random.
    ///
    /// # Errors
    /// If the file cannot be read, or its weights belong to another architecture.
    pub fn load_weights(&self, store: &nn::VarStore) -> Result<Option<LoadReport>> {
        let Some(file) = &self.weights else {
            return Ok(None);
        };
        let variables = strip_prefix(ENCODER_PREFIX, store.variables());
        Ok(Some(load_into(file, &variables, &Allow::heads())?))
    }
}
