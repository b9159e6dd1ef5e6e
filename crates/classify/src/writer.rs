//! Tables of predicted scores.

use std::path::{Path, PathBuf};

use mflag_core::atomic;
use mflag_core::table::write_csv;
use mflag_head::{OutputKind, Result, ShownFilm, Writer};
use serde::Serialize;

use crate::config::Task;
use crate::fitted::{Fitted, probability};
use crate::target::Target;

/// Writes `predictions.csv` and `predictions.json`.
///
/// `predictions.csv` has a row per film: the film's name, the probability of each label under the
/// label's name, and the decision: 1 or 0 under `present:<label>` (nothing for a label without a
/// threshold), or the most likely class under `class`. An evaluation adds `<label>_truth`: 1, 0, or
/// nothing where it is unknown. A prediction adds `warning`, what is unusual about the film's file,
/// and `error`, why the film could not be read.
#[derive(Debug)]
pub struct ScoreWriter {
    fitted: Fitted,
    out: PathBuf,
    kind: OutputKind,
    films: Vec<ClassifiedFilm>,
}

/// The prediction for a film.
#[derive(Debug, Serialize)]
pub struct ClassifiedFilm {
    film: String,
    /// The probability of each label. Empty for a film that could not be read.
    scores: Vec<f32>,
    /// Whether each label counts as present; `None` for a label without a threshold.
    #[serde(skip)]
    is_present: Vec<Option<bool>>,
    /// The names of the labels that count as present.
    called: Vec<String>,
    /// Whether each label is present; `None` for a label where this is unknown. Only in an
    /// evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    truth: Option<Vec<Option<bool>>>,
    /// What is unusual about the film's file.
    #[serde(skip_serializing_if = "String::is_empty")]
    warning: String,
    /// Why the film could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The content of `predictions.json`.
#[derive(Serialize)]
struct Predictions<'a> {
    labels: &'a [String],
    /// The threshold of each label's probability, `None` for a label that has none; `None` for the
    /// task `multi_class`.
    thresholds: Option<&'a [Option<f32>]>,
    films: &'a [ClassifiedFilm],
}

impl ScoreWriter {
    pub(crate) fn new(fitted: &Fitted, out: &Path, kind: OutputKind) -> ScoreWriter {
        ScoreWriter {
            fitted: fitted.clone(),
            out: out.to_owned(),
            kind,
            films: Vec::new(),
        }
    }

    fn classified(
        &self,
        film: &str,
        log_odds: &[f32],
        target: Option<&Target>,
        warning: String,
    ) -> ClassifiedFilm {
        let scores: Vec<f32> = log_odds.iter().map(|s| probability(*s)).collect();
        let is_present = self.fitted.present(&scores);
        let labels = self.fitted.labels.iter().zip(&is_present);
        let called = labels
            .filter(|(_, is_present)| **is_present == Some(true))
            .map(|(label, _)| label.clone());
        ClassifiedFilm {
            film: film.to_owned(),
            called: called.collect(),
            scores,
            is_present,
            truth: target.map(|t| t.0.clone()),
            warning,
            error: None,
        }
    }

    fn header(&self) -> Vec<String> {
        let labels = &self.fitted.labels;
        let mut header = vec!["film".to_owned()];
        header.extend_from_slice(labels);
        match self.fitted.task {
            Task::MultiClass => header.push("class".to_owned()),
            _ => header.extend(labels.iter().map(|l| format!("present:{l}"))),
        }
        match self.kind {
            OutputKind::Evaluation => header.extend(labels.iter().map(|l| format!("{l}_truth"))),
            OutputKind::Prediction => header.extend(["warning", "error"].map(str::to_owned)),
        }
        header
    }

    fn row(&self, film: &ClassifiedFilm) -> Vec<String> {
        let digit =
            |yes: &Option<bool>| yes.map_or_else(String::new, |yes| u8::from(yes).to_string());
        let mut row = vec![film.film.clone()];
        row.extend(film.scores.iter().map(f32::to_string));
        match self.fitted.task {
            Task::MultiClass => row.extend(film.called.first().cloned()),
            _ => row.extend(film.is_present.iter().map(digit)),
        }
        if film.error.is_some() {
            row.resize(self.header().len() - 2, String::new());
        }
        match self.kind {
            OutputKind::Evaluation => {
                let truth = film.truth.iter().flatten();
                row.extend(truth.map(digit));
            }
            OutputKind::Prediction => {
                row.push(film.warning.clone());
                row.push(film.error.clone().unwrap_or_default());
            }
        }
        row
    }
}

impl Writer<Vec<f32>, Target> for ScoreWriter {
    type Entry = ClassifiedFilm;

    fn write(
        &self,
        film: &ShownFilm<'_>,
        log_odds: &Vec<f32>,
        target: Option<&Target>,
    ) -> Result<ClassifiedFilm> {
        Ok(self.classified(film.name, log_odds, target, film.warning()))
    }

    fn add(&mut self, film: ClassifiedFilm) {
        self.films.push(film);
    }

    fn add_unreadable(&mut self, film: &str, reason: &str) {
        self.films.push(ClassifiedFilm {
            film: film.to_owned(),
            scores: Vec::new(),
            is_present: Vec::new(),
            called: Vec::new(),
            truth: None,
            warning: String::new(),
            error: Some(reason.to_owned()),
        });
    }

    fn finish(self) -> Result<()> {
        let predictions = Predictions {
            labels: &self.fitted.labels,
            thresholds: self.fitted.thresholds.as_deref(),
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

    fn writer(task: Task, thresholds: Option<Vec<Option<f32>>>, kind: OutputKind) -> ScoreWriter {
        let fitted = Fitted {
            task,
            labels: vec!["Edema".to_owned(), "Pleural Effusion".to_owned()],
            thresholds,
        };
        ScoreWriter::new(&fitted, Path::new("out"), kind)
    }

    #[test]
    fn a_row_has_scores_decisions_and_truth() {
        let thresholds = Some(vec![Some(0.5), Some(0.7)]);
        let labels = writer(Task::MultiLabel, thresholds, OutputKind::Evaluation);
        let header = labels.header().join(",");
        let expected = "film,Edema,Pleural Effusion,present:Edema,present:Pleural Effusion,\
                        Edema_truth,Pleural Effusion_truth";
        assert_eq!(header, expected);
        let truth = Target(vec![Some(false), None]);
        let film = labels.classified("a.png", &[0.0, 0.0], Some(&truth), String::new());
        assert_eq!(film.called, ["Edema"]);
        assert_eq!(labels.row(&film).join(","), "a.png,0.5,0.5,1,0,0,");

        let thresholds = Some(vec![Some(0.5), None]);
        let labels = writer(Task::MultiLabel, thresholds, OutputKind::Evaluation);
        let film = labels.classified("a.png", &[-9.0, 9.0], Some(&truth), String::new());
        assert!(
            film.called.is_empty(),
            "a label without a threshold is not called"
        );
        assert!(labels.row(&film).join(",").ends_with(",0,,0,"));
    }

    #[test]
    fn a_row_has_the_most_likely_class_or_an_error() {
        let mut classes = writer(Task::MultiClass, None, OutputKind::Prediction);
        assert_eq!(
            classes.header().join(","),
            "film,Edema,Pleural Effusion,class,warning,error"
        );
        let row = classes.row(&classes.classified("a.png", &[-1.0, 1.0], None, "turned".into()));
        assert_eq!(row[3..], ["Pleural Effusion", "turned", ""]);
        classes.add_unreadable("b.png", "torn");
        assert_eq!(classes.row(&classes.films[0]).join(","), "b.png,,,,,torn");
    }
}
