//! Errors of this crate.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of this crate. Each message names the file, what is wrong, and how to fix it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system could not read or write a file.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The file is damaged, has another format, or does not hold the expected content.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and how to fix it.
        reason: String,
    },
    /// The weights do not fit the model.
    #[error("{}: its weights do not fit the model: {reason}", path.display())]
    Mismatch {
        /// The weight file.
        path: PathBuf,
        /// Which names or shapes differ.
        reason: String,
    },
    /// The caller passed an unusable argument, such as two tensors with the same name.
    #[error("{0}")]
    Input(String),
    /// libtorch failed, for example for lack of memory.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl Error {
    /// An [`Error::File`].
    pub fn file(path: &Path, reason: impl Into<String>) -> Error {
        Error::File {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

/// An error of the operating system, with the path that it concerns.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}{}", path.display(), advice(source))]
pub struct IoError {
    /// What failed: "read", "write" or "create".
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The operating system's error.
    pub source: io::Error,
}

impl IoError {
    /// An error of `action` on `path`.
    pub fn new(action: &'static str, path: &Path, source: io::Error) -> IoError {
        IoError {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// What to do about the most common causes.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; free some space and run the same command again"
        }
        ErrorKind::NotFound => "; check the path",
        _ => "",
    }
}
