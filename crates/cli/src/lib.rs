//! What the command lines of all mflag programs share: flags, help, logging, exit codes,
//! completions.

mod common;
mod completions;
mod config_args;
mod device_args;
mod help;
mod named;
mod program;

pub use common::Common;
pub use completions::Completions;
pub use config_args::{ConfigArgs, TrainArgs};
pub use device_args::DeviceArgs;
pub use help::{after_help_of_service, parse, try_parse, with_examples};
pub use named::named;
pub use program::{OutputArgs, chain, run_main};
