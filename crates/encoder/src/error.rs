//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

pub use mflag_weights::IoError;

use crate::batcher::Closed;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of this crate. Each message names the file, what is wrong, and how to fix it.
///
/// A service can choose the HTTP status by the variant:
///
/// | variant | cause | status |
/// | --- | --- | --- |
/// | [`Error::Film`] | the upload is not a readable film: a fault of the client | 422 |
/// | [`Error::Closed`] | the encoder's thread has ended | 503 |
/// | [`Error::Io`], [`Error::Model`] | a file on the server: a fault of its operator | 500 |
/// | [`Error::Input`] | an argument that does not fit: a fault of the program | 500 |
/// | [`Error::BatchNorm`] | in training only | |
/// | [`Error::Torch`], [`Error::Thread`] | the machine, usually too little memory | 500 |
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system could not read or write a file.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A file or folder of a model is damaged, has another format, or does not fit the model.
    #[error(transparent)]
    Model(mflag_weights::Error),
    /// The content of a film cannot be used: it is damaged, of a kind that is not read, or exceeds
    /// the limits.
    #[error("{}{reason}", subject(path.as_deref()))]
    Film {
        /// The file, unless the film was decoded from memory.
        path: Option<PathBuf>,
        /// What is wrong with the film.
        reason: String,
    },
    /// The caller passed an argument that does not fit, such as a batch of the wrong shape.
    #[error("{0}")]
    Input(String),
    /// libtorch failed, for example for lack of memory.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// A [`BatchNorm`](crate::BatchNorm) over several processes failed.
    #[error(transparent)]
    BatchNorm(Box<dyn std::error::Error + Send + Sync>),
    /// The operating system could not start the thread of a [`SharedEncoder`].
    ///
    /// [`SharedEncoder`]: crate::SharedEncoder
    #[error("cannot start the encoder's thread: {0}")]
    Thread(io::Error),
    /// The thread of a [`SharedEncoder`] has ended.
    ///
    /// [`SharedEncoder`]: crate::SharedEncoder
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// The beginning of a message about a film.
fn subject(path: Option<&Path>) -> String {
    path.map_or_else(
        || "the film ".to_owned(),
        |path| format!("{}: ", path.display()),
    )
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        Error::Io(IoError::new(action, path, source))
    }

    pub(crate) fn model(path: &Path, reason: impl Into<String>) -> Error {
        Error::Model(mflag_weights::Error::file(path, reason))
    }
}

impl From<mflag_weights::Error> for Error {
    fn from(error: mflag_weights::Error) -> Error {
        match error {
            mflag_weights::Error::Io(error) => Error::Io(error),
            mflag_weights::Error::Input(problem) => Error::Input(problem),
            mflag_weights::Error::Torch(error) => Error::Torch(error),
            error => Error::Model(error),
        }
    }
}

impl From<mflag_film::Error> for Error {
    fn from(error: mflag_film::Error) -> Error {
        match error {
            mflag_film::Error::Io { path, source } => Error::io("read", &path, source),
            mflag_film::Error::Film { path, reason } => Error::Film {
                path: Some(path),
                reason,
            },
            other => Error::Input(other.to_string()),
        }
    }
}
