//! Exports the encoder of a pre-training run for other programs.

mod model_card;
mod source;

use std::path::Path;

use mflag_core::run::RunFolder;
use mflag_core::{Named, config, digest};
use mflag_encoder::export::{BatchNorms, write_onnx, write_torchscript};
use mflag_encoder::{ENCODER_PREFIX, FilmEncoder, Preprocess, write_encoder};
use mflag_train::checkpoint::TrainState;
use mflag_train::{BEST, Checkpoint, LAST};
use mflag_weights::strip_prefix;
use serde_json::{Map, Value, json};

pub use source::Source;

use crate::config::PretrainConfig;
use crate::error::Result;

/// Name of the encoder's file in a run folder and among exported files.
pub const ENCODER: &str = "encoder.safetensors";

/// Which checkpoint of a run is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointKind {
    /// The epoch with the best recall.
    Best,
    /// The latest checkpoint.
    Last,
}

impl Named for CheckpointKind {
    const ALL: &'static [CheckpointKind] = &[CheckpointKind::Best, CheckpointKind::Last];

    fn name(self) -> &'static str {
        match self {
            CheckpointKind::Best => "best",
            CheckpointKind::Last => "last",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            CheckpointKind::Best => "The epoch with the best recall",
            CheckpointKind::Last => "The latest checkpoint",
        }
    }
}

impl CheckpointKind {
    fn file_name(self) -> &'static str {
        match self {
            CheckpointKind::Best => BEST,
            CheckpointKind::Last => LAST,
        }
    }
}

/// A file format of encoders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Weights with torchvision's names, for PyTorch and mflag.
    Safetensors,
    /// A program for libtorch and `torch.jit`.
    Torchscript,
    /// A graph for ONNX Runtime and others.
    Onnx,
}

impl Named for Format {
    const ALL: &'static [Format] = &[Format::Safetensors, Format::Torchscript, Format::Onnx];

    fn name(self) -> &'static str {
        match self {
            Format::Safetensors => "safetensors",
            Format::Torchscript => "torchscript",
            Format::Onnx => "onnx",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Format::Safetensors => "Weights with torchvision's names, for PyTorch and mflag",
            Format::Torchscript => "A program for libtorch and torch.jit",
            Format::Onnx => "A graph for ONNX Runtime and others",
        }
    }
}

impl Format {
    /// Name of the exported file.
    pub fn file_name(self) -> &'static str {
        match self {
            Format::Safetensors => ENCODER,
            Format::Torchscript => "encoder.torchscript.pt",
            Format::Onnx => "encoder.onnx",
        }
    }

    /// How to read the file, for the model card.
    fn reader(self) -> &'static str {
        match self {
            Format::Safetensors => {
                "weights: `safetensors.torch.load_file` for torchvision's model without `fc`, or mflag"
            }
            Format::Torchscript => "`torch.jit.load`, or libtorch",
            Format::Onnx => "ONNX Runtime and others (operator set 17)",
        }
    }

    /// Writes `encoder` to `path` in this format. `norms` applies to ONNX only.
    ///
    /// # Errors
    /// If the encoder cannot be traced, or the file cannot be written.
    pub fn write(self, encoder: &FilmEncoder, norms: BatchNorms, path: &Path) -> Result<()> {
        match self {
            Format::Safetensors => encoder.write(path)?,
            Format::Torchscript => write_torchscript(path, encoder)?,
            Format::Onnx => write_onnx(path, encoder, norms)?,
        }
        Ok(())
    }
}

/// Writes the encoder of a run's checkpoint to `path`, with torchvision's names. The metadata hold
/// architecture, preprocessing and provenance. `config` is the configuration of the run. Returns
/// the training state of the checkpoint.
///
/// # Errors
/// If the checkpoint cannot be read, or `path` cannot be written.
pub fn export_encoder(
    run: &RunFolder,
    checkpoint: CheckpointKind,
    config: &PretrainConfig,
    preprocess: Preprocess,
    path: &Path,
) -> Result<TrainState> {
    let saved = Checkpoint::read(&run.file(checkpoint.file_name()))?;
    let variables = strip_prefix(ENCODER_PREFIX, saved.part("model"));
    let provenance = provenance(run, checkpoint, config, &saved.state)?;
    write_encoder(
        path,
        config.encoder.arch,
        preprocess,
        &provenance,
        variables,
    )?;
    Ok(saved.state)
}

/// The provenance that an exported encoder carries. It leaves out the time and the command line, so
/// that equal runs give equal files and no local path is published.
fn provenance(
    run: &RunFolder,
    checkpoint: CheckpointKind,
    config: &PretrainConfig,
    state: &TrainState,
) -> Result<Value> {
    let of_run = run.provenance()?;
    let metrics = state.latest.iter();
    let metrics = metrics.map(|(name, value)| (name.clone(), Value::from(value.0)));
    Ok(json!({
        "mflag": of_run.mflag,
        "git": of_run.git,
        "libraries": of_run.libraries,
        "digests": of_run.digests,
        "configuration": digest::bytes(config::to_yaml(config)?.as_bytes()),
        "language_model": config.text.model.file_name().map(|name| name.to_string_lossy()),
        "checkpoint": checkpoint.name(),
        "epoch": state.epoch,
        "step": state.step,
        "metrics": metrics.collect::<Map<_, _>>(),
    }))
}
