//! The metrics of scored films.

use std::sync::Arc;

use mflag_head::{Metrics, NamedMetric, Result};
use mflag_metrics::catalogue::{
    ACCURACY, AUROC, AVERAGE_PRECISION, CALIBRATION_ERROR, F1, LABELS_WITH_AUROC, Metric,
};
use mflag_metrics::classification::{
    BINS, Confusion, LabelCount, Ranking, calibration_error, class_accuracy,
    class_calibration_error, per_label,
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
    /// Which labels count in means.
    counted: Vec<bool>,
}

impl Scores {
    /// Collects scored films. If `fitted` has no thresholds, the best thresholds for these films
    /// are added, for labels whose films are not too few.
    pub(crate) fn new(fitted: &Fitted, scored: &[Scored]) -> Result<Scores> {
        let shape = (scored.len(), fitted.labels.len());
        let log_odds = Array2::from_shape_fn(shape, |(film, label)| scored[film].log_odds[label]);
        let truth = Array2::from_shape_fn(shape, |(film, label)| scored[film].truth[label]);
        let rankings = per_label(log_odds.view(), truth.view(), Ranking::new)?;
        let fitted = match fitted.thresholds {
            Some(_) => fitted.clone(),
            None => fitted.with_thresholds(&rankings, |ranking| !ranking.known().is_small())?,
        };
        let probabilities = log_odds.mapv(probability);
        let rows = probabilities.rows().into_iter();
        let present = rows.flat_map(|row| fitted.present(&row.to_vec()));
        let present: Array1<f32> = present
            .map(|present| f32::from(u8::from(present == Some(true))))
            .collect();
        let rankings_len = rankings.len();
        Ok(Scores {
            present: present.into_shape_with_order(shape).unwrap_or_default(),
            fitted,
            rankings,
            counted: vec![true; rankings_len],
            probabilities,
            truth,
        })
    }

    /// Takes labels out of the means if too few films have or lack them. If no label is left, all
    /// of them count.
    pub(crate) fn without_small(mut self) -> Scores {
        let counted: Vec<bool> = self
            .rankings
            .iter()
            .map(|r| !r.known().is_small())
            .collect();
        if counted.contains(&true) {
            self.counted = counted;
        }
        self
    }

    /// The key of each label's AUROC, and how many films have the label.
    pub(crate) fn label_counts(&self) -> Vec<(String, LabelCount)> {
        let labels = self.fitted.labels.iter().zip(&self.rankings);
        let counts = labels.map(|(label, ranking)| (AUROC.of_label(label), ranking.known()));
        match &self.rankings[..] {
            [only] => vec![(AUROC.key.to_owned(), only.known())],
            _ => counts.collect(),
        }
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
            metric(F1, |s, counts| {
                s.mean(|l| Ok(s.confusion(l, counts)?.and_then(|c| c.f1())))
            }),
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

    /// The number of labels in the mean of AUROC.
    fn labels_with_auroc(&self, counts: Counts<'_>) -> Value {
        let mut defined = 0;
        for label in self.counted_labels() {
            defined += u32::from(self.auroc(label, counts)?.is_some());
        }
        Ok(Some(defined.into()))
    }

    /// With labels, the mean accuracy over the labels. With classes, the share of films whose class
    /// is predicted correctly.
    fn accuracy(&self, counts: Counts<'_>) -> Value {
        match self.fitted.task {
            Task::MultiClass => class_accuracy(self.probabilities.view(), &self.classes(), counts),
            _ => self.mean(|label| {
                let confusion = self.confusion(label, counts)?;
                Ok(confusion.and_then(|confusion| confusion.accuracy()))
            }),
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

    /// The calls of a label against its truth; `None` without a threshold.
    fn confusion(
        &self,
        label: usize,
        counts: Counts<'_>,
    ) -> mflag_metrics::Result<Option<Confusion>> {
        if self.fitted.thresholds.is_some() && self.fitted.threshold(label).is_none() {
            return Ok(None);
        }
        let (present, truth) = (self.present.column(label), self.truth.column(label));
        Confusion::at(present, truth, 0.5, counts).map(Some)
    }

    /// The class of each film.
    fn classes(&self) -> Vec<Option<u32>> {
        let class = |truth: ArrayView1<'_, Option<bool>>| {
            let found = truth.iter().position(|t| *t == Some(true));
            found.map(|class| class as u32)
        };
        self.truth.rows().into_iter().map(class).collect()
    }

    fn counted_labels(&self) -> impl Iterator<Item = usize> {
        (0..self.counted.len()).filter(|label| self.counted[*label])
    }

    /// The mean over the labels that count and for which `value` is defined.
    fn mean(&self, value: impl Fn(usize) -> Value) -> Value {
        let values: mflag_metrics::Result<Vec<_>> = self.counted_labels().map(value).collect();
        Ok(mean_defined(values?))
    }
}

/// The value of a metric; `None` where it is undefined.
type Value = mflag_metrics::Result<Option<f64>>;

#[cfg(test)]
mod tests {
    use super::*;
    use mflag_metrics::catalogue::CLASSIFICATION;

    fn fitted(thresholds: Option<Vec<Option<f32>>>, task: Task, labels: usize) -> Fitted {
        Fitted {
            task,
            labels: (0..labels).map(|label| format!("label {label}")).collect(),
            thresholds,
        }
    }

    fn metrics(task: Task, scored: &[Scored]) -> Vec<(String, Option<f64>)> {
        metrics_at(None, task, scored)
    }

    fn metrics_at(
        thresholds: Option<Vec<Option<f32>>>,
        task: Task,
        scored: &[Scored],
    ) -> Vec<(String, Option<f64>)> {
        let fitted = fitted(thresholds, task, scored[0].truth.len());
        computed(Scores::new(&fitted, scored).unwrap().metrics())
    }

    fn computed(metrics: Metrics<'_>) -> Vec<(String, Option<f64>)> {
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
        let films = [
            scored([1.0, 3.0, 0.0], [yes, no, no]),
            scored([-1.0, 2.0, 0.0], [no, yes, no]),
            scored([9.0, 1.0, 0.0], [None, no, no]),
            scored([-2.0, 0.0, 0.0], [no, no, no]),
        ];
        let found = metrics(Task::MultiLabel, &films);
        assert_eq!(value(&found, "auroc:label 0"), Some(1.0));
        assert_eq!(value(&found, "auroc:label 1"), Some(2.0 / 3.0));
        assert_eq!(value(&found, "auroc:label 2"), None);
        assert_eq!(value(&found, "auroc"), Some((1.0 + 2.0 / 3.0) / 2.0));
        assert_eq!(value(&found, "labels_with_auroc"), Some(2.0));
        assert_eq!(value(&found, "average_precision"), Some((1.0 + 0.5) / 2.0));
        assert_eq!(value(&found, "f1"), None, "too few films for a threshold");
        assert_eq!(value(&found, "accuracy"), None);
        // With thresholds: label 0 has 1 true positive; label 1 has 1 true and 1 false positive;
        // label 2 has none.
        let thresholds = [Some(0.6), Some(0.8), None];
        let found = metrics_at(Some(thresholds.to_vec()), Task::MultiLabel, &films);
        assert_eq!(value(&found, "f1"), Some((1.0 + 2.0 / 3.0) / 2.0));
        assert_eq!(value(&found, "accuracy"), Some((1.0 + 0.75) / 2.0));
    }

    /// 30 films; label 0 is on half of them, label 1 on one, label 2 on none.
    #[test]
    fn labels_of_few_films_do_not_choose_the_best_epoch() {
        let films: Vec<Scored> = (0..30)
            .map(|film| Scored {
                log_odds: vec![film as f32, -(film as f32), 0.0],
                truth: [film % 2 == 0, film == 29, false].map(Some).to_vec(),
            })
            .collect();
        let scores = || Scores::new(&fitted(None, Task::MultiLabel, 3), &films).unwrap();
        let thresholds = scores().fitted.thresholds.unwrap();
        let is_fitted: Vec<bool> = thresholds.iter().map(Option::is_some).collect();
        assert_eq!(is_fitted, [true, false, false]);
        let of = |scores: Scores| computed(scores.metrics());
        let (all, counted) = (of(scores()), of(scores().without_small()));
        let alone = value(&all, "auroc:label 0");
        assert_eq!(value(&counted, "auroc"), alone);
        assert_eq!(value(&counted, "labels_with_auroc"), Some(1.0));
        assert_eq!(value(&all, "auroc"), Some((alone.unwrap() + 0.0) / 2.0));
        assert_eq!(value(&counted, "auroc:label 1"), Some(0.0), "still shown");
        let counts = scores().label_counts();
        assert_eq!(
            counts[1],
            (
                "auroc:label 1".to_owned(),
                LabelCount {
                    with: 1,
                    without: 29
                }
            )
        );

        // If all labels are small, all count: the run can still choose an epoch.
        let few = &films[..8];
        let scores = Scores::new(&fitted(None, Task::MultiLabel, 3), few).unwrap();
        let counted = of(scores.without_small());
        assert_eq!(value(&counted, "labels_with_auroc"), Some(1.0));
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
