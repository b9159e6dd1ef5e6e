//! Predicted scores as a table.

use std::path::{Path, PathBuf};

use mflag_core::table::write_csv;
use mflag_head::{Result, Shown, Writer};

use crate::config::Task;
use crate::facts::{Facts, probability};

/// Writes `predictions.csv`, a row a film: its name, the probability of each label under the label's name, and what is called
/// of it: 1 or 0 for each label under `present:<label>`, of classes the likeliest under `class`.
#[derive(Debug)]
pub struct ScoreWriter {
    facts: Facts,
    file: PathBuf,
    rows: Vec<Vec<String>>,
}

impl ScoreWriter {
    pub(crate) fn new(facts: &Facts, out: &Path) -> ScoreWriter {
        ScoreWriter {
            facts: facts.clone(),
            file: out.join("predictions.csv"),
            rows: Vec::new(),
        }
    }

    fn header(&self) -> Vec<String> {
        let mut header = vec!["film".to_owned()];
        header.extend_from_slice(&self.facts.labels);
        match self.facts.task {
            Task::MultiClass => header.push("class".to_owned()),
            _ => header.extend(self.facts.labels.iter().map(|l| format!("present:{l}"))),
        }
        header
    }

    fn row(&self, film: &str, log_odds: &[f32]) -> Vec<String> {
        let probabilities: Vec<f32> = log_odds.iter().map(|s| probability(*s)).collect();
        let mut row = vec![film.to_owned()];
        row.extend(probabilities.iter().map(f32::to_string));
        if self.facts.task == Task::MultiClass {
            let likeliest = self.facts.likeliest(&probabilities);
            row.push(self.facts.labels[likeliest].clone());
        } else {
            let called = self.facts.called(&probabilities).into_iter();
            row.extend(called.map(|called| u8::from(called).to_string()));
        }
        row
    }
}

impl Writer<Vec<f32>> for ScoreWriter {
    fn add(&mut self, film: &Shown<'_>, log_odds: &Vec<f32>) -> Result<()> {
        let row = self.row(film.name, log_odds);
        self.rows.push(row);
        Ok(())
    }

    fn finish(self) -> Result<()> {
        Ok(write_csv(&self.file, self.header(), self.rows)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(task: Task, thresholds: Option<Vec<f32>>) -> ScoreWriter {
        let facts = Facts {
            task,
            labels: vec!["Edema".to_owned(), "Pleural Effusion".to_owned()],
            thresholds,
        };
        ScoreWriter::new(&facts, Path::new("out"))
    }

    #[test]
    fn a_row_has_scores_and_what_is_called() {
        let labels = writer(Task::MultiLabel, Some(vec![0.5, 0.7]));
        let header = labels.header().join(",");
        let expected = "film,Edema,Pleural Effusion,present:Edema,present:Pleural Effusion";
        assert_eq!(header, expected);
        assert_eq!(
            labels.row("a.png", &[0.0, 0.0]).join(","),
            "a.png,0.5,0.5,1,0"
        );
        let classes = writer(Task::MultiClass, None);
        assert_eq!(
            classes.header().join(","),
            "film,Edema,Pleural Effusion,class"
        );
        let row = classes.row("a.png", &[-1.0, 1.0]);
        assert_eq!(row.last().unwrap(), "Pleural Effusion");
    }
}
