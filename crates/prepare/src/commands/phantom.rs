//! `mflag-data phantom`: writes synthetic films.

use std::path::PathBuf;

use anyhow::Result;
use mflag_core::Named;
use mflag_core::output::Output;
use mflag_core::table::Table;

#[derive(Debug, clap::Args)]
pub(crate) struct PhantomArgs {
    /// Data set whose layout to write
    #[arg(long = "as", value_name = "LAYOUT", default_value_t = mflag_phantom::DEFAULT_LAYOUT)]
    #[arg(value_parser = mflag_cli::named::<&'static dyn mflag_phantom::Layout>())]
    layout: &'static dyn mflag_phantom::Layout,
    /// Folder to write into
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Number of frontal films
    #[arg(long, default_value_t = mflag_phantom::Options::new(mflag_phantom::DEFAULT_LAYOUT).films)]
    films: usize,
    /// Seed; the same seed gives the same bytes
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Longest side of a film in pixels [default: 512 (mimic, manifest), 390 (chexpert), 1024
    /// (others); nih, rsna and siim allow only 1024]
    #[arg(long)]
    side: Option<u32>,
    /// Fraction of the patients for validation (mimic, manifest, and object-cxr's dev) [default:
    /// 0.1]
    #[arg(long)]
    validate: Option<f64>,
    /// Fraction of the patients for test (all layouts except rsna and siim; in chexpert, these are
    /// the films of valid.csv) [default: 0.1]
    #[arg(long)]
    test: Option<f64>,
}

impl PhantomArgs {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let defaults = mflag_phantom::Options::new(self.layout);
        let options = mflag_phantom::Options {
            films: self.films,
            seed: self.seed,
            side: self.side.unwrap_or(defaults.side),
            validate: self.validate.unwrap_or(defaults.validate),
            test: self.test.unwrap_or(defaults.test),
            ..defaults
        };
        let summary = mflag_phantom::write(&self.out, &options)?;
        let mut table = Table::new(&["phantom", "films"]);
        let mut row = |name: &str, films: usize| {
            table.row([name.to_owned(), films.to_string()]);
        };
        for split in self.layout.splits() {
            row(split.name(), summary.splits[*split as usize]);
        }
        for (kind, films) in &summary.kinds {
            row(&format!("with {}", kind.name()), *films);
        }
        if summary.objects > 0 {
            row("with foreign objects", summary.objects);
        }
        row("without finding", summary.normal);
        let text = format!(
            "{table}{} patients, {} lateral films: {}\n",
            summary.patients,
            summary.laterals,
            self.out.display()
        );
        out.say("phantom", &summary, text);
        Ok(())
    }
}
