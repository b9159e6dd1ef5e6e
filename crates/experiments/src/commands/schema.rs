//! `schema`: the JSON schema of an experiment.

use std::process::ExitCode;

use anyhow::Result;
use mflag_core::config;
use mflag_experiments::config::Experiment;

/// Prints the schema.
pub(crate) fn run() -> Result<ExitCode> {
    let schema = config::schema::<Experiment>();
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(ExitCode::SUCCESS)
}
