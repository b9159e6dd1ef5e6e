//! What a model came to on the films of a split, as it lies in a folder.
//!
//! ```text
//! evaluation.json   data set, split, films, patients; each metric with its 95 % interval
//! bootstrap.csv     each metric in each resample of the patients, one column a metric; empty where undefined
//! ```
//!
//! With the second, models that were judged on the same patients can be compared by [`Replicates::minus`] without judging them again.

use std::collections::BTreeMap;
use std::path::Path;

use mflag_core::output::Output;
use mflag_core::table::{Table, write_csv};
use mflag_core::{Error, atomic};
use serde::{Deserialize, Serialize};

use crate::bootstrap::{Bootstrap, LEVEL, Patients, Replicates};

/// The figures.
pub const EVALUATION: &str = "evaluation.json";
/// Their resamples.
pub const RESAMPLES: &str = "bootstrap.csv";
/// A metric of some films, with its interval by patients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The metric's name.
    pub metric: String,
    /// Its value; `None` where it is undefined.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// What a model came to on the films of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Name of the data set.
    pub dataset: String,
    /// The split.
    pub split: String,
    /// Films judged.
    pub films: usize,
    /// Their patients.
    pub patients: usize,
    /// Resamples of the patients behind the intervals.
    pub resamples: usize,
    /// The metrics, in the order of the table.
    pub metrics: Vec<Estimate>,
    /// Their resamples, by name; those that are undefined have none.
    #[serde(skip)]
    pub replicates: BTreeMap<String, Replicates>,
}

impl Evaluation {
    /// Of a data set's split with so many films, without a metric yet.
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
    /// If there is not one value a resample.
    pub fn add(&mut self, metric: String, replicates: Option<Replicates>) -> crate::Result<()> {
        let interval = match &replicates {
            Some(replicates) => {
                let found = replicates.values.len();
                crate::Error::check_length("values and resamples", found, self.resamples)?;
                replicates.interval(LEVEL)?
            }
            None => None,
        };
        self.metrics.push(Estimate {
            metric: metric.clone(),
            value: replicates.as_ref().map(|r| r.estimate),
            low: interval.map(|i| i.low),
            high: interval.map(|i| i.high),
        });
        self.replicates.extend(replicates.map(|r| (metric, r)));
        Ok(())
    }

    /// The value of a metric, if it is there and defined.
    pub fn value(&self, metric: &str) -> Option<f64> {
        let found = self.metrics.iter().find(|m| m.metric == metric);
        found.and_then(|m| m.value)
    }

    /// A table of metrics and intervals.
    pub fn table(&self) -> Table {
        let number = |value: Option<f64>| value.map_or("undefined".into(), |v| format!("{v:.4}"));
        let mut table = Table::new(&["metric", &self.split, "95 % interval"]);
        for m in &self.metrics {
            let between = match (m.low, m.high) {
                (Some(low), Some(high)) => format!("{low:.4} to {high:.4}"),
                _ => String::new(),
            };
            table.row([m.metric.clone(), number(m.value), between]);
        }
        table
    }

    /// Says what it came to, and [writes](Evaluation::write) it into `folder`.
    ///
    /// # Errors
    /// If it cannot be written; it has been said by then.
    pub fn report(&self, folder: &Path, out: &mut Output) -> mflag_core::Result<()> {
        out.say("evaluation", self, self.table());
        self.write(folder)?;
        let (films, patients) = (self.films, self.patients);
        let folder = folder.display();
        out.remark(format!("{films} films of {patients} patients: {folder}\n"));
        Ok(())
    }

    /// Writes both files into `folder`, which exists; the figures last.
    ///
    /// # Errors
    /// If they cannot be written.
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

    /// Reads them back.
    ///
    /// # Errors
    /// If a file is missing or does not hold what [`write`](Evaluation::write) writes.
    pub fn read(folder: &Path) -> mflag_core::Result<Evaluation> {
        let file = folder.join(EVALUATION);
        let bytes = std::fs::read(&file).map_err(|e| Error::io("read", &file, e))?;
        let mut evaluation: Evaluation = serde_json::from_slice(&bytes)
            .map_err(|e| Error::io("read", &file, std::io::Error::other(e)))?;
        let file = folder.join(RESAMPLES);
        let unreadable = |e: csv::Error| Error::io("read", &file, e.into());
        let mut table = csv::Reader::from_path(&file).map_err(unreadable)?;
        let names: Vec<String> = table
            .headers()
            .map_err(unreadable)?
            .iter()
            .map(str::to_owned)
            .collect();
        let mut columns = vec![Vec::with_capacity(evaluation.resamples); names.len()];
        for row in table.deserialize::<Vec<Option<f64>>>() {
            for (column, value) in columns.iter_mut().zip(row.map_err(unreadable)?) {
                column.push(value);
            }
        }
        for (name, values) in names.into_iter().zip(columns) {
            if let Some(estimate) = evaluation.value(&name) {
                let replicates = Replicates { estimate, values };
                evaluation.replicates.insert(name, replicates);
            }
        }
        Ok(evaluation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Counts;
    use crate::classification::Ranking;

    #[test]
    fn what_is_written_is_read() {
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
        // Four patients: in some resamples a class is missing.
        let undefined = |r: &Replicates| r.values.iter().any(Option::is_none);
        assert!(replicates.as_ref().is_some_and(undefined));
        evaluation.add("auroc".into(), replicates).unwrap();
        evaluation.add("auroc:rare, too".into(), None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        evaluation.write(folder.path()).unwrap();
        assert_eq!(Evaluation::read(folder.path()).unwrap(), evaluation);

        std::fs::write(folder.path().join(EVALUATION), "{").unwrap();
        let told = Evaluation::read(folder.path()).unwrap_err().to_string();
        assert!(told.contains(EVALUATION), "{told}");
    }
}
