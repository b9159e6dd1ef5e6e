//! `mflag-data inspect`: counts what a store holds, and draws a contact sheet.

use std::path::PathBuf;

use anyhow::Result;
use mflag_core::output::Output;
use mflag_prepare::inspect::{Sheet, contact_sheet, summary};
use mflag_store::Store;

#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// Folder of the store
    #[arg(short, long, value_name = "DIR")]
    store: PathBuf,
    /// Draw films of each label, and some without a label, into this PNG file; films with masks or
    /// boxes come first
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Largest number of films on the sheet
    #[arg(
        long,
        default_value_t = 40,
        value_name = "NUMBER",
        requires = "sheet",
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    films: u16,
    /// Draw only films that are positive for this label
    #[arg(long, value_name = "NAME", requires = "sheet")]
    label: Option<String>,
}

impl InspectArgs {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let store = Store::open(&self.store)?;
        store.verify()?;
        let summary = summary(&store);
        let text = format!("{summary}\nthe shards are unchanged: their digests match\n");
        out.say("store", &summary, text);
        if let Some(path) = &self.sheet {
            let sheet = Sheet {
                films: self.films.into(),
                label: self.label.clone(),
            };
            let films = contact_sheet(&store, &sheet, path)?;
            let text = format!("contact sheet of {films} films: {}\n", path.display());
            out.say("sheet", path, text);
        }
        Ok(())
    }
}
