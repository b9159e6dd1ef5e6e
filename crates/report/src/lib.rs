//! Reports: runs and experiments as one HTML file, with charts, metrics and their intervals, the
//! latent space over time, and tables to copy. The file loads nothing from outside, and is readable
//! without JavaScript. Programs leave a report in the folder of each run ([`write_beside`]);
//! `mflag-report` writes one over several folders.
//!
//! A run may still be running, may come from an older version of mflag, or may have lost files; its
//! report then names what is missing. Only a folder without anything to show is an error.

mod chart;
mod error;
pub mod experiment;
mod number;
mod page;
pub mod qualitative;
mod run;
mod run_names;
mod sections;

use std::path::{Path, PathBuf};

use mflag_core::{atomic, visible};

pub use error::{Error, Result};
use experiment::Experiment;
use page::{Context, Section};
use run::Run;

/// Name of the report in the folder of a run or an experiment.
pub const REPORT: &str = "report.html";

/// Settings of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether to show the names of films, which may identify patients. By default films are called
    /// by their line in the store.
    pub show_names: bool,
}

/// The report of runs, evaluations and experiments in these folders.
///
/// # Errors
/// If a folder holds nothing to report, or a table of an experiment cannot be read.
pub fn html(folders: &[PathBuf], options: Options) -> Result<String> {
    let context = Context {
        show_names: options.show_names,
        ..Context::default()
    };
    let (runs, experiments) = read(folders)?;
    let mut parts: Vec<Section> = experiments
        .iter()
        .map(|experiment| sections::experiment(&context, experiment))
        .collect();
    if runs.len() > 1 {
        parts.push(sections::comparison(&context, &runs));
    }
    parts.extend(runs.iter().map(|run| sections::run(&context, run)));
    Ok(page::page(&title(&runs, &experiments), &parts, &context))
}

/// Reads the runs and experiments in these folders. A folder may hold both.
fn read(folders: &[PathBuf]) -> Result<(Vec<Run>, Vec<Experiment>)> {
    let (mut runs, mut experiments) = (Vec::new(), Vec::new());
    for folder in folders {
        let (has_experiment, has_run) = (Experiment::is_in(folder), Run::is_in(folder));
        if has_experiment {
            experiments.push(Experiment::read(folder)?);
        }
        if has_run {
            runs.push(Run::read(folder));
        }
        if !has_experiment && !has_run {
            let path = folder.clone();
            return Err(Error::Nothing { path });
        }
    }
    run_names::shorten(&mut runs);
    Ok((runs, experiments))
}

fn title(runs: &[Run], experiments: &[Experiment]) -> String {
    match (runs, experiments) {
        ([run], []) => format!("Report of {}", run.name),
        ([], [experiment]) => format!("Report of {}", experiment.path.display()),
        _ => {
            let number = runs.len() + experiments.len();
            format!("Report of {number} runs and experiments")
        }
    }
}

/// Writes the report of these folders into `file`.
///
/// # Errors
/// If [`html`] fails, or the file cannot be written.
pub fn write(folders: &[PathBuf], options: Options, file: &Path) -> Result<()> {
    let page = html(folders, options)?;
    Ok(atomic::write(file, |f| {
        f.write_all(visible(&page).as_bytes())
    })?)
}

/// Writes [`REPORT`] into the folder of a run or an experiment, and returns its path. A failure is
/// only a warning, as the run is worth more than its report.
pub fn write_beside(folder: &Path) -> Option<PathBuf> {
    let file = folder.join(REPORT);
    match write(&[folder.to_owned()], Options::default(), &file) {
        Ok(()) => Some(file),
        Err(error) => {
            tracing::warn!("the report could not be written: {error}");
            None
        }
    }
}
