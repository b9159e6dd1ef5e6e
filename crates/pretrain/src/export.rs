//! From a checkpoint of pre-training to an encoder for others to use.

use std::path::Path;

use mflag_encoder::film::write_encoder;
use mflag_encoder::preprocess::Preprocess;
use mflag_encoder::resnet::Arch;
use mflag_train::Checkpoint;

use crate::error::Result;

/// The exported encoder in a run folder.
pub const ENCODER: &str = "encoder.safetensors";

/// Writes the encoder of `checkpoint` to `path`: torchvision names, architecture and preprocessing in the metadata.
///
/// # Errors
/// If the checkpoint cannot be read or `path` not be written.
pub fn export_encoder(
    checkpoint: &Path,
    path: &Path,
    arch: Arch,
    preprocess: Preprocess,
) -> Result<()> {
    let variables = Checkpoint::read(checkpoint)?.part("model");
    let own = |(name, tensor): (String, tch::Tensor)| {
        Some((name.strip_prefix("encoder.")?.to_owned(), tensor))
    };
    Ok(write_encoder(
        path,
        arch,
        preprocess,
        variables.into_iter().filter_map(own),
    )?)
}
