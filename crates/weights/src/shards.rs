//! Weights that are divided among several files, as Hugging Face's libraries write large models: an
//! index, `model.safetensors.index.json` or `pytorch_model.bin.index.json`, names the file of each
//! tensor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Tensors, read};
use crate::{Error, IoError, Result};

/// The ending of the name of an index.
const INDEX: &str = ".index.json";

/// Whether a file is an index by its name.
pub(super) fn is_index(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.ends_with(INDEX))
}

/// The files that an index names, in the index's folder, without repetition.
///
/// # Errors
/// [`Error::Io`] if the index cannot be read. [`Error::File`] if it is no index, or names a file
/// outside of its folder.
pub fn shards(index: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let index = index.as_ref();
    let files: BTreeSet<PathBuf> = weight_map(index)?.into_values().collect();
    Ok(files.into_iter().collect())
}

/// Reads the tensors of all files of an index.
pub(super) fn read_all(index: &Path) -> Result<Tensors> {
    let mut by_file: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for (name, file) in weight_map(index)? {
        by_file.entry(file).or_default().push(name);
    }
    let mut tensors = Tensors::new();
    for (file, names) in by_file {
        let mut shard = read(&file)?;
        for name in names {
            let tensor = shard.remove(&name).ok_or_else(|| {
                let index = index.display();
                let reason = format!(
                    "lacks the tensor `{name}` that {index} looks for here; download both again"
                );
                Error::file(&file, reason)
            })?;
            tensors.insert(name, tensor);
        }
    }
    Ok(tensors)
}

/// The file of each tensor.
fn weight_map(index: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let bytes =
        mflag_input::read(index, &mflag_input::JSON).map_err(|e| IoError::new("read", index, e))?;
    let refuse = |reason: String| Error::file(index, reason);
    let json: Value =
        serde_json::from_slice(&bytes).map_err(|e| refuse(format!("is not JSON: {e}")))?;
    let map = json["weight_map"].as_object().filter(|map| !map.is_empty());
    let map = map.ok_or_else(|| {
        refuse("has no `weight_map`, so it is not the index of a divided model".to_owned())
    })?;
    let folder = index.parent().unwrap_or(Path::new(""));
    let file = |(name, file): (&String, &Value)| {
        let file_name = file.as_str().filter(|file| {
            let mut parts = Path::new(file).components();
            matches!(parts.next(), Some(std::path::Component::Normal(_))) && parts.next().is_none()
        });
        match file_name {
            Some(file) if !file.ends_with(INDEX) => Ok((name.clone(), folder.join(file))),
            _ => Err(refuse(format!(
                "`weight_map` says {file} for the tensor `{name}`; it must be the name of a weight \
                 file in the same folder"
            ))),
        }
    };
    map.iter().map(file).collect()
}
