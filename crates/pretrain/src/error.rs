//! Errors of pre-training.

use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of pre-training. Each message names the problem and the fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part of the text cache is damaged.
    #[error(
        "{}: this part of the text cache is damaged ({reason}); remove its folder, and the texts are \
         encoded again",
        path.display()
    )]
    TextCache {
        /// The file of the part.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The data cannot be trained on.
    #[error("{0}")]
    Data(String),
    /// An error of the core crate.
    #[error(transparent)]
    Core(#[from] mflag_core::Error),
    /// An error of the store crate.
    #[error(transparent)]
    Films(#[from] mflag_store::Error),
    /// An error of the encoder crate.
    #[error(transparent)]
    Encoder(#[from] mflag_encoder::Error),
    /// An error of the weights crate.
    #[error(transparent)]
    Weights(#[from] mflag_weights::Error),
    /// An error of the metrics crate.
    #[error(transparent)]
    Metrics(#[from] mflag_metrics::Error),
    /// An error of the train crate.
    #[error(transparent)]
    Train(#[from] mflag_train::Error),
    /// An error of libtorch.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Error {
        Error::Core(mflag_core::Error::io(action, path, source))
    }
}
