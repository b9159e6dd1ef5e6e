//! Writes an encoder as TorchScript.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use mflag_weights::atomic;
use tch::{CModule, Device, Kind, Tensor};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::film_encoder::FilmEncoder;
use crate::{Error, Result};

/// The folder in the archive. It does not depend on the name of the file, so that the same encoder
/// gives the same bytes.
const ROOT: &str = "encoder";

/// Writes an encoder on the CPU as TorchScript for `torch.jit.load` and libtorch. `forward` takes
/// grey values from 0 to 255 as f32 `[N, 1, S, S]` and returns f32 `[N, width]`. The values of
/// [`FilmEncoder::metadata`] are extra files
/// (`torch.jit.load(path, _extra_files={"preprocess": ""})`).
///
/// # Errors
/// [`Error::Io`] if the file cannot be written. [`Error::Torch`] if the encoder is not on the CPU,
/// or libtorch cannot write the program.
pub fn write_torchscript(path: impl AsRef<Path>, encoder: &FilmEncoder) -> Result<()> {
    let path = path.as_ref();
    let write = |e| Error::io("write", path, e);
    let module = trace(encoder)?;
    let folder = tempfile::Builder::new()
        .prefix(atomic::PARTIAL)
        .tempdir_in(atomic::folder(path))
        .map_err(write)?;
    let file = folder.path().join(format!("{ROOT}.pt"));
    module.save(&file)?;
    add_extra_files(&file, encoder).map_err(write)?;
    let bytes = fs::read(&file).map_err(write)?;
    Ok(atomic::write(path, |file| file.write_all(&bytes))?)
}

/// Records the encoder's operations on a batch. The record does not depend on the batch's shape.
fn trace(encoder: &FilmEncoder) -> Result<CModule> {
    let _no_gradients = tch::no_grad_guard();
    let side = i64::from(encoder.preprocess().side);
    let films = Tensor::f_zeros([2, 1, side, side], (Kind::Float, Device::Cpu))?;
    // The closure cannot return an error, so it stores the error here.
    let mut failure = None;
    let mut forward = |inputs: &[Tensor]| match forward_greys(encoder, &inputs[0]) {
        Ok(features) => vec![features],
        Err(error) => {
            failure = Some(error);
            vec![inputs[0].shallow_clone()]
        }
    };
    let module = CModule::create_by_tracing("FilmEncoder", "forward", &[films], &mut forward);
    match failure {
        Some(error) => Err(error),
        None => Ok(module?),
    }
}

/// The pooled vectors `[N, width]` of grey values from 0 to 255, `[N, 1, S, S]`.
fn forward_greys(encoder: &FilmEncoder, greys: &Tensor) -> Result<Tensor> {
    let (scale, shift) = encoder.preprocess().scale_and_shift();
    // Not in place as in `Preprocess::normalise`: the grey values belong to the caller.
    let films = greys.f_mul_scalar(scale)?.f_add_scalar(shift)?;
    encoder.network().forward(&films, false)
}

/// Adds the metadata as extra files, which tch cannot pass to libtorch.
fn add_extra_files(file: &Path, encoder: &FilmEncoder) -> io::Result<()> {
    let opened = File::options().read(true).write(true).open(file)?;
    let mut archive = ZipWriter::new_append(opened)?;
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, text) in encoder.metadata().map_err(io::Error::other)? {
        archive.start_file(format!("{ROOT}/extra/{name}"), options)?;
        archive.write_all(text.as_bytes())?;
    }
    archive.finish()?;
    Ok(())
}
