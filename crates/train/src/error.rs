//! Errors of training.

use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Any error of a task. `?` converts every error type into it.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// Result of a task's methods.
pub type TaskResult<T> = std::result::Result<T, TaskError>;

/// Errors of training. Each message names the problem and the fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chosen device or precision is not available.
    #[error("{0}")]
    Device(String),
    /// The processes that were started together cannot find each other.
    #[error("{0}")]
    Launch(String),
    /// An operation of all ranks has failed.
    #[error("rank {rank} could not work with the other ranks: {reason}")]
    Collective {
        /// This process.
        rank: usize,
        /// What libtorch says.
        reason: String,
    },
    /// The configuration does not match the task.
    #[error("{0}")]
    Config(String),
    /// A checkpoint cannot be read.
    #[error("checkpoint {} {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint belongs to another model.
    #[error("checkpoint {} belongs to another architecture: {difference}", path.display())]
    Architecture {
        /// The file.
        path: PathBuf,
        /// Which variables differ, and how.
        difference: String,
    },
    /// The loss or the gradient became NaN or infinite.
    #[error(
        "the {what} is not finite at step {step} of epoch {epoch}; {} lists the {} samples of that \
         step. The step did not change the weights, and the last checkpoint is still valid. Lower \
         train.optimiser.lr, set train.optimiser.clip_norm, or use train.precision=fp32",
        list.display(),
        ids.len()
    )]
    NonFinite {
        /// `loss` or `gradient`.
        what: &'static str,
        /// Optimiser step, from 1.
        step: u64,
        /// Epoch, from 1.
        epoch: usize,
        /// The samples of the step.
        ids: Vec<String>,
        /// The file that lists them. The message does not, because names of samples may identify
        /// patients.
        list: PathBuf,
    },
    /// An error of the core crate: files, configuration.
    #[error(transparent)]
    Core(#[from] mflag_core::Error),
    /// An error of the weights crate: checkpoint files.
    #[error(transparent)]
    Weights(#[from] mflag_weights::Error),
    /// An error of the task.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// An error of libtorch, from the shim.
    #[error("libtorch: {0}")]
    Libtorch(String),
    /// An error of libtorch, from tch.
    #[error("libtorch: {0}")]
    Tch(#[from] tch::TchError),
}

/// Both results. If both are errors, one error with the messages of both, a line each, so that a
/// user learns at once of everything that is missing.
///
/// # Errors
/// If one of the results is an error.
pub fn all<A, B>(a: TaskResult<A>, b: TaskResult<B>) -> Result<(A, B)> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(a), Err(b)) => Err(Error::Task(format!("{a}\n{b}").into())),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(Error::Task(error)),
    }
}

impl Error {
    pub(crate) fn checkpoint(path: &Path, reason: impl Into<String>) -> Error {
        Error::Checkpoint {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
