//! BLAKE3 digests in hexadecimal.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::{Error, Result};

/// The digest of a file.
///
/// # Errors
/// If the file cannot be read.
pub fn file(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    mflag_input::open(path)
        .and_then(|f| hasher.update_reader(f).map(|_| ()))
        .map_err(|e| Error::io("read", path, e))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// The digest of a file of weights. For the index of a model that is divided among several files
/// (`*.index.json`), the digest of the index and of the files that it names.
///
/// # Errors
/// If a file cannot be read.
pub fn weights(path: &Path) -> Result<String> {
    let whole = file(path)?;
    if !path.to_string_lossy().ends_with(".index.json") {
        return Ok(whole);
    }
    let text =
        mflag_input::read(path, &mflag_input::JSON).map_err(|e| Error::io("read", path, e))?;
    let index: Value = serde_json::from_slice(&text).unwrap_or_default();
    let parts = index["weight_map"].as_object().into_iter().flatten();
    let names: BTreeSet<&str> = parts.filter_map(|(_, name)| name.as_str()).collect();
    let mut digests = whole;
    for name in names {
        digests += &file(&path.with_file_name(name))?;
    }
    Ok(bytes(digests.as_bytes()))
}

/// The digest of `bytes`.
pub fn bytes(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_counts_with_the_files_that_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let whole = write("model.safetensors", "a");
        assert_eq!(weights(&whole).unwrap(), bytes(b"a"));
        write("1.safetensors", "a");
        let map = r#"{"weight_map": {"x": "1.safetensors", "y": "1.safetensors"}}"#;
        let index = write("model.safetensors.index.json", map);
        let first = weights(&index).unwrap();
        write("1.safetensors", "b");
        assert_ne!(weights(&index).unwrap(), first);
        std::fs::remove_file(folder.path().join("1.safetensors")).unwrap();
        let message = weights(&index).unwrap_err().to_string();
        assert!(message.contains("1.safetensors"), "{message}");
    }
}
