#![doc = include_str!("../README.md")]

mod archive;
pub mod atomic;
mod error;
mod family;
mod legacy;
mod load;
mod names;
mod pickle;
mod safetensors;
mod shards;
mod state_dict;

use std::collections::BTreeMap;
use std::path::Path;

use mflag_input::Mmap;
use tch::{Kind, Tensor, nn};

pub use error::{Error, IoError, Result};
pub use load::{Allow, LoadReport, load_into};
pub use safetensors::{tensor_bytes, write_safetensors};
pub use shards::shards;
pub use tch;

/// The tensors of a weight file by name, on the CPU.
///
/// Tensors of a PyTorch file that shared memory when they were saved (tied weights) share memory
/// here, too.
pub type Tensors = BTreeMap<String, Tensor>;

/// The result of parsing a file's content. [`read`] adds the file's name to the reason.
type Parsed<T> = std::result::Result<T, String>;

/// Reads the tensors of a weight file: safetensors, or a file of `torch.save` in the zip form
/// (PyTorch 1.6 and later) or the legacy form. The content decides which, not the name.
///
/// If the file is a checkpoint that wraps its weights (`{"state_dict": …, "epoch": 3}`,
/// `{"model": …}`), only the weights are returned. Nested dictionaries give dotted names. Nothing
/// in the file is executed: objects of unknown classes are skipped.
///
/// A file whose name ends with `.index.json` is the index of a model that is divided among several
/// files: the tensors of all of them are returned. See [`shards`].
///
/// # Errors
/// [`Error::Io`] if the file cannot be opened. [`Error::File`] if it is damaged, has another
/// format, or holds no named tensors.
pub fn read(path: impl AsRef<Path>) -> Result<Tensors> {
    let path = path.as_ref();
    if shards::is_index(path) {
        return shards::read_all(path);
    }
    let map = map(path)?;
    let parsed = mflag_input::catch_panic(|| parse(&map));
    parsed
        .unwrap_or_else(|panicked| Err(format!("is damaged: {panicked}")))
        .map_err(|reason| Error::file(path, reason))
}

/// Reads the metadata in the header of a safetensors file.
///
/// # Errors
/// [`Error::Io`] if the file cannot be opened. [`Error::File`] if it is not a complete safetensors
/// file.
pub fn metadata(path: impl AsRef<Path>) -> Result<BTreeMap<String, String>> {
    let path = path.as_ref();
    safetensors::metadata(&map(path)?).map_err(|reason| Error::file(path, reason))
}

/// Checks that a weight file, or all files of an index, can hold `parameters` values, before memory
/// for them is allocated: the number may come from a damaged configuration. Each value takes at
/// least a byte. `model` names the model in the error.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read. [`Error::Mismatch`] if it has fewer bytes.
pub fn check_size(path: impl AsRef<Path>, parameters: u64, model: &str) -> Result<()> {
    let path = path.as_ref();
    let files = if shards::is_index(path) {
        shards::shards(path)?
    } else {
        vec![path.to_owned()]
    };
    let mut bytes = 0;
    for file in &files {
        let meta = std::fs::metadata(file).map_err(|e| IoError::new("read", file, e))?;
        bytes += meta.len();
    }
    if bytes >= parameters {
        return Ok(());
    }
    Err(Error::Mismatch {
        path: path.to_owned(),
        reason: format!(
            "the file has {bytes} bytes, too few for the {parameters} parameters of {model}; it is \
             cut short, or belongs to another model"
        ),
    })
}

/// Checks that all values of a tensor that was read from the file `path` are finite. A network with
/// other values computes NaN for every film.
///
/// # Errors
/// [`Error::File`] with the tensor's name if a value is NaN or infinite. [`Error::Torch`] if memory
/// does not suffice.
pub fn check_finite(path: &Path, name: &str, tensor: &Tensor) -> Result<()> {
    let finite = tensor.f_isfinite()?;
    if finite.f_all()?.f_int64_value(&[])? != 0 {
        return Ok(());
    }
    let bad = finite.f_logical_not()?.f_sum(Kind::Int64)?;
    let reason = format!(
        "{} of the {} values of the tensor `{name}` are NaN or infinite: the training diverged, or \
         the file is damaged; use another checkpoint",
        bad.f_int64_value(&[])?,
        tensor.numel()
    );
    Err(Error::file(path, reason))
}

/// Keeps the variables whose names begin with `prefix`, and removes the prefix from their names.
pub fn strip_prefix(
    prefix: &str,
    variables: impl IntoIterator<Item = (String, Tensor)>,
) -> Vec<(String, Tensor)> {
    variables
        .into_iter()
        .filter_map(|(name, variable)| Some((name.strip_prefix(prefix)?.to_owned(), variable)))
        .collect()
}

/// All variables of a store, sorted by name.
pub fn sorted_variables(store: &nn::VarStore) -> Vec<(String, Tensor)> {
    let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    variables
}

fn map(path: &Path) -> Result<Mmap> {
    // Weight files have gigabytes; a map avoids a second copy of them in memory.
    let map = mflag_input::map(path).map_err(|e| IoError::new("read", path, e))?;
    if map.is_empty() {
        return Err(Error::file(path, "is empty; download or write it again"));
    }
    Ok(map)
}

fn parse(bytes: &[u8]) -> Parsed<Tensors> {
    if bytes.get(8) == Some(&b'{') {
        safetensors::read(bytes)
    } else if bytes.starts_with(b"PK\x03\x04") {
        archive::read(bytes)
    } else if bytes.starts_with(&[pickle::opcode::PROTO]) {
        legacy::read(bytes)
    } else {
        Err(unknown_format(bytes).to_owned())
    }
}

/// The error for a file of another format: its kind, and how to get the weights.
fn unknown_format(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(b"version https://git-lfs") {
        "is a Git LFS pointer, not the weights; run `git lfs pull`"
    } else if bytes.starts_with(b"\x89HDF") {
        "is an HDF5 file (Keras, TensorFlow); convert it to safetensors or to a PyTorch state_dict"
    } else if bytes.starts_with(b"<") {
        "is a web page, not a weight file: the download failed; download it again"
    } else {
        "is neither a safetensors file nor a PyTorch file (zip or legacy), or its start is damaged"
    }
}

/// Makes a CPU tensor from little-endian bytes, exactly as many as `size` and `kind` need.
fn tensor_from_bytes(bytes: &[u8], size: &[i64], kind: Kind) -> Parsed<Tensor> {
    let needed = size
        .iter()
        .try_fold(kind.elt_size_in_bytes() as i64, |n, &d| n.checked_mul(d));
    if needed != i64::try_from(bytes.len()).ok() {
        return Err(format!(
            "is damaged: a tensor of {kind:?} {size:?} has {} bytes",
            bytes.len()
        ));
    }
    let tensor = match kind {
        // In memory a bool must be 0 or 1. Bytes of a file may have other values.
        Kind::Bool => Tensor::f_from_data_size(bytes, size, Kind::Uint8)
            .and_then(|bytes| bytes.f_to_kind(Kind::Bool)),
        kind => Tensor::f_from_data_size(bytes, size, kind),
    };
    tensor.map_err(|e| format!("libtorch cannot make a tensor of {kind:?} {size:?}: {e}"))
}
