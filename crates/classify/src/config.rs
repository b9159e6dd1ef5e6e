//! The settings of the classification head.

use mflag_head::{DataConfig, Error, Result, Settings};
use mflag_metrics::catalogue::{CLASSIFICATION, Metric};
use mflag_store::labels::{Policy, Targets};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of the classification head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassificationConfig {
    /// How many of the labels a film has.
    pub task: Task,
    /// Labels to learn, by their names in the store. If empty: the five labels of the policy
    /// `mgca5`; with other policies, all labels of the store.
    pub labels: Vec<String>,
    /// How uncertain and unmentioned findings count. `zeros`: both are absent (CheXclusion).
    /// `ones`: uncertain ones are present. `mgca5`: MGCA's five labels and rules. `ignore`:
    /// uncertain ones are left out of loss and metrics.
    pub policy: Policy,
    /// Fraction of the features that a training step sets to 0.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
}

impl Default for ClassificationConfig {
    fn default() -> Self {
        ClassificationConfig {
            task: Task::MultiLabel,
            labels: Vec::new(),
            policy: Policy::Zeros,
            dropout: 0.0,
        }
    }
}

/// How many of the labels a film has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Any number: a sigmoid for each label, binary cross-entropy.
    #[default]
    MultiLabel,
    /// One label, present or absent: as `multi_label`, with a single label.
    Binary,
    /// Exactly one: softmax, cross-entropy. Films with none or several are left out.
    MultiClass,
}

impl ClassificationConfig {
    /// The labels to learn from a store that has the labels `labels`.
    ///
    /// # Errors
    /// If the store lacks a label, or the task needs another number of labels.
    pub fn targets(&self, labels: &[String]) -> Result<Targets> {
        let chosen = || -> mflag_store::Result<Targets> {
            let all = self.policy.targets(labels)?;
            if self.labels.is_empty() {
                return Ok(all);
            }
            all.only(&self.labels)
        };
        let targets = chosen().map_err(|e| Error::Data(format!("head.labels: {e}")))?;
        match self.check_number(targets.names().len()) {
            Some(problem) => Err(Error::Data(problem)),
            None => Ok(targets),
        }
    }

    /// Returns an error message if the task does not allow this number of labels.
    fn check_number(&self, labels: usize) -> Option<String> {
        let rule = match self.task {
            Task::Binary if labels != 1 => "binary takes one label",
            Task::MultiClass if labels < 2 => "multi_class takes two classes or more",
            _ => return None,
        };
        Some(format!("head.labels: {labels} labels, but {rule}"))
    }
}

impl Settings for ClassificationConfig {
    const METRICS: &'static [Metric] = CLASSIFICATION;

    fn check(&self, _data: &DataConfig) -> Vec<String> {
        if self.labels.is_empty() {
            return vec![];
        }
        self.check_number(self.labels.len()).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|l| (*l).to_owned()).collect()
    }

    #[test]
    fn the_task_limits_the_number_of_labels() {
        let store = names(&["Edema", "Atelectasis", "Fracture"]);
        let learned = |task, labels: &[&str]| {
            let labels = names(labels);
            let config = ClassificationConfig {
                task,
                labels,
                ..Default::default()
            };
            let targets = config.targets(&store).map_err(|e| e.to_string());
            targets.map(|t| t.names().iter().map(|n| (*n).to_owned()).collect())
        };
        assert_eq!(learned(Task::MultiLabel, &[]), Ok(store.clone()));
        let two = &["Fracture", "Edema"];
        assert_eq!(learned(Task::MultiClass, two), Ok(names(two)));
        assert_eq!(learned(Task::Binary, &["Edema"]), Ok(names(&["Edema"])));
        let error = learned(Task::Binary, &[]).unwrap_err();
        assert_eq!(error, "head.labels: 3 labels, but binary takes one label");
        let error = learned(Task::MultiClass, &["Edema"]).unwrap_err();
        assert!(error.contains("two classes or more"), "{error}");
        let error = learned(Task::MultiLabel, &["Edma"]).unwrap_err();
        assert_eq!(
            error,
            "head.labels: label 'Edma' is unknown (did you mean 'Edema'?)"
        );
    }
}
