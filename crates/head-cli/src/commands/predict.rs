//! `predict`: predicts on film files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use mflag_cli::DeviceArgs;
use mflag_core::atomic;
use mflag_core::output::Output;
use mflag_core::table::write_csv;
use mflag_head::{DrawnBoxes, Head, Model, Overlays, Predicted, Reading, find_films};

use super::create_folder;

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// Run folder, or its model.safetensors
    #[arg(short, long, value_name = "RUN")]
    model: PathBuf,
    /// Folder for the predictions
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Draw each prediction over its film, into the subfolder overlays
    #[arg(long)]
    overlays: bool,
    /// Frame to read of DICOM files with several frames, from 1 [default: as for training, or the
    /// first with a warning]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    frame: Option<u32>,
    /// Refuse films whose DICOM file names another modality than radiography or another body part
    /// than the chest [default: warn]
    #[arg(long)]
    chest_only: bool,
    /// Lowest confidence of a box on an overlay, 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE", requires = "overlays", value_parser = share)]
    confidence: Option<f64>,
    /// Number of boxes on an overlay: the most confident ones [default: 5]
    #[arg(long, value_name = "NUMBER", requires = "overlays")]
    top: Option<usize>,
    #[command(flatten)]
    on: DeviceArgs,
    /// Films, folders of films, or quoted patterns such as 'films/*.dcm'
    #[arg(required = true, value_name = "FILM")]
    films: Vec<PathBuf>,
}

impl PredictArgs {
    fn reading(&self) -> Reading {
        Reading {
            frame: self.frame,
            chest_only: self.chest_only,
        }
    }

    fn boxes(&self) -> DrawnBoxes {
        let default = DrawnBoxes::default();
        DrawnBoxes {
            confidence: self.confidence.unwrap_or(default.confidence),
            top: self.top.unwrap_or(default.top),
        }
    }
}

/// Reads a number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let share = text
        .parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

pub(crate) fn run<H: Head>(args: &PredictArgs, out: &mut Output) -> Result<ExitCode> {
    let found = find_films(&args.films)?;
    let model = Model::<H>::open_on(&args.model, args.on.into())?;
    create_folder(&args.out)?;
    let folder = args.overlays.then(|| args.out.join("overlays"));
    if let Some(folder) = &folder {
        create_folder(folder)?;
    }
    if !found.passed_over.is_empty() {
        let kinds = found.kinds_passed_over();
        let words = format!("passed over, no films: {kinds}\n");
        out.say("passed_over", &found.passed_over, words);
    }
    let boxes = args.boxes();
    let overlays = folder.as_deref().map(|folder| Overlays { folder, boxes });
    let predicted = model.predict(&found.films, args.reading(), &args.out, overlays)?;
    report(found.films.len(), &predicted, &args.out, out)
}

/// Prints how many films were predicted and what was unusual about them, and lists the unreadable
/// ones in `bad.csv`. An error if no film could be read.
fn report(
    films: usize,
    Predicted {
        unreadable,
        remarks,
    }: &Predicted,
    folder: &Path,
    out: &mut Output,
) -> Result<ExitCode> {
    let predicted = films - unreadable.len();
    let words = format!("{predicted} films: {}\n", folder.display());
    out.say("predicted", predicted, words);
    if !remarks.is_empty() {
        let line = |(kind, films): (&&str, &usize)| {
            format!("warning: {kind}: {films} of {predicted} films\n")
        };
        let words: String = remarks.iter().map(line).collect();
        out.say("warnings", remarks, words);
    }
    let list = folder.join("bad.csv");
    if unreadable.is_empty() {
        // Removes the list of an earlier prediction.
        atomic::remove(&list)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = unreadable
        .iter()
        .map(|film| [film.path.display().to_string(), film.reason.clone()]);
    write_csv(&list, ["file", "reason"], rows)?;
    let words = format!(
        "could not be read: {} of {films}, see {}\n",
        unreadable.len(),
        list.display()
    );
    out.say("bad", unreadable.len(), words);
    if predicted == 0 {
        bail!(
            "none of the films could be read; {} lists the reasons",
            list.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}
