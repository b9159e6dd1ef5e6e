//! Predicted scores as tables.

use std::path::{Path, PathBuf};

use mflag_core::atomic;
use mflag_core::table::write_csv;
use mflag_head::{Purpose, Result, Shown, Writer};
use serde::Serialize;

use crate::config::Task;
use crate::facts::{Facts, probability};
use crate::head::Target;

/// Writes `predictions.csv` and `predictions.json`.
///
/// A row of `predictions.csv` is a film: its name, the probability of each label under the label's name, and what is called
/// of it: 1 or 0 for each label under `present:<label>`, of classes the likeliest under `class`. An evaluation has the truth,
/// too: 1, 0 or nothing where it is unknown, under `<label>_truth`; a prediction has under `error` why a film could not be read.
#[derive(Debug)]
pub struct ScoreWriter {
    facts: Facts,
    out: PathBuf,
    purpose: Purpose,
    films: Vec<Scored>,
}

/// What is predicted of a film.
#[derive(Debug, Serialize)]
pub struct Scored {
    film: String,
    /// The probability of each label; none of a film that could not be read, nor is anything called of it.
    scores: Vec<f32>,
    /// Whether each label is called.
    #[serde(skip)]
    is_called: Vec<bool>,
    /// The names of those that are.
    called: Vec<String>,
    /// Whether each label is there, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    truth: Option<Vec<Option<bool>>>,
    /// Why the film could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// `predictions.json`.
#[derive(Serialize)]
struct Predictions<'a> {
    labels: &'a [String],
    /// Of the labels' probabilities; of classes none.
    thresholds: Option<&'a [f32]>,
    films: &'a [Scored],
}

impl ScoreWriter {
    pub(crate) fn new(facts: &Facts, out: &Path, purpose: Purpose) -> ScoreWriter {
        ScoreWriter {
            facts: facts.clone(),
            out: out.to_owned(),
            purpose,
            films: Vec::new(),
        }
    }

    fn scored(&self, film: &str, log_odds: &[f32], truth: Option<&Target>) -> Scored {
        let scores: Vec<f32> = log_odds.iter().map(|s| probability(*s)).collect();
        let is_called = self.facts.called(&scores);
        let labels = self.facts.labels.iter().zip(&is_called);
        let called = labels
            .filter(|(_, called)| **called)
            .map(|(label, _)| label.clone());
        Scored {
            film: film.to_owned(),
            called: called.collect(),
            scores,
            is_called,
            truth: truth.map(|t| t.0.clone()),
            error: None,
        }
    }

    fn header(&self) -> Vec<String> {
        let labels = &self.facts.labels;
        let mut header = vec!["film".to_owned()];
        header.extend_from_slice(labels);
        match self.facts.task {
            Task::MultiClass => header.push("class".to_owned()),
            _ => header.extend(labels.iter().map(|l| format!("present:{l}"))),
        }
        match self.purpose {
            Purpose::Evaluation => header.extend(labels.iter().map(|l| format!("{l}_truth"))),
            Purpose::Prediction => header.push("error".to_owned()),
        }
        header
    }

    fn row(&self, film: &Scored) -> Vec<String> {
        let digit = |yes: &bool| u8::from(*yes).to_string();
        let mut row = vec![film.film.clone()];
        row.extend(film.scores.iter().map(f32::to_string));
        match self.facts.task {
            Task::MultiClass => row.extend(film.called.first().cloned()),
            _ => row.extend(film.is_called.iter().map(digit)),
        }
        if film.error.is_some() {
            row.resize(self.header().len() - 1, String::new());
        }
        match self.purpose {
            Purpose::Evaluation => {
                let truth = film.truth.iter().flatten();
                row.extend(truth.map(|t| t.as_ref().map_or_else(String::new, digit)));
            }
            Purpose::Prediction => row.push(film.error.clone().unwrap_or_default()),
        }
        row
    }
}

impl Writer<Vec<f32>, Target> for ScoreWriter {
    type Entry = Scored;

    fn write(
        &self,
        film: &Shown<'_>,
        log_odds: &Vec<f32>,
        truth: Option<&Target>,
    ) -> Result<Scored> {
        Ok(self.scored(film.name, log_odds, truth))
    }

    fn add(&mut self, film: Scored) {
        self.films.push(film);
    }

    fn add_bad(&mut self, film: &str, reason: &str) {
        self.films.push(Scored {
            film: film.to_owned(),
            scores: Vec::new(),
            is_called: Vec::new(),
            called: Vec::new(),
            truth: None,
            error: Some(reason.to_owned()),
        });
    }

    fn finish(self) -> Result<()> {
        let predictions = Predictions {
            labels: &self.facts.labels,
            thresholds: self.facts.thresholds.as_deref(),
            films: &self.films,
        };
        atomic::write(&self.out.join("predictions.json"), |file| {
            serde_json::to_writer(&mut *file, &predictions)?;
            writeln!(file)
        })?;
        let rows = self.films.iter().map(|film| self.row(film));
        Ok(write_csv(
            &self.out.join("predictions.csv"),
            self.header(),
            rows,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(task: Task, thresholds: Option<Vec<f32>>, purpose: Purpose) -> ScoreWriter {
        let facts = Facts {
            task,
            labels: vec!["Edema".to_owned(), "Pleural Effusion".to_owned()],
            thresholds,
        };
        ScoreWriter::new(&facts, Path::new("out"), purpose)
    }

    #[test]
    fn a_row_has_scores_what_is_called_and_what_is_true() {
        let thresholds = Some(vec![0.5, 0.7]);
        let labels = writer(Task::MultiLabel, thresholds, Purpose::Evaluation);
        let header = labels.header().join(",");
        let expected = "film,Edema,Pleural Effusion,present:Edema,present:Pleural Effusion,\
                        Edema_truth,Pleural Effusion_truth";
        assert_eq!(header, expected);
        let truth = Target(vec![Some(false), None]);
        let film = labels.scored("a.png", &[0.0, 0.0], Some(&truth));
        assert_eq!(film.called, ["Edema"]);
        assert_eq!(labels.row(&film).join(","), "a.png,0.5,0.5,1,0,0,");
    }

    #[test]
    fn a_row_has_the_likeliest_class_or_an_error() {
        let mut classes = writer(Task::MultiClass, None, Purpose::Prediction);
        assert_eq!(
            classes.header().join(","),
            "film,Edema,Pleural Effusion,class,error"
        );
        let row = classes.row(&classes.scored("a.png", &[-1.0, 1.0], None));
        assert_eq!(row[3..], ["Pleural Effusion", ""]);
        classes.add_bad("b.png", "torn");
        assert_eq!(classes.row(&classes.films[0]).join(","), "b.png,,,,torn");
    }
}
