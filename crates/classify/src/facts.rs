//! What the data tell of the labels.

use mflag_metrics::Counts;
use mflag_metrics::classification::Ranking;
use mflag_store::labels::Targets;
use serde::{Deserialize, Serialize};

use crate::config::Task;

/// What prediction needs to know beside the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// What a film has of the labels.
    pub task: Task,
    /// Names of the labels, in the order of the scores.
    pub labels: Vec<String>,
    /// A label is called present from this probability on, which has the highest F1 among the validation films. It lies halfway from the
    /// last film called to the next one, so that rounding changes nothing. None are chosen before training ends, nor ever for classes,
    /// of which the likeliest is called.
    pub thresholds: Option<Vec<f32>>,
}

impl Facts {
    /// Which labels are called present of a film with these probabilities; without thresholds from a half on.
    pub fn called(&self, probabilities: &[f32]) -> Vec<bool> {
        if self.task == Task::MultiClass {
            let likeliest = self.likeliest(probabilities);
            return (0..probabilities.len())
                .map(|class| class == likeliest)
                .collect();
        }
        let called = probabilities.iter().enumerate();
        called
            .map(|(label, p)| *p >= self.threshold(label).unwrap_or(0.5))
            .collect()
    }

    /// The probability from which on a label is called present.
    pub fn threshold(&self, label: usize) -> Option<f32> {
        self.thresholds.as_ref()?.get(label).copied()
    }

    /// The place of the highest probability, of equal ones the first.
    pub(crate) fn likeliest(&self, probabilities: &[f32]) -> usize {
        let higher = |best: usize, class: usize| {
            if probabilities[class] > probabilities[best] {
                class
            } else {
                best
            }
        };
        (0..probabilities.len()).reduce(higher).unwrap_or(0)
    }

    /// These facts with thresholds chosen among films so ranked, a ranking of log-odds a label.
    pub(crate) fn with_thresholds(&self, rankings: &[Ranking]) -> mflag_metrics::Result<Facts> {
        let mut facts = self.clone();
        if self.task != Task::MultiClass {
            let best = |ranking: &Ranking| {
                let Some((score, _)) = ranking.best_f1(Counts::Once)? else {
                    return Ok(0.5);
                };
                let below = ranking.below(score).map_or(0.0, probability);
                Ok(f32::midpoint(probability(score), below))
            };
            let thresholds: mflag_metrics::Result<_> = rankings.iter().map(best).collect();
            facts.thresholds = Some(thresholds?);
        }
        Ok(facts)
    }
}

/// What is known of a film with these raw values, a truth a label; of classes all or nothing.
pub(crate) fn truth(task: Task, targets: &Targets, values: &[Option<f32>]) -> Vec<Option<bool>> {
    let mut truth = targets.truth(values);
    let present = truth.iter().filter(|t| **t == Some(true)).count();
    if task == Task::MultiClass && (present != 1 || truth.contains(&None)) {
        truth.fill(None);
    }
    truth
}

/// The probability that belongs to log-odds: their sigmoid.
pub fn probability(log_odds: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(log_odds)).exp())) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use mflag_store::labels::Policy;

    fn facts(task: Task, thresholds: Option<Vec<f32>>) -> Facts {
        Facts {
            task,
            labels: ["a", "b", "c"].map(str::to_owned).to_vec(),
            thresholds,
        }
    }

    #[test]
    fn a_class_is_known_if_it_is_the_only_one() {
        let labels = ["a", "b", "c"].map(str::to_owned);
        let of = |task, policy: Policy, values: [Option<f32>; 3]| {
            truth(task, &policy.targets(&labels).unwrap(), &values)
        };
        let (yes, no) = (Some(true), Some(false));
        let class = |values| of(Task::MultiClass, Policy::Zeros, values);
        assert_eq!(class([Some(0.0), Some(1.0), None]), [no, yes, no]);
        assert_eq!(class([Some(1.0), Some(1.0), None]), [None; 3]);
        assert_eq!(class([Some(0.0), Some(0.0), Some(-1.0)]), [None; 3]);
        let uncertain = [Some(1.0), Some(-1.0), None];
        assert_eq!(
            of(Task::MultiClass, Policy::Ignore, uncertain),
            [None; 3],
            "it may be the other"
        );
        assert_eq!(
            of(Task::MultiLabel, Policy::Ignore, uncertain),
            [yes, None, no]
        );
        assert_eq!(
            of(Task::MultiLabel, Policy::Zeros, [None; 3]),
            [None; 3],
            "nobody has labelled this film"
        );
    }

    #[test]
    fn what_reaches_its_threshold_is_called() {
        let p = [0.5, 0.2, 0.8];
        let labels = |thresholds| facts(Task::MultiLabel, thresholds).called(&p);
        assert_eq!(labels(None), [true, false, true]);
        assert_eq!(labels(Some(vec![0.6, 0.2, 0.9])), [false, true, false]);
        let classes = facts(Task::MultiClass, None);
        assert_eq!(classes.called(&p), [false, false, true]);
        assert_eq!(classes.likeliest(&[0.4, 0.4, 0.2]), 0);
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
        let chosen = facts(Task::MultiLabel, None).with_thresholds(&rankings);
        let between = |a: f32, b: f32| f32::midpoint(probability(a), probability(b));
        let expected = [between(0.0, -1.0), between(-1.0, -3.0), 0.5];
        assert_eq!(chosen.unwrap().thresholds.unwrap(), expected);
        let classes = facts(Task::MultiClass, None);
        assert_eq!(classes.with_thresholds(&rankings).unwrap(), classes);
    }
}
