//! What can go wrong with data.

use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of this crate; each message names the file, the place in it, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A table, report, store or folder is there but cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it (row, column, value), and what to do.
        reason: String,
    },
    /// The data do not allow what was asked.
    #[error("{0}")]
    Data(String),
    /// A file or folder could not be read or written, or a configuration is wrong.
    #[error(transparent)]
    Core(#[from] mflag_core::Error),
    /// A film could not be decoded.
    #[error(transparent)]
    Film(#[from] mflag_film::Error),
}

impl Error {
    /// A failed file operation.
    pub fn io(action: &'static str, path: &Path, source: std::io::Error) -> Error {
        Error::Core(mflag_core::Error::io(action, path, source))
    }

    /// A file or folder that cannot be used, and why.
    pub fn file(path: &Path, reason: impl Into<String>) -> Error {
        Error::File {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
