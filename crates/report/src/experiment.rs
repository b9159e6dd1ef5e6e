//! The files of an experiment's folder.
//!
//! ```text
//! results.csv       a row per cell: mean over the seeds, deviation, interval
//! published.csv     published numbers as printed (× 100)
//! differences.csv   differences between encoders on the same patients
//! runs.csv          a row per run that was started, with its folder
//! results.md        title, and a caption for each task
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use csv::StringRecord;
use mflag_core::table::read_csv;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::number::decimal;
use crate::run::Run;

/// Name of the file with the measured cells.
pub const RESULTS: &str = "results.csv";
/// Name of the file with the published numbers.
pub const PUBLISHED: &str = "published.csv";
/// Name of the file with the differences between encoders.
pub const DIFFERENCES: &str = "differences.csv";
/// Name of the file with the runs that were started.
pub const RUNS: &str = "runs.csv";
/// Name of the file with the tables as Markdown.
pub const TEXT: &str = "results.md";

/// A row of [`RESULTS`]: a cell, averaged over its seeds. Values are not × 100.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Cell {
    pub(crate) task: String,
    pub(crate) metric: String,
    pub(crate) encoder: String,
    pub(crate) fraction: f64,
    /// Number of finished seeds.
    pub(crate) seeds: usize,
    /// Mean over the seeds; `None` if the metric is undefined.
    pub(crate) mean: Option<f64>,
    /// Sample standard deviation over the seeds; `None` for one seed.
    pub(crate) standard_deviation: Option<f64>,
    /// Lower end of the mean's 95 % interval by patients.
    pub(crate) low: Option<f64>,
    /// Upper end of the interval.
    pub(crate) high: Option<f64>,
}

/// A row of [`PUBLISHED`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct PublishedCell {
    pub(crate) task: String,
    pub(crate) encoder: String,
    pub(crate) fraction: String,
    /// The value as printed, × 100. Some values are `<1`.
    pub(crate) value: String,
    /// The publication.
    pub(crate) source: String,
}

/// A row of [`DIFFERENCES`]. Values are not × 100.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct DifferenceRow {
    pub(crate) task: String,
    /// The names of the two encoders, such as `M-FLAG − Random`.
    pub(crate) difference: String,
    pub(crate) value: f64,
    /// Lower end of the 95 % interval.
    pub(crate) low: f64,
    /// Upper end of the interval.
    pub(crate) high: f64,
    /// Two-sided p value of the hypothesis that there is no difference.
    pub(crate) p: f64,
}

/// A row of [`RUNS`]. The row of a pre-training has no task, no fraction and no seed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct RunRow {
    task: Option<String>,
    encoder: String,
    fraction: Option<f64>,
    seed: Option<u64>,
    finished: bool,
    /// Path relative to the experiment's folder.
    folder: PathBuf,
}

/// A run of the experiment.
#[derive(Debug)]
pub(crate) struct ExperimentRun {
    /// The cell and seed of the run; `None` for a pre-training.
    pub(crate) cell: Option<RunCell>,
    pub(crate) encoder: String,
    pub(crate) finished: bool,
    /// The folder of the run, relative to the experiment's folder.
    pub(crate) folder: PathBuf,
    /// The run's configuration and its metrics over time.
    pub(crate) run: Run,
}

/// The cell and seed of a run.
#[derive(Debug, PartialEq)]
pub(crate) struct RunCell {
    pub(crate) task: String,
    pub(crate) fraction: f64,
    pub(crate) seed: u64,
}

/// Column heads of a table of differences.
pub const DIFFERENCE_HEAD: [&str; 4] = ["difference", "× 100", "95 % interval", "p"];

/// A row of a table of differences, from value, lower and upper end (not × 100) and p.
pub fn difference_row(name: &str, [value, low, high]: [f64; 3], p: f64) -> [String; 4] {
    let [value, low, high] = [value, low, high].map(|v| format!("{:+.1}", 100.0 * v));
    [
        name.to_owned(),
        value,
        format!("{low} to {high}"),
        format!("{p:.3}"),
    ]
}

/// A cell of a table, from values that are not × 100: `52.3 ± 1.2 (50.1 to 54.0)`.
pub fn format_cell(mean: f64, deviation: Option<f64>, interval: Option<[f64; 2]>) -> String {
    let hundred = |value: f64| decimal(100.0 * value, 1);
    let deviation = deviation.map_or(String::new(), |d| format!(" ± {}", hundred(d)));
    let interval = interval.map_or(String::new(), |[low, high]| {
        format!(" ({} to {})", hundred(low), hundred(high))
    });
    format!("{}{deviation}{interval}", hundred(mean))
}

/// The tables of an experiment.
#[derive(Debug)]
pub(crate) struct Experiment {
    pub(crate) path: PathBuf,
    pub(crate) title: String,
    pub(crate) cells: Vec<Cell>,
    pub(crate) published: Vec<PublishedCell>,
    pub(crate) differences: Vec<DifferenceRow>,
    /// The runs, in the order of the experiment.
    pub(crate) runs: Vec<ExperimentRun>,
    /// The caption of each task's table, by the task.
    pub(crate) captions: BTreeMap<String, String>,
}

impl Experiment {
    /// Whether a folder holds an experiment's tables.
    pub(crate) fn is_in(path: &Path) -> bool {
        path.join(RESULTS).exists()
    }

    pub(crate) fn read(path: &Path) -> Result<Experiment> {
        let text =
            mflag_input::read_text(&path.join(TEXT), &mflag_input::RESULTS).unwrap_or_default();
        let title = text.lines().next().and_then(|line| line.strip_prefix("# "));
        Ok(Experiment {
            path: path.to_owned(),
            title: title.map_or_else(|| path.display().to_string(), str::to_owned),
            cells: rows(&path.join(RESULTS))?,
            published: rows_if_present(&path.join(PUBLISHED))?,
            differences: rows_if_present(&path.join(DIFFERENCES))?,
            runs: rows_if_present(&path.join(RUNS))?
                .into_iter()
                .map(|row| ExperimentRun::read(path, row))
                .collect(),
            captions: captions(&text),
        })
    }

    /// The tasks, in the order of the results.
    pub(crate) fn tasks(&self) -> Vec<&str> {
        distinct(self.cells.iter().map(|cell| cell.task.as_str()))
    }

    /// The experiment's own encoders, in the order of the results.
    pub(crate) fn encoders(&self) -> Vec<&str> {
        let measured = self.cells.iter().map(|cell| cell.encoder.as_str());
        let started = self.runs.iter().map(|run| run.encoder.as_str());
        distinct(measured.chain(started))
    }
}

/// The distinct names, in the order of their first occurrence.
pub(crate) fn distinct<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for name in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

impl ExperimentRun {
    fn read(experiment: &Path, row: RunRow) -> ExperimentRun {
        let cell = row.task.zip(row.fraction).zip(row.seed);
        ExperimentRun {
            cell: cell.map(|((task, fraction), seed)| RunCell {
                task,
                fraction,
                seed,
            }),
            encoder: row.encoder,
            finished: row.finished,
            run: Run::read_training(&experiment.join(&row.folder)),
            folder: row.folder,
        }
    }
}

/// The rows of a file; none if it is absent, as in older experiments.
fn rows_if_present<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>> {
    if file.exists() {
        rows(file)
    } else {
        Ok(vec![])
    }
}

fn rows<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>> {
    let damaged = |e: csv::Error| Error::Damaged {
        path: file.to_owned(),
        reason: e.to_string(),
    };
    let (header, rows) = read_csv(file).map_err(damaged)?;
    let read = |row: StringRecord| row.deserialize(Some(&header));
    let rows: csv::Result<Vec<T>> = rows.into_iter().map(read).collect();
    rows.map_err(damaged)
}

/// The first line below each heading of `results.md`, by heading.
fn captions(text: &str) -> BTreeMap<String, String> {
    let mut captions = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(task) = line.strip_prefix("## ") {
            let caption = lines.find(|line| !line.is_empty()).unwrap_or_default();
            captions.insert(task.to_owned(), caption.replace('`', ""));
        }
    }
    captions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_shows_mean_deviation_and_interval() {
        let cell = format_cell(0.523, Some(0.012), Some([0.501, 0.54]));
        assert_eq!(cell, "52.3 ± 1.2 (50.1 to 54.0)");
        assert_eq!(format_cell(0.523, None, None), "52.3");
    }

    #[test]
    fn a_caption_is_the_first_line_below_a_heading() {
        let text = "# T\n\n## A, b\n\n`dice` × 100.\n\n| a |\n\n## C\n\nc\n";
        let found = captions(text);
        assert_eq!(found["A, b"], "dice × 100.");
        assert_eq!(found["C"], "c");
    }
}
