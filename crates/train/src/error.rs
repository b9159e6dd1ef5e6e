//! What can go wrong in training.

use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Any error of a task; `?` makes it from every error type.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// Result of a task's own part of the work.
pub type TaskResult<T> = std::result::Result<T, TaskError>;

/// Errors of training; each message names what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chosen device or precision cannot be had.
    #[error("{0}")]
    Device(String),
    /// The configuration does not fit the task.
    #[error("{0}")]
    Config(String),
    /// A checkpoint cannot be read.
    #[error("checkpoint {}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint belongs to another model.
    #[error("checkpoint {} is of another architecture: {difference}", path.display())]
    Architecture {
        /// The file.
        path: PathBuf,
        /// Which variables differ, and how.
        difference: String,
    },
    /// The loss or the gradient became NaN or infinite.
    #[error(
        "the {what} is not finite at step {step} of epoch {epoch}; the {} samples of that step are listed in {}. The weights \
         were left as the step before made them, and the last checkpoint stands. A lower optimiser.lr, an \
         optimiser.clip_norm or precision fp32 may help",
        ids.len(),
        list.display()
    )]
    NonFinite {
        /// `loss` or `gradient`.
        what: &'static str,
        /// Optimiser step, from 1.
        step: u64,
        /// Epoch, from 1.
        epoch: usize,
        /// Samples that went into the step.
        ids: Vec<String>,
        /// File that holds the same list: names of samples may identify patients, so they stay out of the message.
        list: PathBuf,
    },
    /// From the core crate: files, configuration.
    #[error(transparent)]
    Core(#[from] mflag_core::Error),
    /// From the weights crate: checkpoint files.
    #[error(transparent)]
    Weights(#[from] mflag_weights::Error),
    /// The task itself failed.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// From libtorch, through the shim.
    #[error("libtorch: {0}")]
    Libtorch(String),
    /// From libtorch, through tch.
    #[error("libtorch: {0}")]
    Tch(#[from] tch::TchError),
}

impl Error {
    pub(crate) fn checkpoint(path: &Path, reason: impl Into<String>) -> Error {
        Error::Checkpoint {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
