//! Training targets from raw labels: policies for uncertain and unmentioned findings.
//!
//! Records and stores keep the raw values (1 present, 0 absent, −1 uncertain, `None` not
//! mentioned). A policy is applied when targets are needed, so one store serves all policies. Under
//! each, present becomes 1 and absent becomes 0:
//!
//! | policy | uncertain | not mentioned | labels | source |
//! | --- | --- | --- | --- | --- |
//! | `zeros` | 0 | 0 | all | CheXclusion: "1 only where the value is above 0"; U-Zeros of CheXpert |
//! | `ones` | 1 | 0 | all | U-Ones of CheXpert |
//! | `mgca5` | 1 for Atelectasis, Edema, Pleural Effusion; 0 for Cardiomegaly, Consolidation | 0 | these five | MGCA |
//! | `ignore` | out of the loss | 0 | all | U-Ignore of CheXpert |
//!
//! CheXpert: Irvin et al., AAAI 2019, arXiv:1901.07031, section "Uncertainty Approaches". Its
//! official validation films have neither uncertain nor empty values, so a policy changes the
//! training but not the metrics on these films.

use mflag_core::suggest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The labels of [`Policy::Mgca5`] in the order of its targets, each with the target of an
/// uncertain value.
const MGCA5: [(&str, f32); 5] = [
    ("Atelectasis", 1.0),
    ("Cardiomegaly", 0.0),
    ("Consolidation", 0.0),
    ("Edema", 1.0),
    ("Pleural Effusion", 1.0),
];

/// A policy for uncertain and unmentioned labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Uncertain counts as absent.
    Zeros,
    /// Uncertain counts as present.
    Ones,
    /// The five labels and rules of MGCA.
    Mgca5,
    /// Uncertain is left out of loss and metrics.
    Ignore,
}

impl Policy {
    /// Applies the policy to a data set with these labels.
    ///
    /// # Errors
    /// If the data set has no labels, or lacks a label that the policy needs.
    pub fn targets(self, labels: &[String]) -> Result<Targets> {
        if labels.is_empty() {
            let reason = "the data set has no labels to train on";
            return Err(Error::Data(reason.to_owned()));
        }
        let all_labels = |uncertain: Option<f32>| {
            let rule = |(column, name): (usize, &String)| Target {
                name: name.clone(),
                column,
                uncertain,
            };
            labels.iter().enumerate().map(rule).collect()
        };
        let targets = match self {
            Policy::Zeros => all_labels(Some(0.0)),
            Policy::Ones => all_labels(Some(1.0)),
            Policy::Ignore => all_labels(None),
            Policy::Mgca5 => mgca5(labels)?,
        };
        Ok(Targets(targets))
    }
}

fn mgca5(labels: &[String]) -> Result<Vec<Target>> {
    let target = |(name, uncertain): (&str, f32)| {
        let column = labels.iter().position(|label| label == name);
        let column = column.ok_or_else(|| {
            let hint = suggest::hint(name, labels.iter().map(String::as_str));
            Error::Data(format!(
                "label policy 'mgca5' needs the label '{name}', which the data set lacks{hint}; \
                 use zeros, ones or ignore"
            ))
        })?;
        Ok(Target {
            name: name.to_owned(),
            column,
            uncertain: Some(uncertain),
        })
    };
    MGCA5.into_iter().map(target).collect()
}

/// The targets of a data set's films under a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets(Vec<Target>);

#[derive(Debug, Clone, PartialEq)]
struct Target {
    name: String,
    /// Index of the label in the data set.
    column: usize,
    /// The target of an uncertain value; `None`: left out of the loss.
    uncertain: Option<f32>,
}

impl Targets {
    /// Names of the targets in order.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|target| target.name.as_str()).collect()
    }

    /// Selects the targets of these names, in the order of `names`. RSNA's pneumonia, for example,
    /// is `["Lung Opacity"]` alone.
    ///
    /// # Errors
    /// If `names` is empty or has a name twice, or a name is unknown. The message suggests the
    /// nearest name.
    pub fn only(&self, names: &[String]) -> Result<Targets> {
        if names.is_empty() {
            let reason = "the list of labels is empty: name a label, or remove the list to use all";
            return Err(Error::Data(reason.to_owned()));
        }
        let chosen = names.iter().enumerate().map(|(index, name)| {
            if names[..index].contains(name) {
                return Err(Error::Data(format!("label '{name}' is named twice")));
            }
            let target = self.0.iter().find(|target| target.name == *name);
            target.cloned().ok_or_else(|| {
                let hint = suggest::hint(name, self.names());
                Error::Data(format!("label '{name}' is unknown{hint}"))
            })
        });
        Ok(Targets(chosen.collect::<Result<_>>()?))
    }

    /// Whether each target is present on a film with these raw values; `None` where that is
    /// unknown. A film without any raw value has no known target.
    pub fn truth(&self, values: &[Option<f32>]) -> Vec<Option<bool>> {
        if values.iter().all(Option::is_none) {
            return vec![None; self.0.len()];
        }
        let targets = self.values(values).into_iter();
        targets.map(|value| value.map(|v| v > 0.0)).collect()
    }

    /// The targets of a film with these raw values: 1, 0, or `None` where the loss leaves it out.
    /// On a film without raw values, no finding is mentioned.
    fn values(&self, raw: &[Option<f32>]) -> Vec<Option<f32>> {
        let target = |t: &Target| match raw.get(t.column).copied().flatten() {
            Some(value) if value > 0.0 => Some(1.0),
            Some(value) if value < 0.0 => t.uncertain,
            Some(_) | None => Some(0.0),
        };
        self.0.iter().map(target).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|l| (*l).to_owned()).collect()
    }

    /// Each policy on each raw value, for labels whose uncertain value MGCA takes as present and as
    /// absent.
    #[test]
    fn policies_follow_the_table() {
        let labels = names(&[
            "Pleural Effusion",
            "Edema",
            "Consolidation",
            "Cardiomegaly",
            "Atelectasis",
            "Fracture",
        ]);
        let raw = [Some(1.0), Some(0.0), Some(-1.0), None];
        let golden = [
            (
                Policy::Zeros,
                "Edema",
                [Some(1.0), Some(0.0), Some(0.0), Some(0.0)],
            ),
            (
                Policy::Ones,
                "Edema",
                [Some(1.0), Some(0.0), Some(1.0), Some(0.0)],
            ),
            (
                Policy::Ignore,
                "Edema",
                [Some(1.0), Some(0.0), None, Some(0.0)],
            ),
            (
                Policy::Mgca5,
                "Atelectasis",
                [Some(1.0), Some(0.0), Some(1.0), Some(0.0)],
            ),
            (
                Policy::Mgca5,
                "Cardiomegaly",
                [Some(1.0), Some(0.0), Some(0.0), Some(0.0)],
            ),
            (
                Policy::Mgca5,
                "Consolidation",
                [Some(1.0), Some(0.0), Some(0.0), Some(0.0)],
            ),
            (
                Policy::Mgca5,
                "Edema",
                [Some(1.0), Some(0.0), Some(1.0), Some(0.0)],
            ),
            (
                Policy::Mgca5,
                "Pleural Effusion",
                [Some(1.0), Some(0.0), Some(1.0), Some(0.0)],
            ),
        ];
        for (policy, label, expected) in golden {
            let targets = policy.targets(&labels).unwrap();
            let index = targets.names().iter().position(|n| *n == label).unwrap();
            let got = raw.map(|value| targets.values(&vec![value; labels.len()])[index]);
            assert_eq!(got, expected, "{policy:?} {label}");
        }
        let five = Policy::Mgca5.targets(&labels).unwrap();
        assert_eq!(five.names(), MGCA5.map(|(name, _)| name));
        let values = [Some(1.0), None, Some(-1.0), Some(1.0), Some(0.0), Some(1.0)];
        let expected = [0.0, 1.0, 0.0, 0.0, 1.0].map(Some);
        assert_eq!(
            five.values(&values),
            expected,
            "each label has its own column"
        );
        assert_eq!(
            Policy::Ignore.targets(&labels).unwrap().values(&[]),
            [Some(0.0); 6]
        );
    }

    #[derive(Deserialize)]
    struct Golden {
        labels: Vec<String>,
        raw: Vec<Vec<Option<f32>>>,
        mgca5: Vec<Vec<Option<f32>>>,
        zeros: Vec<Vec<Option<f32>>>,
    }

    /// Targets equal those of MGCA's and CheXclusion's rules (tests/oracle/labels.py).
    #[test]
    fn targets_equal_those_of_published_protocols() {
        let golden = include_str!("../../../tests/golden/labels/policies.json");
        let golden: Golden = serde_json::from_str(golden).unwrap();
        for (policy, expected) in [
            (Policy::Mgca5, &golden.mgca5),
            (Policy::Zeros, &golden.zeros),
        ] {
            let targets = policy.targets(&golden.labels).unwrap();
            let found: Vec<_> = golden.raw.iter().map(|raw| targets.values(raw)).collect();
            assert_eq!(&found, expected, "{policy:?}");
        }
        assert_eq!(golden.raw.len(), 40);
    }

    #[test]
    fn labels_can_be_selected() {
        let labels = names(&["Lung Opacity", "No Lung Opacity / Not Normal", "Normal"]);
        let all = Policy::Zeros.targets(&labels).unwrap();
        let raw = [Some(1.0), Some(0.0), None];
        let two = all.only(&names(&["Normal", "Lung Opacity"])).unwrap();
        assert_eq!(two.names(), ["Normal", "Lung Opacity"]);
        assert_eq!(two.values(&raw), [Some(0.0), Some(1.0)]);
        let error = |chosen: &[&str]| all.only(&names(chosen)).unwrap_err().to_string();
        assert_eq!(
            error(&["Lung opacty"]),
            "label 'Lung opacty' is unknown (did you mean 'Lung Opacity'?)"
        );
        assert_eq!(
            error(&["Normal", "Normal"]),
            "label 'Normal' is named twice"
        );
        assert!(error(&[]).contains("name a label"));
    }

    #[test]
    fn errors_name_the_missing_label() {
        let targets = Policy::Mgca5.targets(&names(&["Atelectasis", "Effusion"]));
        let error = targets.unwrap_err().to_string();
        assert!(error.contains("needs the label 'Cardiomegaly'"), "{error}");
        assert!(Policy::Zeros.targets(&[]).is_err());
    }
}
