//! Runs and experiments as one HTML file: what was run, curves, figures with their intervals, the latent space over time, tables to copy. The file
//! holds all that it shows, loads nothing, and is read without a script; a program may leave it in a run's folder
//! ([`write_beside`]), and `mflag-report` writes one of several runs.
//!
//! What is not there is told in the report, be it a run at work, an old one, or one that lost files; only a folder with nothing to
//! report is an error.

pub mod cases;
mod chart;
mod error;
pub mod experiment;
mod number;
mod page;
mod run;
mod sections;
mod words;

use std::path::{Path, PathBuf};

use mflag_core::atomic;
use mflag_core::output::Output;

pub use error::{Error, Result};
use experiment::Experiment;
use page::Context;
use run::Run;

/// The report's name in the folder of a run or an experiment.
pub const REPORT: &str = "report.html";

/// What a report shows beyond what it always does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Films by their names, which may identify patients; by their line in the store when false.
    pub show_names: bool,
}

/// The report of these folders: runs, evaluations, experiments.
///
/// # Errors
/// If a folder has nothing to report, or an experiment's tables cannot be read.
pub fn html(folders: &[PathBuf], options: Options) -> Result<String> {
    let context = Context {
        show_names: options.show_names,
        ..Context::default()
    };
    let (mut runs, mut experiments) = (Vec::new(), Vec::new());
    for folder in folders {
        let (experiment, run) = (Experiment::is_in(folder), Run::is_in(folder));
        if experiment {
            experiments.push(Experiment::read(folder)?);
        }
        if run {
            runs.push(Run::read(folder));
        }
        if !experiment && !run {
            let path = folder.clone();
            return Err(Error::Nothing { path });
        }
    }
    name(&mut runs);
    let mut all: Vec<page::Section> = experiments
        .iter()
        .map(|e| sections::experiment(&context, e))
        .collect();
    if runs.len() > 1 {
        all.push(sections::comparison(&context, &runs));
    }
    all.extend(runs.iter().map(|run| sections::run(&context, run)));
    let title = match (&runs[..], &experiments[..]) {
        ([run], []) => format!("Report of {}", run.name),
        ([], [experiment]) => format!("Report of {}", experiment.path.display()),
        _ => format!(
            "Report of {} runs and experiments",
            runs.len() + experiments.len()
        ),
    };
    Ok(page::page(&title, &all, &context))
}

/// Writes the report of these folders into `file`.
///
/// # Errors
/// Those of [`html`], or if the file cannot be written.
pub fn write(folders: &[PathBuf], options: Options, file: &Path) -> Result<()> {
    let page = html(folders, options)?;
    Ok(atomic::write(file, |f| f.write_all(page.as_bytes()))?)
}

/// Writes [`REPORT`] into the folder of a run or an experiment and says where it is. A run is worth more than its report: a failure is a
/// warning.
pub fn write_beside(folder: &Path, out: &mut Output) {
    let file = folder.join(REPORT);
    match write(&[folder.to_owned()], Options::default(), &file) {
        Ok(()) => out.say("report", &file, format!("report: {}\n", file.display())),
        Err(error) => tracing::warn!("no report was written: {error}"),
    }
}

/// Calls runs by what tells them apart, without what all names begin and end with; one alone by the end of its path.
fn name(runs: &mut [Run]) {
    let parts: Vec<Vec<String>> = runs
        .iter()
        .map(|run| run.name.split('/').map(str::to_owned).collect())
        .collect();
    if let ([run], [parts]) = (&mut *runs, &parts[..]) {
        run.name = parts[parts.len().saturating_sub(2)..].join("/");
        return;
    }
    let shortest = parts.iter().map(Vec::len).min().unwrap_or(0);
    let same = |of: &dyn Fn(&Vec<String>) -> String| parts.iter().all(|p| of(p) == of(&parts[0]));
    let first = (0..shortest)
        .take_while(|i| same(&|p| p[*i].clone()))
        .count();
    let last = (1..=shortest.saturating_sub(first))
        .take_while(|i| same(&|p| p[p.len() - i].clone()))
        .count();
    for (run, parts) in runs.iter_mut().zip(&parts) {
        let kept = &parts[first..parts.len() - last];
        if !kept.is_empty() {
            run.name = kept.join("/");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<String> {
        let run = |name: &&str| Run {
            name: (*name).to_owned(),
            ..Run::default()
        };
        let mut runs: Vec<Run> = names.iter().map(run).collect();
        name(&mut runs);
        runs.into_iter().map(|run| run.name).collect()
    }

    #[test]
    fn runs_are_called_by_what_tells_them_apart() {
        assert_eq!(named(&["t/a/1-seed-0", "t/b-c/1-seed-0"]), ["a", "b-c"]);
        assert_eq!(named(&["runs/a", "runs/a/b"]), ["runs/a", "b"]);
        assert_eq!(named(&["/long/runs/a"]), ["runs/a"]);
        assert_eq!(named(&["a"]), ["a"]);
        assert_eq!(named(&["a", "a"]), ["a", "a"]);
    }
}
