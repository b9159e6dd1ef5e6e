//! BLAKE3 digests in hexadecimal.

use std::path::Path;

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

/// The digest of `bytes`.
pub fn bytes(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
