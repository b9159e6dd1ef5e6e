//! What can go wrong in pre-training.

use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of pre-training; each message names what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part of the text cache cannot be used.
    #[error("{}: this part of the text cache is damaged ({reason}); remove its folder and the texts are encoded again", path.display())]
    TextCache {
        /// The part.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The data cannot be trained on.
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
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Error {
        Error::Core(mflag_core::Error::io(action, path, source))
    }
}
