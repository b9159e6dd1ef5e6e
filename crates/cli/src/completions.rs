//! Shell completions and man pages of a program.

use std::io::Write;
use std::path::PathBuf;

use mflag_core::{Error, Result};

/// What every program can say of its own command line.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Completions {
    /// Print completions for a shell (bash: > ~/.local/share/bash-completion/completions/NAME-OF-THE-PROGRAM)
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Write man pages, one a command
    Man {
        /// Folder for them
        #[arg(short, long, value_name = "DIR")]
        out: PathBuf,
    },
}

impl Completions {
    /// Prints or writes what was asked for of `command`.
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

    /// A program of the tests
    #[derive(Debug, Parser)]
    #[command(name = "mflag-some", version = "1")]
    struct Cli {
        #[command(subcommand)]
        generate: Completions,
    }

    #[test]
    fn man_pages_are_written_one_a_command() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("man");
        let asked = Cli::parse_from(["mflag-some", "man", "--out", out.to_str().unwrap()]);
        asked.generate.run(Cli::command()).unwrap();
        let page = std::fs::read_to_string(out.join("mflag-some.1")).unwrap();
        assert!(page.contains("A program of the tests"), "{page}");
        assert!(out.join("mflag-some-completions.1").exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let out = file.path().join("man");
        let told = Completions::Man { out }.run(Cli::command()).unwrap_err();
        assert!(told.to_string().contains("man"), "{told}");
    }
}
