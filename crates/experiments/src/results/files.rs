//! The files of an experiment's folder, see [`mflag_report::experiment`].

use std::path::{Path, PathBuf};

use anyhow::Result;
use mflag_core::atomic;
use mflag_core::table::{Table, write_csv};
use mflag_metrics::bootstrap::Difference;
use mflag_report::experiment::{DIFFERENCES, PUBLISHED, RESULTS, RUNS, TEXT};

use super::{Results, Summary};
use crate::config::Experiment;
use crate::job::{Job, JobState};
use crate::plan::Plan;

impl Results<'_> {
    /// Writes the tables into the experiment's folder, as Markdown and as CSV. Returns the path of
    /// the Markdown file.
    ///
    /// # Errors
    /// If [`Results::render`] fails, or a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        let (markdown, text) = (self.render(true)?, folder.join(TEXT));
        atomic::write(&text, |f| f.write_all(markdown.as_bytes()))?;
        let cells = self.cells()?;
        let (header, rows) = cells.rows().split_at(1);
        write_csv(&folder.join(RESULTS), &header[0], rows.iter().cloned())?;
        let header = ["task", "encoder", "fraction", "value", "source"];
        write_csv(&folder.join(PUBLISHED), header, self.published_rows())?;
        let header = ["task", "difference", "value", "low", "high", "p"];
        write_csv(&folder.join(DIFFERENCES), header, self.difference_rows()?)?;
        let header = ["task", "encoder", "fraction", "seed", "finished", "folder"];
        write_csv(&folder.join(RUNS), header, self.runs.iter().cloned())?;
        Ok(text)
    }

    /// The table of `results.csv`: a row per cell.
    ///
    /// # Errors
    /// If the results lack the metric of a task, or seeds differ in their number of resamples.
    pub fn cells(&self) -> Result<Table> {
        let mut table = Table::new(&[
            "task",
            "metric",
            "encoder",
            "fraction",
            "seeds",
            "mean",
            "standard_deviation",
            "low",
            "high",
        ]);
        for key in self.cells.keys() {
            table.row(self.cell_row(*key)?);
        }
        Ok(table)
    }

    fn cell_row(&self, key @ [task, encoder, fraction]: [usize; 3]) -> Result<[String; 9]> {
        let summary = self.summary(key)?;
        let number = |value: fn(&Summary) -> f64| {
            let value = summary.as_ref().map(value);
            value.map_or(String::new(), |v| v.to_string())
        };
        let deviation = summary.and_then(|s| s.deviation);
        let task = self.task(task);
        Ok([
            task.name.clone(),
            task.metric.clone(),
            self.experiment.encoders[encoder].name.clone(),
            self.experiment.fractions[fraction].to_string(),
            summary.map_or(0, |s| s.seeds).to_string(),
            number(|s| s.interval.estimate),
            deviation.map_or(String::new(), |d| d.to_string()),
            number(|s| s.interval.low),
            number(|s| s.interval.high),
        ])
    }

    /// The rows of `published.csv`: the published numbers of the tasks at all published fractions.
    fn published_rows(&self) -> Vec<[String; 5]> {
        let mut rows = Vec::new();
        for (index, task) in self.experiment.tasks.iter().enumerate() {
            let Some(table) = self.published_table(index) else {
                continue;
            };
            for row in &table.rows {
                for (fraction, value) in table.fractions.iter().zip(&row.values) {
                    rows.push([
                        task.name.clone(),
                        row.encoder.clone(),
                        fraction.to_string(),
                        value.clone(),
                        table.source.clone(),
                    ]);
                }
            }
        }
        rows
    }

    /// The rows of `differences.csv`.
    fn difference_rows(&self) -> Result<Vec<[String; 6]>> {
        let mut rows = Vec::new();
        for (index, task) in self.experiment.tasks.iter().enumerate() {
            for (name, Difference { interval, p }) in self.differences(index)? {
                let [value, low, high, p] =
                    [interval.estimate, interval.low, interval.high, p].map(|v| v.to_string());
                rows.push([task.name.clone(), name, value, low, high, p]);
            }
        }
        Ok(rows)
    }
}

/// The rows of `runs.csv`: a row per run that was started. Pre-trainings have no task, no fraction
/// and no seed.
pub(super) fn run_rows(experiment: &Experiment, plan: &Plan) -> Result<Vec<[String; 6]>> {
    let mut rows = Vec::new();
    let mut add = |job: &Job, [task, encoder, fraction, seed]: [String; 4]| -> Result<()> {
        let state = job.state()?;
        if state != JobState::Missing {
            let finished = matches!(state, JobState::Done(_)).to_string();
            let folder = &job.spec.folder;
            let folder = folder.strip_prefix(&experiment.runs).unwrap_or(folder);
            let folder = folder.display().to_string();
            rows.push([task, encoder, fraction, seed, finished, folder]);
        }
        Ok(())
    };
    let none = String::new;
    let pretrained = experiment.encoders.iter().filter(|e| e.pretrain.is_some());
    for (encoder, job) in pretrained.zip(&plan.encoders) {
        add(job, [none(), encoder.name.clone(), none(), none()])?;
    }
    for cell in &plan.cells {
        let cells = [
            experiment.tasks[cell.task].name.clone(),
            experiment.encoders[cell.encoder].name.clone(),
            experiment.fractions[cell.fraction].to_string(),
            cell.seed.to_string(),
        ];
        add(&cell.job, cells)?;
    }
    Ok(rows)
}
