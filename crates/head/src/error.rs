//! The error type of the heads.

use std::path::{Path, PathBuf};

/// Result of this crate and of the heads.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of the heads. Each message names what is wrong and how to fix it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and how to fix it.
        reason: String,
    },
    /// The store or the features do not fit the head.
    #[error("{0}")]
    Data(String),
    /// From `mflag-core`.
    #[error(transparent)]
    Core(#[from] mflag_core::Error),
    /// From `mflag-store`.
    #[error(transparent)]
    Store(#[from] mflag_store::Error),
    /// From `mflag-encoder`.
    #[error(transparent)]
    Encoder(#[from] mflag_encoder::Error),
    /// From `mflag-weights`.
    #[error(transparent)]
    Weights(#[from] mflag_weights::Error),
    /// From `mflag-metrics`.
    #[error(transparent)]
    Metrics(#[from] mflag_metrics::Error),
    /// From `mflag-train`.
    #[error(transparent)]
    Train(#[from] mflag_train::Error),
    /// From libtorch.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl Error {
    /// An error about the file `path`.
    pub fn file(path: &Path, reason: impl Into<String>) -> Error {
        Error::File {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
