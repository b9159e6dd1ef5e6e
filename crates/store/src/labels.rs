//! What raw labels mean in training: policies for uncertain and unmentioned findings.
//!
//! Records and stores keep the raw values (1 present, 0 absent, −1 uncertain, `None` not mentioned). A policy is applied
//! when targets are needed, so that one store serves all of them. Present and absent stay 1 and 0 under each:
//!
//! | policy | uncertain | not mentioned | labels | source |
//! | --- | --- | --- | --- | --- |
//! | `zeros` | 0 | 0 | all | CheXclusion: "1 only where the value is above 0"; U-Zeros of CheXpert |
//! | `ones` | 1 | 0 | all | U-Ones of CheXpert |
//! | `mgca5` | 1 for Atelectasis, Edema, Pleural Effusion; 0 for Cardiomegaly, Consolidation | 0 | these five | MGCA |
//! | `ignore` | out of the loss | 0 | all | U-Ignore of CheXpert |
//!
//! CheXpert: Irvin et al., AAAI 2019, arXiv:1901.07031, section "Uncertainty Approaches". Its official validation films
//! have neither uncertain nor empty values, so a policy changes training, and no measurement on them.

use mflag_core::suggest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The five labels of [`Policy::Mgca5`] with what uncertain means, in the order of its targets.
const MGCA5: [(&str, f32); 5] = [
    ("Atelectasis", 1.0),
    ("Cardiomegaly", 0.0),
    ("Consolidation", 0.0),
    ("Edema", 1.0),
    ("Pleural Effusion", 1.0),
];

/// A policy: the table above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Uncertain is absent.
    Zeros,
    /// Uncertain is present.
    Ones,
    /// The five labels and rules of MGCA.
    Mgca5,
    /// Uncertain does not count.
    Ignore,
}

impl Policy {
    /// The policy, for a data set with these labels.
    ///
    /// # Errors
    /// If the data set lacks a label that the policy is about, or has no labels.
    pub fn targets(self, labels: &[String]) -> Result<Targets> {
        if labels.is_empty() {
            let told = "the data set has no labels, so there is nothing to train on";
            return Err(Error::Data(told.to_owned()));
        }
        let of_all = |uncertain: Option<f32>| {
            let rule = |(column, name): (usize, &String)| Target {
                name: name.clone(),
                column,
                uncertain,
            };
            labels.iter().enumerate().map(rule).collect()
        };
        let targets = match self {
            Policy::Zeros => of_all(Some(0.0)),
            Policy::Ones => of_all(Some(1.0)),
            Policy::Ignore => of_all(None),
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
                "label policy 'mgca5' needs the label '{name}', which the data set lacks{hint}; take zeros, ones or ignore"
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

/// A policy for the labels of one data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets(Vec<Target>);

#[derive(Debug, Clone, PartialEq)]
struct Target {
    name: String,
    /// Its place among the data set's labels.
    column: usize,
    /// What uncertain means; `None`: it does not count.
    uncertain: Option<f32>,
}

impl Targets {
    /// Names of the targets, in their order.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|target| target.name.as_str()).collect()
    }

    /// Those of these names, in the order of `names`: RSNA's pneumonia is `["Lung Opacity"]` alone.
    ///
    /// # Errors
    /// If one is unknown, the message has the nearest, or there twice, or there is none.
    pub fn only(&self, names: &[String]) -> Result<Targets> {
        if names.is_empty() {
            let told =
                "no label is named: name one at least, or leave the choice out for all of them";
            return Err(Error::Data(told.to_owned()));
        }
        let chosen = names.iter().enumerate().map(|(place, name)| {
            if names[..place].contains(name) {
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

    /// What is known of a film with these raw values, one a name: present, absent or, as of a film without any value, nothing.
    pub fn truth(&self, values: &[Option<f32>]) -> Vec<Option<bool>> {
        if values.iter().all(Option::is_none) {
            return vec![None; self.0.len()];
        }
        let targets = self.of(values).into_iter();
        targets.map(|value| value.map(|v| v > 0.0)).collect()
    }

    /// The targets of a film with these raw values, one a name: 1, 0, or `None` where the loss leaves it out. A film
    /// without values has all of them unmentioned.
    pub fn of(&self, values: &[Option<f32>]) -> Vec<Option<f32>> {
        let target = |t: &Target| match values.get(t.column).copied().flatten() {
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

    /// Each policy on each raw value, of a label that MGCA takes for present when uncertain, and of one for absent.
    #[test]
    fn the_policies_are_the_table() {
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
            let place = targets.names().iter().position(|n| *n == label).unwrap();
            let got = raw.map(|value| targets.of(&vec![value; labels.len()])[place]);
            assert_eq!(got, expected, "{policy:?} {label}");
        }
        let five = Policy::Mgca5.targets(&labels).unwrap();
        assert_eq!(five.names(), MGCA5.map(|(name, _)| name));
        let values = [Some(1.0), None, Some(-1.0), Some(1.0), Some(0.0), Some(1.0)];
        let expected = [0.0, 1.0, 0.0, 0.0, 1.0].map(Some);
        assert_eq!(five.of(&values), expected, "each label by its own column");
        assert_eq!(
            Policy::Ignore.targets(&labels).unwrap().of(&[]),
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

    /// Against the rules of MGCA and CheXclusion (tests/oracle/labels.py): equal.
    #[test]
    fn published_protocols_have_their_targets() {
        let golden = include_str!("../../../tests/golden/labels/policies.json");
        let golden: Golden = serde_json::from_str(golden).unwrap();
        for (policy, expected) in [
            (Policy::Mgca5, &golden.mgca5),
            (Policy::Zeros, &golden.zeros),
        ] {
            let targets = policy.targets(&golden.labels).unwrap();
            let found: Vec<_> = golden.raw.iter().map(|raw| targets.of(raw)).collect();
            assert_eq!(&found, expected, "{policy:?}");
        }
        assert_eq!(golden.raw.len(), 40);
    }

    #[test]
    fn some_of_the_labels_will_do() {
        let labels = names(&["Lung Opacity", "No Lung Opacity / Not Normal", "Normal"]);
        let all = Policy::Zeros.targets(&labels).unwrap();
        let raw = [Some(1.0), Some(0.0), None];
        let two = all.only(&names(&["Normal", "Lung Opacity"])).unwrap();
        assert_eq!(two.names(), ["Normal", "Lung Opacity"]);
        assert_eq!(two.of(&raw), [Some(0.0), Some(1.0)]);
        let told = |chosen: &[&str]| all.only(&names(chosen)).unwrap_err().to_string();
        assert_eq!(
            told(&["Lung opacty"]),
            "label 'Lung opacty' is unknown (did you mean 'Lung Opacity'?)"
        );
        assert_eq!(told(&["Normal", "Normal"]), "label 'Normal' is named twice");
        assert!(told(&[]).contains("name one at least"));
    }

    #[test]
    fn messages_help() {
        let told = Policy::Mgca5.targets(&names(&["Atelectasis", "Effusion"]));
        let told = told.unwrap_err().to_string();
        assert!(told.contains("needs the label 'Cardiomegaly'"), "{told}");
        assert!(Policy::Zeros.targets(&[]).is_err());
    }
}
