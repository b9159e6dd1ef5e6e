//! The subcommands of `mflag-experiments`, a file each.

pub(crate) mod cell;
pub(crate) mod plan;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod table;

use std::path::PathBuf;

use clap::Args;
use mflag_core::config;
use mflag_experiments::config::Experiment;

/// Arguments that name an experiment.
#[derive(Debug, Args)]
pub(crate) struct ExperimentArgs {
    /// Experiment to read (YAML)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Override a value; may be repeated: --set seeds=[0]
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

impl ExperimentArgs {
    /// The arguments again, for the command line of another process.
    fn repeated(&self) -> Vec<String> {
        let sets = self
            .sets
            .iter()
            .flat_map(|set| ["--set".to_owned(), set.clone()]);
        std::iter::once(self.file.display().to_string())
            .chain(sets)
            .collect()
    }

    /// Reads and checks the experiment.
    pub(crate) fn load(&self) -> mflag_core::Result<Experiment> {
        Ok(config::load(Some(&self.file), &self.sets)?.config)
    }
}
