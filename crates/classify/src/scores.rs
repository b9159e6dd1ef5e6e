//! The metrics of scored films.

use std::sync::Arc;

use mflag_head::{Metrics, NamedMetric, Result};
use mflag_metrics::catalogue::{
    ACCURACY, AUROC, AVERAGE_PRECISION, CALIBRATION_ERROR, F1, LABELS_WITH_AUROC, Metric,
};
use mflag_metrics::classification::{
    BINS, Confusion, Ranking, calibration_error, class_accuracy, class_calibration_error, per_label,
};
use mflag_metrics::{Counts, mean_defined};
use ndarray::{Array1, Array2, ArrayView1};

use crate::config::Task;
use crate::fitted::{Fitted, probability};

/// The scores of a film and its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Log-odds of each label.
    pub log_odds: Vec<f32>,
    /// Whether each label is present; `None` where this is unknown.
    pub truth: Vec<Option<bool>>,
}

/// The scores of all films of an evaluation.
pub(crate) struct Scores {
    pub(crate) fitted: Fitted,
    /// The ranking of the films' log-odds, for each label.
    pub(crate) rankings: Vec<Ranking>,
    /// `[films, labels]`.
    probabilities: Array2<f32>,
    /// 1 where a label counts as present, else 0.
    present: Array2<f32>,
    truth: Array2<Option<bool>>,
}

impl Scores {
    /// Collects scored films. If `fitted` has no thresholds, the best thresholds for these films
    /// are added.
    pub(crate) fn new(fitted: &Fitted, scored: &[Scored]) -> Result<Scores> {
        let shape = (scored.len(), fitted.labels.len());
        let log_odds = Array2::from_shape_fn(shape, |(film, label)| scored[film].log_odds[label]);
        let truth = Array2::from_shape_fn(shape, |(film, label)| scored[film].truth[label]);
        let rankings = per_label(log_odds.view(), truth.view(), Ranking::new)?;
        let fitted = match fitted.thresholds {
            Some(_) => fitted.clone(),
            None => fitted.with_thresholds(&rankings)?,
        };
        let probabilities = log_odds.mapv(probability);
        let rows = probabilities.rows().into_iter();
        let present = rows.flat_map(|row| fitted.present(&row.to_vec()));
        let present: Array1<f32> = present.map(|yes| f32::from(u8::from(yes))).collect();
        Ok(Scores {
            present: present.into_shape_with_order(shape).unwrap_or_default(),
            fitted,
            rankings,
            probabilities,
            truth,
        })
    }

    /// All metrics: first means over the labels for which a metric is defined, then the AUROC of
    /// each label and the number of labels that have one.
    pub(crate) fn metrics<'a>(self) -> Metrics<'a> {
        let scores = Arc::new(self);
        let metric = |metric: Metric, value: fn(&Scores, Counts<'_>) -> Value| -> NamedMetric<'a> {
            let scores = scores.clone();
            let compute = move |counts: Counts<'_>| value(&scores, counts);
            (metric.key.to_owned(), Box::new(compute))
        };
        let mut metrics = vec![
            metric(AUROC, |s, counts| s.mean(|l| s.auroc(l, counts))),
            metric(AVERAGE_PRECISION, |s, counts| {
                s.mean(|l| s.rankings[l].average_precision(counts))
            }),
            metric(F1, |s, counts| s.mean(|l| Ok(s.confusion(l, counts)?.f1()))),
            metric(ACCURACY, Scores::accuracy),
            metric(CALIBRATION_ERROR, Scores::calibration_error),
        ];
        if scores.rankings.len() > 1 {
            for (label, name) in scores.fitted.labels.iter().enumerate() {
                let scores = scores.clone();
                let auroc = move |counts: Counts<'_>| scores.auroc(label, counts);
                metrics.push((AUROC.of_label(name), Box::new(auroc)));
            }
            metrics.push(metric(LABELS_WITH_AUROC, Scores::labels_with_auroc));
        }
        metrics
    }

    fn auroc(&self, label: usize, counts: Counts<'_>) -> Value {
        self.rankings[label].auroc(counts)
    }

    /// The number of labels for which AUROC is defined.
    fn labels_with_auroc(&self, counts: Counts<'_>) -> Value {
        let mut defined = 0;
        for label in 0..self.rankings.len() {
            defined += u32::from(self.auroc(label, counts)?.is_some());
        }
        Ok(Some(defined.into()))
    }

    /// With labels, the mean accuracy over the labels. With classes, the share of films whose class
    /// is predicted correctly.
    fn accuracy(&self, counts: Counts<'_>) -> Value {
        match self.fitted.task {
            Task::MultiClass => class_accuracy(self.probabilities.view(), &self.classes(), counts),
            _ => self.mean(|label| Ok(self.confusion(label, counts)?.accuracy())),
        }
    }

    fn calibration_error(&self, counts: Counts<'_>) -> Value {
        match self.fitted.task {
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
            self.present.column(label),
            self.truth.column(label),
            0.5,
            counts,
        )
    }

    /// The class of each film.
    fn classes(&self) -> Vec<Option<u32>> {
        let class = |truth: ArrayView1<'_, Option<bool>>| {
            let found = truth.iter().position(|t| *t == Some(true));
            found.map(|class| class as u32)
        };
        self.truth.rows().into_iter().map(class).collect()
    }

    /// The mean over the labels for which `value` is defined.
    fn mean(&self, value: impl Fn(usize) -> Value) -> Value {
        let values: mflag_metrics::Result<Vec<_>> = (0..self.rankings.len()).map(value).collect();
        Ok(mean_defined(values?))
    }
}

/// The value of a metric; `None` where it is undefined.
type Value = mflag_metrics::Result<Option<f64>>;

#[cfg(test)]
mod tests {
    use super::*;
    use mflag_metrics::catalogue::CLASSIFICATION;

    fn metrics(task: Task, scored: &[Scored]) -> Vec<(String, Option<f64>)> {
        let labels = (0..scored[0].truth.len()).map(|label| format!("label {label}"));
        let fitted = Fitted {
            task,
            labels: labels.collect(),
            thresholds: None,
        };
        let metrics = Scores::new(&fitted, scored).unwrap().metrics();
        let compute = |(name, metric): NamedMetric<'_>| (name, metric(Counts::Once).unwrap());
        metrics.into_iter().map(compute).collect()
    }

    fn value(metrics: &[(String, Option<f64>)], name: &str) -> Option<f64> {
        metrics.iter().find(|(n, _)| n == name).unwrap().1
    }

    #[test]
    fn undefined_labels_are_left_out_and_counted() {
        let scored = |log_odds: [f32; 3], truth: [Option<bool>; 3]| Scored {
            log_odds: log_odds.to_vec(),
            truth: truth.to_vec(),
        };
        let (yes, no) = (Some(true), Some(false));
        let found = metrics(
            Task::MultiLabel,
            &[
                scored([1.0, 3.0, 0.0], [yes, no, no]),
                scored([-1.0, 2.0, 0.0], [no, yes, no]),
                scored([9.0, 1.0, 0.0], [None, no, no]),
                scored([-2.0, 0.0, 0.0], [no, no, no]),
            ],
        );
        assert_eq!(value(&found, "auroc:label 0"), Some(1.0));
        assert_eq!(value(&found, "auroc:label 1"), Some(2.0 / 3.0));
        assert_eq!(value(&found, "auroc:label 2"), None);
        assert_eq!(value(&found, "auroc"), Some((1.0 + 2.0 / 3.0) / 2.0));
        assert_eq!(value(&found, "labels_with_auroc"), Some(2.0));
        // At the best thresholds for these films: label 0 has 1 true positive; label 1 has 1 true
        // and 1 false positive; label 2 has no positive film, and all its films count as present at
        // 0.5.
        assert_eq!(value(&found, "average_precision"), Some((1.0 + 0.5) / 2.0));
        assert_eq!(value(&found, "f1"), Some((1.0 + 2.0 / 3.0 + 0.0) / 3.0));
        assert_eq!(value(&found, "accuracy"), Some((1.0 + 0.75 + 0.0) / 3.0));
    }

    #[test]
    fn the_most_likely_class_is_evaluated() {
        let scored = |log_odds: [f32; 3], class: usize| Scored {
            log_odds: log_odds.to_vec(),
            truth: (0..3).map(|c| Some(c == class)).collect(),
        };
        let found = metrics(
            Task::MultiClass,
            &[
                scored([2.0, -1.0, -2.0], 0),
                scored([0.5, -0.7, -2.0], 1),
                scored([-3.0, 1.0, -1.0], 1),
                scored([-3.0, -1.0, 1.0], 2),
            ],
        );
        assert_eq!(value(&found, "accuracy"), Some(0.75));
        assert_eq!(value(&found, "auroc:label 0"), Some(1.0));
        assert_eq!(value(&found, "auroc:label 1"), Some(1.0));
        assert_eq!(
            value(&found, "f1"),
            Some((2.0 / 3.0 + 2.0 / 3.0 + 1.0) / 3.0)
        );
    }

    #[test]
    fn a_single_label_has_no_metrics_by_label() {
        let scored = |score: f32, truth: bool| Scored {
            log_odds: vec![score],
            truth: vec![Some(truth)],
        };
        let found = metrics(Task::Binary, &[scored(1.0, true), scored(0.0, false)]);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        let expected: Vec<&str> = CLASSIFICATION.iter().map(|metric| metric.key).collect();
        assert_eq!(names, expected);
    }
}
