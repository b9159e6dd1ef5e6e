//! Errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

use crate::shortened;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of this crate. Each message names the file, the problem and the fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {}", shortened(path.display().to_string()), explain(source))]
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
    /// A run folder, or a file in it, cannot be used.
    #[error("{}: {reason}", path.display())]
    Run {
        /// The folder or file.
        path: PathBuf,
        /// The problem and the fix.
        reason: String,
    },
    /// A value cannot be written as JSON or YAML, or the system refused a service.
    #[error("{0}")]
    Internal(String),
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

/// A message about a configuration has about this many bytes: a damaged file can have thousands of
/// problems.
const MOST: usize = 8 << 10;

/// One line per problem, up to [`MOST`] bytes. The others are counted.
fn list(problems: &[String]) -> String {
    let mut text = String::new();
    for (index, problem) in problems.iter().enumerate() {
        if text.len() > MOST {
            let others = problems.len() - index;
            return format!("{text}\n  - and {others} more; mend these, and run again");
        }
        let line_break = if index == 0 { "" } else { "\n" };
        text += &format!("{line_break}  - {}", shortened(problem.clone()));
    }
    text
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_about_a_configuration_is_bounded() {
        let few = Error::Config {
            problems: vec!["a".to_owned(), "b".to_owned()],
        };
        let expected = "the configuration has errors:\n  - a\n  - b";
        assert_eq!(few.to_string(), expected);
        let long = Error::config("x".repeat(1 << 20)).to_string();
        assert!(long.len() < 2000, "{}", long.len());
        // A configuration can name a path of any length.
        let path = Error::io(
            "read",
            "x".repeat(1 << 20),
            io::Error::other("no such file"),
        );
        assert!(path.to_string().len() < 2000);
        let many = Error::Config {
            problems: vec!["unknown key".to_owned(); 10_000],
        };
        let text = many.to_string();
        assert!(text.len() < 10_000, "{}", text.len());
        assert!(
            text.ends_with("9487 more; mend these, and run again"),
            "{text}"
        );
    }
}
