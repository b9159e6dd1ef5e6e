//! What prediction needs beside the weights: label names and thresholds.

use mflag_metrics::Counts;
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
    /// that rounding changes no decision. `None` before training ends, and always for the task
    /// `multi_class`, where the most likely class counts as present.
    pub thresholds: Option<Vec<f32>>,
}

impl Fitted {
    /// Which labels count as present, given their probabilities. Without thresholds, 0.5 is used.
    pub fn present(&self, probabilities: &[f32]) -> Vec<bool> {
        if self.task == Task::MultiClass {
            let class = most_likely(probabilities);
            return (0..probabilities.len()).map(|c| c == class).collect();
        }
        probabilities
            .iter()
            .enumerate()
            .map(|(label, p)| *p >= self.threshold(label).unwrap_or(0.5))
            .collect()
    }

    /// The probability from which on a label counts as present.
    pub fn threshold(&self, label: usize) -> Option<f32> {
        self.thresholds.as_ref()?.get(label).copied()
    }

    /// Adds thresholds chosen on films. `rankings` rank the films by their log-odds, for each
    /// label.
    pub(crate) fn with_thresholds(&self, rankings: &[Ranking]) -> mflag_metrics::Result<Fitted> {
        if self.task == Task::MultiClass {
            return Ok(self.clone());
        }
        let thresholds: mflag_metrics::Result<_> = rankings.iter().map(best_threshold).collect();
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

    fn fitted(task: Task, thresholds: Option<Vec<f32>>) -> Fitted {
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
        assert_eq!(labels(None), [true, false, true]);
        assert_eq!(labels(Some(vec![0.6, 0.2, 0.9])), [false, true, false]);
        let classes = fitted(Task::MultiClass, None);
        assert_eq!(classes.present(&p), [false, false, true]);
        assert_eq!(most_likely(&[0.4, 0.4, 0.2]), 0);
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
        let chosen = fitted(Task::MultiLabel, None).with_thresholds(&rankings);
        let between = |a: f32, b: f32| f32::midpoint(probability(a), probability(b));
        let expected = [between(0.0, -1.0), between(-1.0, -3.0), 0.5];
        assert_eq!(chosen.unwrap().thresholds.unwrap(), expected);
        let classes = fitted(Task::MultiClass, None);
        assert_eq!(classes.with_thresholds(&rankings).unwrap(), classes);
    }
}
