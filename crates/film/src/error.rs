//! What can go wrong with a film.

use std::path::PathBuf;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of this crate; each message names the file, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The film cannot be decoded, or is beyond the limits.
    #[error("{}: {reason}", path.display())]
    Film {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
