//! `mflag-pretrain schema`.

use anyhow::Result;
use mflag_core::config;
use mflag_pretrain::config::PretrainConfig;

pub(crate) fn run() -> Result<()> {
    let schema = config::schema::<PretrainConfig>();
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(())
}
