//! What prediction needs beside the weights: label names and thresholds.

use mflag_metrics::Counts;
#[cfg(doc)]
use mflag_metrics::classification::LabelCount;
use mflag_metrics::classification::Ranking;
use serde::{Deserialize, Serialize};

use crate::config::Task;

/// What prediction needs beside the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// How many of the labels a film has.
    pub task: Task,
    /// Names of the labels, in the order of the scores.
    pub labels: Vec<String>,
    /// A label counts as present from this probability on. It gives the highest F1 on the
    /// validation films, and lies halfway between the last film above it and the next one below, so
    /// that rounding changes no decision. A label has none if too few validation films have or lack
    /// it ([`LabelCount::is_small`]); it is then never called. `None` before training ends, and
    /// always for the task `multi_class`, where the most likely class counts as present.
    pub thresholds: Option<Vec<Option<f32>>>,
}

impl Fitted {
    /// Which labels count as present, given their probabilities; `None` for a label without a
    /// threshold. Before thresholds are fitted, 0.5 is used.
    pub fn present(&self, probabilities: &[f32]) -> Vec<Option<bool>> {
        if self.task == Task::MultiClass {
            let class = most_likely(probabilities);
            return (0..probabilities.len()).map(|c| Some(c == class)).collect();
        }
        let threshold = |label| match self.thresholds {
            Some(_) => self.threshold(label),
            None => Some(0.5),
        };
        let labels = probabilities.iter().enumerate();
        labels
            .map(|(label, p)| threshold(label).map(|threshold| *p >= threshold))
            .collect()
    }

    /// The probability from which on a label counts as present.
    pub fn threshold(&self, label: usize) -> Option<f32> {
        self.thresholds.as_ref()?.get(label).copied().flatten()
    }

    /// Adds thresholds chosen on films. `rankings` rank the films by their log-odds, for each
    /// label. A label gets none if its films are not `enough`.
    pub(crate) fn with_thresholds(
        &self,
        rankings: &[Ranking],
        enough: impl Fn(&Ranking) -> bool,
    ) -> mflag_metrics::Result<Fitted> {
        if self.task == Task::MultiClass {
            return Ok(self.clone());
        }
        let threshold = |ranking| {
            let threshold = enough(ranking).then(|| best_threshold(ranking));
            threshold.transpose()
        };
        let thresholds: mflag_metrics::Result<_> = rankings.iter().map(threshold).collect();
        Ok(Fitted {
            thresholds: Some(thresholds?),
            ..self.clone()
        })
    }
}

/// The threshold with the highest F1; 0.5 if no film has the label.
fn best_threshold(ranking: &Ranking) -> mflag_metrics::Result<f32> {
    let Some((score, _)) = ranking.best_f1(Counts::Once)? else {
        return Ok(0.5);
    };
    let next = ranking.below(score).map_or(0.0, probability);
    Ok(f32::midpoint(probability(score), next))
}

/// The index of the highest probability; the first of equal ones.
fn most_likely(probabilities: &[f32]) -> usize {
    let higher = |best: usize, class: usize| {
        if probabilities[class] > probabilities[best] {
            class
        } else {
            best
        }
    };
    (0..probabilities.len()).reduce(higher).unwrap_or(0)
}

/// Converts log-odds to a probability by the sigmoid.
pub fn probability(log_odds: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(log_odds)).exp())) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(task: Task, thresholds: Option<Vec<Option<f32>>>) -> Fitted {
        Fitted {
            task,
            labels: ["a", "b", "c"].map(str::to_owned).to_vec(),
            thresholds,
        }
    }

    #[test]
    fn a_label_is_present_from_its_threshold_on() {
        let p = [0.5, 0.2, 0.8];
        let labels = |thresholds| fitted(Task::MultiLabel, thresholds).present(&p);
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(labels(None), [yes, no, yes]);
        let thresholds = vec![Some(0.6), Some(0.2), None];
        assert_eq!(labels(Some(thresholds)), [no, yes, None]);
        let classes = fitted(Task::MultiClass, None);
        assert_eq!(classes.present(&p), [no, no, yes]);
        assert_eq!(most_likely(&[0.4, 0.4, 0.2]), 0);
    }

    /// Nine films with a label or without are too few for a threshold, ten are not. Models of
    /// older versions have a threshold for each label.
    #[test]
    fn a_threshold_needs_ten_films_on_each_side() {
        let ranking = |with: usize, without: usize| {
            let truth: Vec<Option<bool>> = (0..with + without).map(|i| Some(i < with)).collect();
            let scores: Vec<f32> = (0..with + without).map(|i| i as f32).collect();
            Ranking::new(&scores, &truth).unwrap()
        };
        for ((with, without), is_small) in [
            ((10, 10), false),
            ((9, 300), true),
            ((300, 9), true),
            ((0, 0), true),
        ] {
            let known = ranking(with, without).known();
            assert_eq!((known.with, known.without), (with, without));
            assert_eq!(known.is_small(), is_small, "{known:?}");
        }
        let old = r#"{"task": "multi_label", "labels": ["a"], "thresholds": [0.25]}"#;
        let old: Fitted = serde_json::from_str(old).unwrap();
        assert_eq!(old.threshold(0), Some(0.25));
    }

    #[test]
    fn thresholds_have_the_highest_f1() {
        let rank =
            |scores: [f32; 4], truth: [bool; 4]| Ranking::new(&scores, &truth.map(Some)).unwrap();
        let rankings = [
            rank([2.0, 0.0, -1.0, -3.0], [true, true, false, false]),
            rank([2.0, 0.0, -1.0, -3.0], [true, false, true, false]),
            rank([2.0, 0.0, -1.0, -3.0], [false; 4]),
        ];
        let labels = fitted(Task::MultiLabel, None);
        let chosen = labels.with_thresholds(&rankings, |_| true);
        let between = |a: f32, b: f32| f32::midpoint(probability(a), probability(b));
        let expected = [between(0.0, -1.0), between(-1.0, -3.0), 0.5].map(Some);
        assert_eq!(chosen.unwrap().thresholds.unwrap(), expected);
        let none = labels.with_thresholds(&rankings, |ranking| !ranking.known().is_small());
        assert_eq!(none.unwrap().thresholds.unwrap(), [None; 3]);
        let classes = fitted(Task::MultiClass, None);
        let unchanged = classes.with_thresholds(&rankings, |_| true);
        assert_eq!(unchanged.unwrap(), classes);
    }
}
