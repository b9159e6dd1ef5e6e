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
    /// What a film has of the labels.
    pub task: Task,
    /// Labels to learn, by their names in the store; all of them, or those of the policy, when empty.
    pub labels: Vec<String>,
    /// What uncertain findings are, and what not mentioned: `zeros` both absent (CheXclusion), `ones` uncertain present, `mgca5`
    /// MGCA's five labels and rules, `ignore` uncertain out of loss and metrics.
    pub policy: Policy,
    /// Part of the features that are left out in a training step.
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

/// What a film has of the labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Any number of them: a sigmoid each, binary cross-entropy.
    #[default]
    MultiLabel,
    /// The one label, or not: the same with a single label.
    Binary,
    /// Exactly one: softmax, cross-entropy. Films with none or several of them are left out.
    MultiClass,
}

impl ClassificationConfig {
    /// The labels to learn, for a store with these.
    ///
    /// # Errors
    /// If one is not there, or the task wants another number of them.
    pub fn targets(&self, labels: &[String]) -> Result<Targets> {
        let chosen = || -> mflag_store::Result<Targets> {
            let all = self.policy.targets(labels)?;
            if self.labels.is_empty() {
                return Ok(all);
            }
            all.only(&self.labels)
        };
        let targets = chosen().map_err(|e| Error::Data(format!("head.labels: {e}")))?;
        match self.wrong_number(targets.names().len()) {
            Some(problem) => Err(Error::Data(problem)),
            None => Ok(targets),
        }
    }

    /// What is wrong with this number of labels.
    fn wrong_number(&self, labels: usize) -> Option<String> {
        let wants = match self.task {
            Task::Binary if labels != 1 => "binary takes one label",
            Task::MultiClass if labels < 2 => "multi_class takes two classes or more",
            _ => return None,
        };
        Some(format!("head.labels: {labels} labels, and {wants}"))
    }
}

impl Settings for ClassificationConfig {
    const METRICS: &'static [Metric] = CLASSIFICATION;

    fn check(&self, _data: &DataConfig) -> Vec<String> {
        if self.labels.is_empty() {
            return vec![];
        }
        self.wrong_number(self.labels.len()).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|l| (*l).to_owned()).collect()
    }

    #[test]
    fn the_task_says_how_many_labels() {
        let store = names(&["Edema", "Atelectasis", "Fracture"]);
        let of = |task, labels: &[&str]| {
            let labels = names(labels);
            let config = ClassificationConfig {
                task,
                labels,
                ..Default::default()
            };
            let targets = config.targets(&store).map_err(|e| e.to_string());
            targets.map(|t| t.names().iter().map(|n| (*n).to_owned()).collect())
        };
        assert_eq!(of(Task::MultiLabel, &[]), Ok(store.clone()));
        let two = &["Fracture", "Edema"];
        assert_eq!(of(Task::MultiClass, two), Ok(names(two)));
        assert_eq!(of(Task::Binary, &["Edema"]), Ok(names(&["Edema"])));
        let told = of(Task::Binary, &[]).unwrap_err();
        assert_eq!(told, "head.labels: 3 labels, and binary takes one label");
        let told = of(Task::MultiClass, &["Edema"]).unwrap_err();
        assert!(told.contains("two classes or more"), "{told}");
        let told = of(Task::MultiLabel, &["Edma"]).unwrap_err();
        assert_eq!(
            told,
            "head.labels: label 'Edma' is unknown (did you mean 'Edema'?)"
        );
    }
}
