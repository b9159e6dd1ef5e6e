//! Weight files in and out: safetensors and the three layers of PyTorch's own format, read without running anything in them.
//!
//! [`read`] tells the format by content. [`load_into`] puts a file's weights into a live model: it finds the prefix that wrappers
//! such as `DataParallel` added, knows the old BERT names, and changes nothing unless all fits. [`write_safetensors`] writes.

mod archive;
mod family;
mod legacy;
mod load;
mod names;
mod pickle;
mod safe;
mod state;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use memmap2::Mmap;
use tch::{Kind, Tensor};

pub use load::{Allow, Report, load_into};
pub(crate) use safe::bytes_of;
pub use safe::write_safetensors;

use crate::{Error, Result};

/// Tensors of a weight file by name, on the CPU.
///
/// Those of a PyTorch file may be views that share memory, as they did when saved (tied weights).
pub type Tensors = BTreeMap<String, Tensor>;

/// Outcome of reading inside a file; the reason gets the file's name in [`read`].
type Parsed<T> = std::result::Result<T, String>;

/// Reads the tensors of a weight file: safetensors, or what `torch.save` writes, zip (PyTorch 1.6 and later) or legacy.
///
/// Of a checkpoint that wraps its weights (`{"state_dict": …, "epoch": 3}`, `{"model": …}`) the weights are taken; dictionaries
/// within them give dotted names. Nothing in the file is ever executed: objects of unknown classes are passed over.
///
/// # Errors
/// [`Error::Io`] if the file cannot be opened, [`Error::File`] if it is damaged, of another format, or holds no named tensors.
pub fn read(path: &Path) -> Result<Tensors> {
    parse(&map(path)?).map_err(|reason| Error::file(path, reason))
}

/// Names of an encoder's variables begin so in a larger model.
pub const ENCODER_PREFIX: &str = "encoder.";

/// Those of some variables whose names begin with `prefix`, such as [`ENCODER_PREFIX`], by the rest of their names.
pub fn below(
    prefix: &str,
    variables: impl IntoIterator<Item = (String, Tensor)>,
) -> Vec<(String, Tensor)> {
    let own = |(name, variable): (String, Tensor)| {
        Some((name.strip_prefix(prefix)?.to_owned(), variable))
    };
    variables.into_iter().filter_map(own).collect()
}

/// The metadata of a safetensors file.
///
/// # Errors
/// As [`read`].
pub fn metadata(path: &Path) -> Result<BTreeMap<String, String>> {
    safe::metadata(&map(path)?).map_err(|reason| Error::file(path, reason))
}

fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let length = file
        .metadata()
        .map_err(|e| Error::io("read", path, e))?
        .len();
    if length == 0 {
        return Err(Error::file(path, "is empty; fetch or write it again"));
    }
    #[allow(
        unsafe_code,
        reason = "weight files run to gigabytes; a map needs no second copy"
    )]
    // SAFETY: the map is read-only and short-lived; weight files are replaced by rename, not written in place.
    unsafe { Mmap::map(&file) }.map_err(|e| Error::io("read", path, e))
}

fn parse(bytes: &[u8]) -> Parsed<Tensors> {
    if bytes.get(8) == Some(&b'{') {
        safe::read(bytes)
    } else if bytes.starts_with(b"PK\x03\x04") {
        archive::read(bytes)
    } else if bytes.starts_with(&[0x80]) {
        legacy::read(bytes)
    } else {
        Err(foreign(bytes).to_owned())
    }
}

/// What a file is that is none of the formats read here, and what to do.
fn foreign(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(b"version https://git-lfs") {
        "is a Git LFS pointer, not the weights themselves; fetch them by `git lfs pull`"
    } else if bytes.starts_with(b"\x89HDF") {
        "is HDF5 (Keras, TensorFlow); convert it to safetensors or to a PyTorch state_dict first"
    } else if bytes.starts_with(b"<") {
        "is a web page, not weights: the download failed; fetch it again"
    } else {
        "is neither safetensors nor a PyTorch file (zip or legacy); is it another file, or damaged at its beginning?"
    }
}

/// A CPU tensor of its little-endian bytes, which must be exactly as many as `size` and `kind` need.
fn from_bytes(bytes: &[u8], size: &[i64], kind: Kind) -> Parsed<Tensor> {
    let needed = size
        .iter()
        .try_fold(kind.elt_size_in_bytes() as i64, |n, &d| n.checked_mul(d));
    if needed != i64::try_from(bytes.len()).ok() {
        let found = bytes.len();
        return Err(format!(
            "damaged: a tensor of {kind:?} {size:?} has {found} bytes"
        ));
    }
    let tensor = match kind {
        // A bool must be 0 or 1 in memory; the file may say otherwise.
        Kind::Bool => Tensor::f_from_data_size(bytes, size, Kind::Uint8)
            .and_then(|bytes| bytes.f_to_kind(Kind::Bool)),
        kind => Tensor::f_from_data_size(bytes, size, kind),
    };
    tensor.map_err(|e| format!("a tensor of {kind:?} {size:?} cannot be made: {e}"))
}
