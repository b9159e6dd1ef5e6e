//! An encoder as TorchScript.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tch::{CModule, Device, Kind, Tensor};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::film::FilmEncoder;
use crate::{Error, Result, atomic};

/// Folder of the archive, whatever the file is called: the same encoder gives the same bytes.
const ROOT: &str = "encoder";

/// Writes an encoder as TorchScript for `torch.jit.load` and libtorch, on the CPU: `forward` takes grey values from 0 to 255 as f32
/// `[N, 1, S, S]` and gives f32 `[N, width]`. [`FilmEncoder::metadata`] lies in it as extra files
/// (`torch.jit.load(path, _extra_files={"preprocess": ""})`).
///
/// # Errors
/// [`Error::Io`] if the file cannot be written; libtorch's own.
pub fn write_torchscript(path: &Path, encoder: &FilmEncoder) -> Result<()> {
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
    atomic::write(path, |file| file.write_all(&bytes))
}

/// The encoder's operations on one batch, recorded; no shape is part of the record.
fn trace(encoder: &FilmEncoder) -> Result<CModule> {
    let _no_gradients = tch::no_grad_guard();
    let side = i64::from(encoder.preprocess().side);
    let films = Tensor::f_zeros([2, 1, side, side], (Kind::Float, Device::Cpu))?;
    // Errors within have no way out but this.
    let mut failure = None;
    let mut forward = |inputs: &[Tensor]| match encoder.forward(&inputs[0]) {
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

/// Adds what libtorch calls extra files; tch has no way to hand them to it.
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
