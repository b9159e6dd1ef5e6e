//! The metrics of scores against what is true.

use std::sync::Arc;

use mflag_head::{Measure, Measures, Result};
use mflag_metrics::catalogue::{
    ACCURACY, AUROC, AVERAGE_PRECISION, CALIBRATION_ERROR, F1, LABELS_WITH_AUROC, Metric,
};
use mflag_metrics::classification::{
    BINS, Confusion, Ranking, calibration_error, class_accuracy, class_calibration_error, per_label,
};
use mflag_metrics::{Counts, mean_defined};
use ndarray::{Array1, Array2, ArrayView1};

use crate::config::Task;
use crate::facts::{Facts, probability};

/// The scores of a film and what is true of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Log-odds of each label.
    pub log_odds: Vec<f32>,
    /// Whether it is there; `None` where that is not known.
    pub truth: Vec<Option<bool>>,
}

/// Some films' scores, ready to be measured.
pub(crate) struct Scores {
    pub(crate) facts: Facts,
    /// Of each label's log-odds.
    pub(crate) rankings: Vec<Ranking>,
    /// `[films, labels]`.
    probabilities: Array2<f32>,
    /// 1 where a label is called present, else 0.
    called: Array2<f32>,
    truth: Array2<Option<bool>>,
}

impl Scores {
    /// Of `cases`. Facts without thresholds get those that are best for these films.
    pub(crate) fn new(facts: &Facts, cases: &[Case]) -> Result<Scores> {
        let shape = (cases.len(), facts.labels.len());
        let log_odds = Array2::from_shape_fn(shape, |(film, label)| cases[film].log_odds[label]);
        let truth = Array2::from_shape_fn(shape, |(film, label)| cases[film].truth[label]);
        let rankings = per_label(log_odds.view(), truth.view(), Ranking::new)?;
        let facts = match facts.thresholds {
            Some(_) => facts.clone(),
            None => facts.with_thresholds(&rankings)?,
        };
        let probabilities = log_odds.mapv(probability);
        let rows = probabilities.rows().into_iter();
        let called = rows.flat_map(|row| facts.called(&row.to_vec()));
        let called: Array1<f32> = called.map(|called| f32::from(u8::from(called))).collect();
        Ok(Scores {
            called: called.into_shape_with_order(shape).unwrap_or_default(),
            facts,
            rankings,
            probabilities,
            truth,
        })
    }

    /// All metrics: means over the labels where they are defined, then AUROC label by label, and for how many it is.
    pub(crate) fn measures<'a>(self) -> Measures<'a> {
        let scores = Arc::new(self);
        let of = |name: String, value: fn(&Scores, Counts<'_>) -> Value| -> Measure<'a> {
            let scores = scores.clone();
            (name, Box::new(move |counts| value(&scores, counts)))
        };
        let named = |metric: Metric, value| of(metric.key.to_owned(), value);
        let mut measures = vec![
            named(AUROC, |s, counts| s.mean(|l| s.auroc(l, counts))),
            named(AVERAGE_PRECISION, |s, counts| {
                s.mean(|l| s.rankings[l].average_precision(counts))
            }),
            named(F1, |s, counts| s.mean(|l| Ok(s.confusion(l, counts)?.f1()))),
            named(ACCURACY, Scores::accuracy),
            named(CALIBRATION_ERROR, Scores::calibration_error),
        ];
        if scores.rankings.len() > 1 {
            for (label, name) in scores.facts.labels.iter().enumerate() {
                let one = scores.clone();
                let name = AUROC.of_label(name);
                measures.push((name, Box::new(move |counts| one.auroc(label, counts))));
            }
            measures.push(named(LABELS_WITH_AUROC, Scores::with_auroc));
        }
        measures
    }

    fn auroc(&self, label: usize, counts: Counts<'_>) -> Value {
        self.rankings[label].auroc(counts)
    }

    /// For how many labels AUROC is defined.
    fn with_auroc(&self, counts: Counts<'_>) -> Value {
        let mut defined = 0;
        for label in 0..self.rankings.len() {
            defined += u32::from(self.auroc(label, counts)?.is_some());
        }
        Ok(Some(defined.into()))
    }

    /// Of labels the mean of each one's, of classes the share of films whose class is right.
    fn accuracy(&self, counts: Counts<'_>) -> Value {
        match self.facts.task {
            Task::MultiClass => class_accuracy(self.probabilities.view(), &self.classes(), counts),
            _ => self.mean(|label| Ok(self.confusion(label, counts)?.accuracy())),
        }
    }

    fn calibration_error(&self, counts: Counts<'_>) -> Value {
        match self.facts.task {
            Task::MultiClass => {
                class_calibration_error(self.probabilities.view(), &self.classes(), BINS, counts)
            }
            _ => self.mean(|label| {
                let probabilities = self.probabilities.column(label);
                calibration_error(probabilities, self.truth.column(label), BINS, counts)
            }),
        }
    }

    fn confusion(&self, label: usize, counts: Counts<'_>) -> mflag_metrics::Result<Confusion> {
        Confusion::at(
            self.called.column(label),
            self.truth.column(label),
            0.5,
            counts,
        )
    }

    /// The one class of each film.
    fn classes(&self) -> Vec<Option<u32>> {
        let class = |truth: ArrayView1<'_, Option<bool>>| {
            let found = truth.iter().position(|t| *t == Some(true));
            found.map(|class| class as u32)
        };
        self.truth.rows().into_iter().map(class).collect()
    }

    fn mean(&self, value: impl Fn(usize) -> Value) -> Value {
        let values: mflag_metrics::Result<Vec<_>> = (0..self.rankings.len()).map(value).collect();
        Ok(mean_defined(values?))
    }
}

type Value = mflag_metrics::Result<Option<f64>>;

#[cfg(test)]
mod tests {
    use super::*;
    use mflag_metrics::catalogue::CLASSIFICATION;

    fn measured(task: Task, cases: &[Case]) -> Vec<(String, Option<f64>)> {
        let labels = (0..cases[0].truth.len()).map(|label| format!("label {label}"));
        let facts = Facts {
            task,
            labels: labels.collect(),
            thresholds: None,
        };
        let measures = Scores::new(&facts, cases).unwrap().measures();
        let value = |(name, value): Measure<'_>| (name, value(Counts::Once).unwrap());
        measures.into_iter().map(value).collect()
    }

    fn of(measured: &[(String, Option<f64>)], name: &str) -> Option<f64> {
        measured.iter().find(|(n, _)| n == name).unwrap().1
    }

    #[test]
    fn undefined_labels_are_left_out_and_counted() {
        let case = |log_odds: [f32; 3], truth: [Option<bool>; 3]| Case {
            log_odds: log_odds.to_vec(),
            truth: truth.to_vec(),
        };
        let (yes, no) = (Some(true), Some(false));
        let found = measured(
            Task::MultiLabel,
            &[
                case([1.0, 3.0, 0.0], [yes, no, no]),
                case([-1.0, 2.0, 0.0], [no, yes, no]),
                case([9.0, 1.0, 0.0], [None, no, no]),
                case([-2.0, 0.0, 0.0], [no, no, no]),
            ],
        );
        assert_eq!(of(&found, "auroc:label 0"), Some(1.0));
        assert_eq!(of(&found, "auroc:label 1"), Some(2.0 / 3.0));
        assert_eq!(of(&found, "auroc:label 2"), None);
        assert_eq!(of(&found, "auroc"), Some((1.0 + 2.0 / 3.0) / 2.0));
        assert_eq!(of(&found, "labels_with_auroc"), Some(2.0));
        // At the best thresholds of these films: 1 of 1 found; 1 found and one false alarm; nothing to find, all called at 0.5.
        assert_eq!(of(&found, "average_precision"), Some((1.0 + 0.5) / 2.0));
        assert_eq!(of(&found, "f1"), Some((1.0 + 2.0 / 3.0 + 0.0) / 3.0));
        assert_eq!(of(&found, "accuracy"), Some((1.0 + 0.75 + 0.0) / 3.0));
    }

    #[test]
    fn classes_are_judged_by_the_likeliest() {
        let case = |log_odds: [f32; 3], class: usize| Case {
            log_odds: log_odds.to_vec(),
            truth: (0..3).map(|c| Some(c == class)).collect(),
        };
        let found = measured(
            Task::MultiClass,
            &[
                case([2.0, -1.0, -2.0], 0),
                case([0.5, -0.7, -2.0], 1),
                case([-3.0, 1.0, -1.0], 1),
                case([-3.0, -1.0, 1.0], 2),
            ],
        );
        assert_eq!(of(&found, "accuracy"), Some(0.75));
        assert_eq!(of(&found, "auroc:label 0"), Some(1.0));
        assert_eq!(of(&found, "auroc:label 1"), Some(1.0));
        assert_eq!(of(&found, "f1"), Some((2.0 / 3.0 + 2.0 / 3.0 + 1.0) / 3.0));
    }

    #[test]
    fn one_label_has_no_table_of_labels() {
        let case = |score: f32, truth: bool| Case {
            log_odds: vec![score],
            truth: vec![Some(truth)],
        };
        let found = measured(Task::Binary, &[case(1.0, true), case(0.0, false)]);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        let expected: Vec<&str> = CLASSIFICATION.iter().map(|metric| metric.key).collect();
        assert_eq!(names, expected);
    }
}
