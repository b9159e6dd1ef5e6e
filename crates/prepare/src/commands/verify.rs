//! `mflag-data verify`: checks that no patient and no film is in two splits.

use std::path::PathBuf;

use anyhow::Result;
use mflag_core::output::Output;
use mflag_prepare::verify::{Same, verify};
use mflag_store::Store;

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// Folders of stores
    #[arg(required = true, value_name = "DIR")]
    stores: Vec<PathBuf>,
    /// Compare the films' original files instead of their squares, for stores whose squares differ
    #[arg(long)]
    files: bool,
}

impl VerifyArgs {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let stores = self.stores.iter().map(|folder| Store::open(folder));
        let stores = stores.collect::<mflag_store::Result<Vec<Store>>>()?;
        let same = if self.files {
            Same::Files
        } else {
            Same::Pixels
        };
        let verified = verify(&stores.iter().collect::<Vec<_>>(), same)?;
        out.say("verified", verified, format!("{verified}\n"));
        Ok(())
    }
}
