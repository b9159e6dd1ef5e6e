//! `schema`: prints the JSON schema of the configuration.

use std::process::ExitCode;

use anyhow::Result;
use mflag_head::{Head, HeadConfig};

pub(crate) fn run<H: Head>() -> Result<ExitCode> {
    let schema = mflag_core::config::schema::<HeadConfig<H::Settings>>();
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(ExitCode::SUCCESS)
}
