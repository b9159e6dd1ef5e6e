//! What can go wrong in a head.

use std::path::{Path, PathBuf};

/// Result of this crate and of the heads.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of the heads; each message names what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The data cannot be trained on or judged by.
    #[error("{0}")]
    Data(String),
    /// From the core crate.
    #[error(transparent)]
    Core(#[from] mflag_core::Error),
    /// From the data crate.
    #[error(transparent)]
    Films(#[from] mflag_store::Error),
    /// From the encoder crate.
    #[error(transparent)]
    Encoder(#[from] mflag_encoder::Error),
    /// From the weights crate.
    #[error(transparent)]
    Weights(#[from] mflag_weights::Error),
    /// From the metrics.
    #[error(transparent)]
    Metrics(#[from] mflag_metrics::Error),
    /// From the training loop.
    #[error(transparent)]
    Train(#[from] mflag_train::Error),
    /// From libtorch.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl Error {
    /// A file that cannot be used, for a reason.
    pub fn file(path: &Path, reason: impl Into<String>) -> Error {
        Error::File {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
