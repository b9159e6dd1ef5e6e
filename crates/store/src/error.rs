//! Errors of this crate.

use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with prepared data. Each message names the file, the place in it, what is
/// wrong and the fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A table, report, store or folder exists but cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong (row, column, value), and the fix.
        reason: String,
    },
    /// The request does not suit the data.
    #[error("{0}")]
    Data(String),
    /// A file or folder could not be read or written, or a configuration is invalid.
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

    /// A file or folder that cannot be used. A reason that shows a huge value is shortened.
    pub fn file(path: &Path, reason: impl Into<String>) -> Error {
        Error::File {
            path: path.to_owned(),
            reason: mflag_core::shortened(reason.into()),
        }
    }
}
