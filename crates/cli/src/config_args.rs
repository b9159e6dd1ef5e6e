//! The flags that select a configuration and a run.

use std::path::{Path, PathBuf};

use mflag_core::Result;
use mflag_core::config::{self, Config, Loaded};

/// The flags that select a configuration.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file (YAML) [default: none; every key has its default value]
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Override one value, as often as needed: --set train.epochs=5
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

impl ConfigArgs {
    /// Loads and checks the configuration.
    ///
    /// # Errors
    /// As [`config::load`].
    pub fn load<T: Config>(&self) -> Result<Loaded<T>> {
        config::load(self.config.as_deref().map(Path::new), &self.sets)
    }
}

/// The flags of `train`.
#[derive(Debug, Clone, clap::Args)]
pub struct TrainArgs {
    /// The configuration of a new run.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Folder of the run: configuration, metrics, checkpoints, trained model, report
    #[arg(short, long, value_name = "DIR")]
    pub run: PathBuf,
    /// Resume the run in the folder, with the configuration stored there. --set may change its
    /// length (train.epochs, train.patience), the places of its inputs (data.store) and the machine
    /// (train.device)
    #[arg(long, conflicts_with = "config")]
    pub resume: bool,
    /// Check that the run can begin (configuration, inputs, labels of each split), and stop before it
    /// does
    #[arg(long, conflicts_with = "resume")]
    pub dry_run: bool,
}
