//! `mflag-data prepare`: reads a data set and writes its store. Each data set is a subcommand with
//! the flags of its reader.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;
use mflag_core::output::Output;
use mflag_core::progress::clock;
use mflag_core::table::Table;
use mflag_datasets::readers::DataSet;
use mflag_film::{Depth, Fit, Squaring, Window};
use mflag_prepare::prepare::{Options, prepare};

#[derive(Debug, clap::Args)]
pub(crate) struct PrepareArgs {
    #[command(subcommand)]
    data_set: DataSet<StoreArgs>,
}

/// The flags of every data set.
#[derive(Debug, clap::Args)]
struct StoreArgs {
    /// Folder of the store
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Side of the squares in pixels
    #[arg(
        long,
        default_value_t = Options::default().squaring.side,
        value_parser = clap::value_parser!(u32).range(16..=4096)
    )]
    side: u32,
    /// How a film becomes a square
    #[arg(long, value_enum, default_value_t)]
    fit: FitFlag,
    /// Which values become black and white: `voi` (the window that a DICOM file names; without one,
    /// the full range), `full-range`, `max-scaled` (from 0 to the film's largest value) or
    /// `percentile:LOW,HIGH`
    #[arg(long, default_value_t)]
    window: Window,
    /// Bits per pixel, 8 or 16; 16 keeps the precision of films with more than 8 bits
    #[arg(long, default_value = "8", value_name = "BITS", value_parser = depth)]
    depth: Depth,
    /// Frame to read of DICOM files with several frames, from 1 [default: the first, with a
    /// warning]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    frame: Option<u32>,
    /// Refuse films whose DICOM file names another modality than radiography or another body part
    /// than the chest [default: warn]
    #[arg(long)]
    chest_only: bool,
}

/// The values of `--fit`.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum FitFlag {
    /// Add black bars beside the shorter side
    #[default]
    Pad,
    /// Cut off both ends of the longer side
    Crop,
    /// Squeeze the film, bilinearly without an area filter, as MGCA does for segmentation and
    /// detection
    Squeeze,
    /// As M-FLAG's authors: cut off black borders, stretch the greys from black to white, squeeze
    Official,
}

fn depth(text: &str) -> std::result::Result<Depth, String> {
    let bits: u8 = text.parse().map_err(|_| "give 8 or 16")?;
    Depth::try_from(bits)
}

impl StoreArgs {
    fn options(&self) -> Options {
        Options {
            squaring: Squaring {
                side: self.side,
                fit: match self.fit {
                    FitFlag::Pad => Fit::Pad,
                    FitFlag::Crop => Fit::Crop,
                    FitFlag::Squeeze => Fit::Squeeze,
                    FitFlag::Official => Fit::Official,
                },
                window: self.window,
                depth: self.depth,
                frame: self.frame,
            },
            chest_only: self.chest_only,
            ..Options::default()
        }
    }
}

impl PrepareArgs {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let begin = Instant::now();
        let folder = &self.data_set.added().out;
        let data = self.data_set.read()?;
        let store = prepare(&data, folder, &self.data_set.added().options())?;
        let (bad, warnings) = (store.meta().bad, &store.meta().warnings);

        let mut table = Table::new(&["films", "number"]);
        table.row(["kept".to_owned(), store.records().len().to_string()]);
        table.row(["could not be prepared".to_owned(), bad.to_string()]);
        for (reason, films) in data.left_out.iter().chain(&data.notes) {
            table.row([reason.clone(), films.to_string()]);
        }
        out.say("films", &table, &table);
        let time = clock(begin.elapsed().as_secs());
        let text = format!("{}; {time}: {}\n", store.squaring(), folder.display());
        out.say("store", folder, text);
        if bad > 0 {
            let list = folder.join("bad.csv");
            let text = format!("films that could not be prepared: {}\n", list.display());
            out.say("bad", &list, text);
        }
        if !warnings.is_empty() {
            let kept = store.records().len();
            let line = |(kind, films): (&String, &usize)| {
                format!("warning: {kind}: {films} of {kept} films\n")
            };
            let lines: String = warnings.iter().map(line).collect();
            let list = folder.join("warnings.csv");
            let text = format!("{lines}films with warnings: {}\n", list.display());
            out.say("warnings", warnings, text);
        }
        Ok(())
    }
}

/// The error message for the old form of the command, `prepare --dataset NAME`. `None` if the
/// command line does not have this form.
pub(crate) fn explain_old_form(words: impl Iterator<Item = String>) -> Option<String> {
    let mut words = words.skip_while(|word| word != "prepare");
    let flag = words.find(|word| word == "-d" || word.starts_with("--dataset"))?;
    let name = flag.split_once('=').map(|(_, name)| name.to_owned());
    let name = name
        .or_else(|| words.next())
        .unwrap_or_else(|| "NAME".to_owned());
    Some(format!(
        "'prepare --dataset {name}' is now 'prepare {name}': write mflag-data prepare {name} \
         --root DIR --out DIR"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_form_is_explained() {
        let explain = |line: &str| explain_old_form(line.split(' ').map(str::to_owned));
        for line in [
            "mflag-data prepare --root x --dataset siim --out y",
            "mflag-data --json prepare -d siim",
            "mflag-data prepare --dataset=siim",
        ] {
            let message = explain(line).unwrap();
            assert!(
                message.contains("write mflag-data prepare siim --root"),
                "{message}"
            );
        }
        assert!(
            explain("mflag-data prepare --dataset")
                .unwrap()
                .contains("prepare NAME")
        );
        assert_eq!(explain("mflag-data prepare siim --rot x"), None);
        assert_eq!(explain("mflag-data inspect --dataset x"), None);
    }
}
