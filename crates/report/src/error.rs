//! What can go wrong here.

use std::path::PathBuf;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of this crate; each message names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder has nothing to report.
    #[error(
        "{}: is no run (config.yaml or metrics.jsonl), no evaluation (evaluation.json) and no experiment (results.csv); name such folders", path.display()
    )]
    Nothing {
        /// The folder.
        path: PathBuf,
    },
    /// A file of an experiment cannot be read.
    #[error("{}: {reason}; `mflag-experiments table` writes it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    Core(#[from] mflag_core::Error),
}
