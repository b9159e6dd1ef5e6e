//! From a checkpoint of pre-training to an encoder for others to use.

mod card;
mod command;

use std::path::Path;

use clap::ValueEnum;
use mflag_core::run::RunFolder;
use mflag_core::{config, digest};
use mflag_encoder::{ENCODER_PREFIX, Preprocess, write_encoder};
use mflag_train::checkpoint::Counters;
use mflag_train::{BEST, Checkpoint, LAST};
use mflag_weights::strip_prefix;
use serde_json::{Map, Value, json};

pub use command::ExportArgs;

use crate::config::PretrainConfig;
use crate::error::Result;

/// The exported encoder in a run folder.
pub const ENCODER: &str = "encoder.safetensors";

/// A checkpoint that a run keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kept {
    /// The epoch with the best recall
    Best,
    /// The latest
    Last,
}

impl Kept {
    fn name(self) -> &'static str {
        match self {
            Kept::Best => "best",
            Kept::Last => "last",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Kept::Best => BEST,
            Kept::Last => LAST,
        }
    }
}

/// Writes the encoder of a run's checkpoint to `path`: torchvision names; architecture, preprocessing and provenance in the metadata.
/// `config` is the run's. Gives where the run stood.
///
/// # Errors
/// If the checkpoint cannot be read or `path` not be written.
pub fn export_encoder(
    run: &RunFolder,
    kept: Kept,
    config: &PretrainConfig,
    preprocess: Preprocess,
    path: &Path,
) -> Result<Counters> {
    let checkpoint = Checkpoint::read(&run.file(kept.file()))?;
    let variables = strip_prefix(ENCODER_PREFIX, checkpoint.part("model"));
    let latest = checkpoint.counters.latest.iter();
    let metrics = latest.map(|(name, value)| (name.clone(), Value::from(value.0)));
    let began = run.provenance()?;
    // Neither time nor command line: equal runs give equal files, and no path of this machine leaves it.
    let provenance = json!({
        "mflag": began.mflag,
        "git": began.git,
        "libraries": began.libraries,
        "digests": began.digests,
        "configuration": digest::bytes(config::to_yaml(config)?.as_bytes()),
        "language_model": config.text.model.file_name().map(|name| name.to_string_lossy()),
        "checkpoint": kept.name(),
        "epoch": checkpoint.counters.epoch,
        "step": checkpoint.counters.step,
        "metrics": metrics.collect::<Map<_, _>>(),
    });
    write_encoder(
        path,
        config.encoder.arch,
        preprocess,
        &provenance,
        variables,
    )?;
    Ok(checkpoint.counters)
}
