//! The subcommands of `mflag-pretrain`, one per file.

pub(crate) mod encode_text;
pub(crate) mod export;
pub(crate) mod retrieve;
pub(crate) mod schema;
pub(crate) mod train;
pub(crate) mod zero_shot;

use std::path::PathBuf;

use mflag_cli::DeviceArgs;

/// A pre-trained model, and the films to apply it to.
#[derive(Debug, clap::Args)]
struct SourceArgs {
    /// Folder of a finished run
    #[arg(short, long, value_name = "DIR")]
    run: PathBuf,
    /// Prepared store
    #[arg(short, long, value_name = "DIR")]
    store: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
}
