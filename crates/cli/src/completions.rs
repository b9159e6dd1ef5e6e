//! Subcommands that print shell completions and write man pages.

use std::io::Write;
use std::path::PathBuf;

use mflag_core::{Error, Result};

/// The subcommands of every program that describe its command line.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Completions {
    /// Print shell completions
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// Write man pages, one per command
    Man {
        /// Folder for the man pages
        #[arg(short, long, value_name = "DIR")]
        out: PathBuf,
    },
}

impl Completions {
    /// Runs the subcommand for the program whose command line is `command`.
    ///
    /// # Errors
    /// If the folder or standard output cannot be written.
    pub fn run(&self, mut command: clap::Command) -> Result<()> {
        match self {
            Completions::Completions { shell } => {
                let name = command.get_name().to_owned();
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut command, name, &mut script);
                let written = std::io::stdout().write_all(&script);
                written.map_err(|e| Error::io("write", "standard output", e))
            }
            Completions::Man { out } => {
                std::fs::create_dir_all(out).map_err(|e| Error::io("create", out, e))?;
                clap_mangen::generate_to(command, out).map_err(|e| Error::io("write", out, e))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    /// A test program
    #[derive(Debug, Parser)]
    #[command(name = "mflag-some", version = "1")]
    struct Cli {
        #[command(subcommand)]
        completions: Completions,
    }

    #[test]
    fn man_pages_are_written_one_per_command() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("man");
        let cli = Cli::parse_from(["mflag-some", "man", "--out", out.to_str().unwrap()]);
        cli.completions.run(Cli::command()).unwrap();
        let page = std::fs::read_to_string(out.join("mflag-some.1")).unwrap();
        assert!(page.contains("A test program"), "{page}");
        assert!(out.join("mflag-some-completions.1").exists());
    }

    #[test]
    fn a_folder_that_cannot_be_created_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let out = file.path().join("man");
        let error = Completions::Man { out }.run(Cli::command()).unwrap_err();
        assert!(error.to_string().contains("man"), "{error}");
    }
}
