//! Errors of reports.

use std::path::PathBuf;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of this crate. Each message names the file and the fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A folder holds nothing that a report can show.
    #[error(
        "{}: holds no run (config.yaml or metrics.jsonl), no evaluation (evaluation.json) and no \
         experiment (results.csv); name a folder that holds one", path.display()
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
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    Core(#[from] mflag_core::Error),
}
