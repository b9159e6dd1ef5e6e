//! What can go wrong here.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of this crate; each message names the file, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}{}", path.display(), fix(source))]
    Io {
        /// What was tried: "read", "write", "create".
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file is there but cannot be used: damaged, of another kind, or not safe to read.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or model folder.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// Weights do not fit the model they were to go into.
    #[error("{}: its weights do not fit the model: {reason}", path.display())]
    Mismatch {
        /// The weight file.
        path: PathBuf,
        /// Which names or shapes disagree.
        reason: String,
    },
    /// An input that the model cannot take, such as a batch of the wrong shape.
    #[error("{0}")]
    Input(String),
    /// From the film crate.
    #[error(transparent)]
    Film(#[from] mflag_film::Error),
    /// From libtorch.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

/// What to do about the usual causes.
fn fix(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; free some space and run the same command again"
        }
        ErrorKind::NotFound => "; check the path",
        _ => "",
    }
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Error {
        Error::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn file(path: &Path, reason: impl Into<String>) -> Error {
        Error::File {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
