//! The metrics of a model on the films of a split, and the files that hold them.
//!
//! ```text
//! evaluation.json   data set, split, films, patients; each metric with its 95 % interval
//! bootstrap.csv     a column per metric, a row per resample of the patients; empty where undefined
//! ```
//!
//! With `bootstrap.csv`, models that were evaluated on the same patients can be compared
//! ([`Replicates::minus`]) without running them again.

use std::collections::BTreeMap;
use std::path::Path;

use mflag_core::table::{Table, read_csv, write_csv};
use mflag_core::{Error, atomic};
use mflag_input::JSON;
use serde::{Deserialize, Serialize};

use crate::bootstrap::{Bootstrap, LEVEL, Patients, Replicates};
use crate::classification::LabelCount;

/// Name of the file with the metrics.
pub const EVALUATION: &str = "evaluation.json";
/// Name of the file with the resamples of the metrics.
pub const RESAMPLES: &str = "bootstrap.csv";

/// A metric with its interval by patients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Key of the metric, see [`catalogue`](crate::catalogue).
    pub metric: String,
    /// Its value; `None` if undefined.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub high: Option<f64>,
    /// For a metric of one label: how many films have the label, and how many lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelCount>,
}

impl Estimate {
    /// Lower and upper end of the interval; `None` if it is undefined.
    pub fn interval(&self) -> Option<[f64; 2]> {
        Some([self.low?, self.high?])
    }
}

/// The metrics of a model on the films of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Name of the data set.
    pub dataset: String,
    /// The split.
    pub split: String,
    /// Number of films.
    pub films: usize,
    /// Number of patients of these films.
    pub patients: usize,
    /// Number of resamples behind the intervals.
    pub resamples: usize,
    /// The metrics in the order of [`Evaluation::table`].
    pub metrics: Vec<Estimate>,
    /// The resamples of the defined metrics by key.
    #[serde(skip)]
    pub replicates: BTreeMap<String, Replicates>,
}

impl Evaluation {
    /// An evaluation of the `films` of a split, still without metrics.
    pub fn new(
        dataset: &str,
        split: &str,
        films: usize,
        patients: &Patients,
        bootstrap: &Bootstrap,
    ) -> Evaluation {
        Evaluation {
            dataset: dataset.to_owned(),
            split: split.to_owned(),
            films,
            patients: patients.number(),
            resamples: bootstrap.resamples,
            metrics: Vec::new(),
            replicates: BTreeMap::new(),
        }
    }

    /// Adds a metric; `None` if it is undefined.
    ///
    /// # Errors
    /// If there is not one value per resample.
    pub fn add(&mut self, metric: String, replicates: Option<Replicates>) -> crate::Result<()> {
        let interval = match &replicates {
            Some(replicates) => {
                let values = replicates.values.len();
                crate::Error::check_length("values", values, "resamples", self.resamples)?;
                replicates.interval(LEVEL)?
            }
            None => None,
        };
        self.metrics.push(Estimate {
            metric: metric.clone(),
            value: replicates.as_ref().map(|r| r.estimate),
            low: interval.map(|i| i.low),
            high: interval.map(|i| i.high),
            label: None,
        });
        self.replicates.extend(replicates.map(|r| (metric, r)));
        Ok(())
    }

    /// States how many films have the label of a metric, and how many lack it.
    pub fn count_label(&mut self, metric: &str, count: LabelCount) {
        let found = self.metrics.iter_mut().filter(|m| m.metric == metric);
        found.for_each(|m| m.label = Some(count));
    }

    /// A metric by its key; `None` if it is absent.
    pub fn find(&self, metric: &str) -> Option<&Estimate> {
        self.metrics.iter().find(|m| m.metric == metric)
    }

    /// The value of a metric; `None` if it is absent or undefined.
    pub fn value(&self, metric: &str) -> Option<f64> {
        self.find(metric)?.value
    }

    /// The metrics and intervals as a table. Metrics of a label have the numbers of films with and
    /// without it.
    pub fn table(&self) -> Table {
        let number = |value: Option<f64>| value.map_or("undefined".into(), |v| format!("{v:.4}"));
        let has_labels = self.metrics.iter().any(|m| m.label.is_some());
        let heads = [
            "metric",
            &self.split,
            "95 % interval",
            "films with",
            "films without",
        ];
        let columns = if has_labels { 5 } else { 3 };
        let mut table = Table::new(&heads[..columns]);
        for m in &self.metrics {
            let interval = m.interval().map_or(String::new(), |[low, high]| {
                format!("{low:.4} to {high:.4}")
            });
            let count = |side: fn(LabelCount) -> usize| {
                m.label
                    .map_or(String::new(), |label| side(label).to_string())
            };
            let row = [
                m.metric.clone(),
                number(m.value),
                interval,
                count(|label| label.with),
                count(|label| label.without),
            ];
            table.row(row.into_iter().take(columns));
        }
        table
    }

    /// The size of the sample: `12 films of 9 patients`.
    pub fn sample(&self) -> String {
        format!("{} films of {} patients", self.films, self.patients)
    }

    /// Writes both files into an existing `folder`, the metrics last.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> mflag_core::Result<()> {
        let row = |resample: usize| {
            let cell =
                move |r: &Replicates| r.values[resample].map_or(String::new(), |v| v.to_string());
            self.replicates.values().map(cell)
        };
        let rows = (0..self.resamples).map(row);
        write_csv(&folder.join(RESAMPLES), self.replicates.keys(), rows)?;
        atomic::write_json(&folder.join(EVALUATION), self)
    }

    /// Reads both files.
    ///
    /// # Errors
    /// If a file cannot be read, or does not hold what [`write`](Evaluation::write) writes.
    pub fn read(folder: &Path) -> mflag_core::Result<Evaluation> {
        let file = folder.join(EVALUATION);
        let bytes = mflag_input::read(&file, &JSON).map_err(|e| Error::io("read", &file, e))?;
        let mut evaluation: Evaluation =
            serde_json::from_slice(&bytes).map_err(|e| damaged(&file, e))?;
        for (metric, values) in read_columns(&folder.join(RESAMPLES))? {
            if let Some(estimate) = evaluation.value(&metric) {
                let replicates = Replicates { estimate, values };
                evaluation.replicates.insert(metric, replicates);
            }
        }
        Ok(evaluation)
    }
}

fn damaged(file: &Path, why: impl std::fmt::Display) -> Error {
    Error::Run {
        path: file.to_owned(),
        reason: format!("is damaged ({why}); evaluate the model again"),
    }
}

/// The columns of a CSV of numbers with their heads. Empty cells are `None`.
fn read_columns(file: &Path) -> mflag_core::Result<Vec<(String, Vec<Option<f64>>)>> {
    let unreadable = |e: csv::Error| match e.is_io_error() {
        true => Error::io("read", file, e.into()),
        false => damaged(file, e),
    };
    let (heads, rows) = read_csv(file).map_err(unreadable)?;
    let mut columns: Vec<(String, Vec<Option<f64>>)> =
        heads.iter().map(|head| (head.to_owned(), vec![])).collect();
    for row in rows {
        let row: Vec<Option<f64>> = row.deserialize(None).map_err(unreadable)?;
        for ((_, column), value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Counts;
    use crate::classification::Ranking;

    #[test]
    fn a_written_evaluation_is_read_back() {
        let patients = Patients::new(&["a", "b", "c", "d"]);
        let bootstrap = Bootstrap {
            resamples: 30,
            ..Bootstrap::default()
        };
        let ranking = Ranking::new(&[0.9, 0.3, 0.6, 0.1], &[true, false, false, true].map(Some));
        let ranking = ranking.unwrap();
        let mut evaluation = Evaluation::new("toy", "test", 4, &patients, &bootstrap);
        let auroc = |counts: Counts<'_>| ranking.auroc(counts);
        let replicates = bootstrap.replicates(&patients, auroc).unwrap();
        // With four patients, some resamples lack a class.
        let undefined = |r: &Replicates| r.values.iter().any(Option::is_none);
        assert!(replicates.as_ref().is_some_and(undefined));
        evaluation.add("auroc".into(), replicates).unwrap();
        evaluation.count_label("auroc", ranking.known());
        let table = evaluation.table().to_string();
        let row = table.lines().find(|line| line.starts_with("auroc"));
        let cells: Vec<&str> = row.unwrap().split_whitespace().collect();
        assert!(cells.ends_with(&["2", "2"]), "{table}");
        evaluation.add("auroc:rare, too".into(), None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        evaluation.write(folder.path()).unwrap();
        assert_eq!(Evaluation::read(folder.path()).unwrap(), evaluation);

        std::fs::write(folder.path().join(EVALUATION), "{").unwrap();
        let message = Evaluation::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains(EVALUATION), "{message}");
        assert!(message.contains("is damaged"), "{message}");
    }
}
