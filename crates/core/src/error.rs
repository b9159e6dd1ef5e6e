//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of this crate. Each message names the file, the problem and the fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {}", path.display(), explain(source))]
    Io {
        /// The verb: "read", "write", "create".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A configuration file or override is wrong.
    #[error("the configuration has errors:\n{}", list(problems))]
    Config {
        /// All problems, each with its key and the fix.
        problems: Vec<String>,
    },
    /// The environment variables of a launcher of several processes are wrong.
    #[error(
        "the environment of {launcher} has errors:\n{}\nStart the program by {launcher}, or unset \
         these variables to train in one process",
        list(problems)
    )]
    Launch {
        /// The launcher's command.
        launcher: &'static str,
        /// All problems, each with its variable.
        problems: Vec<String>,
    },
    /// A run folder cannot be used.
    #[error("{}: {reason}", path.display())]
    Run {
        /// The folder.
        path: PathBuf,
        /// The problem and the fix.
        reason: String,
    },
}

impl Error {
    /// An [`Error::Io`].
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: io::Error) -> Error {
        Error::Io {
            action,
            path: path.as_ref().to_owned(),
            source,
        }
    }

    pub(crate) fn config(problem: impl Into<String>) -> Error {
        Error::Config {
            problems: vec![problem.into()],
        }
    }
}

/// One line per problem.
fn list(problems: &[String]) -> String {
    let lines: Vec<String> = problems.iter().map(|p| format!("  - {p}")).collect();
    lines.join("\n")
}

/// The message of the system, with a fix for the usual causes.
fn explain(error: &io::Error) -> String {
    let fix = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space and run the same command again"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "; choose a folder that you can write, or change its permissions"
        }
        io::ErrorKind::FileTooLarge => {
            "; raise the limit of file sizes (ulimit -f) and run the same command again"
        }
        io::ErrorKind::NotFound => "; check the path",
        _ => "",
    };
    format!("{error}{fix}")
}
