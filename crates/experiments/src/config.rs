//! What an experiment is made of. Paths are relative to the folder the command is run in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mflag_core::config::Config;
use mflag_core::suggest;
use mflag_core::table::percent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Values of a configuration that differ from its file's: `train.epochs: 5`.
pub type Sets = BTreeMap<String, Value>;

/// Tasks × encoders × fractions of the labels × seeds.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Experiments {
    /// What the tables are about.
    pub title: String,
    /// Folder of all runs, and of the tables.
    pub runs: PathBuf,
    /// What is measured, each in a table of its own.
    pub tasks: Vec<TaskConfig>,
    /// What is compared. Differences are those to the first.
    pub encoders: Vec<EncoderConfig>,
    /// Parts of the training labels.
    pub fractions: Vec<f64>,
    /// Each cell is run with each: it is `train.seed`, and chooses the patients of a fraction.
    pub seeds: Vec<u64>,
    /// Further differences to tell.
    pub compare: Vec<Pair>,
    /// Published numbers to stand beside the measured ones.
    pub published: Option<PathBuf>,
}

/// A head trained and judged on a data set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskConfig {
    /// Heading of its table, such as `SIIM Dice`; the same in the file of published numbers.
    pub name: String,
    /// The head's program.
    pub program: Program,
    /// The head's configuration.
    pub config: PathBuf,
    /// The metric of the test split that fills the table.
    pub metric: String,
    /// What differs from the configuration.
    #[serde(default)]
    pub set: Sets,
    /// What else differs at one of the fractions.
    #[serde(default)]
    pub at: Vec<AtFraction>,
}

/// What differs at a fraction of the labels.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtFraction {
    /// One of the experiment's fractions.
    pub fraction: f64,
    /// What differs from the configuration.
    pub set: Sets,
}

/// A head's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Program {
    /// Classification.
    #[serde(rename = "mflag-classify")]
    Classify,
    /// Segmentation.
    #[serde(rename = "mflag-segment")]
    Segment,
    /// Detection.
    #[serde(rename = "mflag-detect")]
    Detect,
}

impl Program {
    /// Its binary.
    pub fn name(self) -> &'static str {
        match self {
            Program::Classify => "mflag-classify",
            Program::Segment => "mflag-segment",
            Program::Detect => "mflag-detect",
        }
    }

    /// The metrics of its evaluations; those of single labels follow a colon, as in `auroc:Edema`.
    fn metrics(self) -> &'static [&'static str] {
        match self {
            Program::Classify => &[
                "auroc",
                "average_precision",
                "f1",
                "accuracy",
                "calibration_error",
            ],
            Program::Segment => &["dice", "dice_positives", "iou", "iou_positives"],
            Program::Detect => &["map", "map_mgca", "ap50", "ap"],
        }
    }
}

/// An encoder under the heads: random, of a file, or pre-trained here first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// Its name in the tables; the same in the file of published numbers.
    pub name: String,
    /// Its weights; random where neither these nor `pretrain` are given.
    #[serde(default)]
    pub weights: Option<PathBuf>,
    /// A pre-training run that makes it.
    #[serde(default)]
    pub pretrain: Option<PretrainConfig>,
    /// What differs from the heads' configurations.
    #[serde(default)]
    pub set: Sets,
}

/// A pre-training run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// Its configuration.
    pub config: PathBuf,
    /// What differs from it.
    #[serde(default)]
    pub set: Sets,
}

/// A difference to tell: the first less the second.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Name of an encoder.
    pub encoder: String,
    /// The fraction it learned from.
    pub fraction: f64,
    /// Name of the other encoder.
    pub than: String,
    /// The fraction that one learned from.
    pub than_fraction: f64,
}

impl Experiments {
    /// The folder of an encoder's pre-training run.
    pub fn pretraining(&self, encoder: &EncoderConfig) -> PathBuf {
        self.runs.join("encoders").join(file_name(&encoder.name))
    }

    /// Where an encoder lies, or will.
    pub fn weights(&self, encoder: &EncoderConfig) -> Option<PathBuf> {
        match &encoder.pretrain {
            Some(_) => Some(self.pretraining(encoder).join("encoder.safetensors")),
            None => encoder.weights.clone(),
        }
    }

    /// The places of an encoder and a fraction, if both are of the experiment.
    pub fn place(&self, encoder: &str, fraction: f64) -> Option<[usize; 2]> {
        let encoder = self.encoders.iter().position(|e| e.name == encoder)?;
        let fraction = self.fractions.iter().position(|f| *f == fraction)?;
        Some([encoder, fraction])
    }

    fn check_pair(&self, pair: &Pair, problems: &mut Vec<String>) {
        for name in [&pair.encoder, &pair.than] {
            let known = self.encoders.iter().map(|e| e.name.as_str());
            if !known.clone().any(|k| k == name) {
                let hint = suggest::hint(name, known);
                problems.push(format!("compare: no encoder is named '{name}'{hint}"));
            }
        }
        for fraction in [pair.fraction, pair.than_fraction] {
            self.check_fraction("compare", fraction, problems);
        }
    }

    fn check_fraction(&self, place: &str, fraction: f64, problems: &mut Vec<String>) {
        if !self.fractions.contains(&fraction) {
            problems.push(format!(
                "{place}: {fraction} is none of the fractions {:?}",
                self.fractions
            ));
        }
    }
}

impl Config for Experiments {
    fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.runs.as_os_str().is_empty() {
            problems.push("runs: is missing; name the folder of the runs".into());
        }
        problems.extend(wrong_fractions(&self.fractions).next());
        let names: [(&str, Vec<String>); 4] = [
            ("tasks", self.tasks.iter().map(|t| t.name.clone()).collect()),
            (
                "encoders",
                self.encoders.iter().map(|e| e.name.clone()).collect(),
            ),
            (
                "fractions",
                self.fractions.iter().map(|f| percent(*f)).collect(),
            ),
            ("seeds", self.seeds.iter().map(u64::to_string).collect()),
        ];
        for (list, names) in &names {
            if names.is_empty() {
                problems.push(format!("{list}: is empty; name at least one"));
            }
            own_folders(list, names, &mut problems);
        }
        for encoder in &self.encoders {
            if encoder.weights.is_some() && encoder.pretrain.is_some() {
                let name = &encoder.name;
                problems.push(format!(
                    "encoders: '{name}' has both weights and pretrain; leave one out"
                ));
            }
        }
        for task in &self.tasks {
            let (family, _) = task.metric.split_once(':').unwrap_or((&task.metric, ""));
            let known = task.program.metrics();
            if !known.contains(&family) {
                let hint = suggest::hint(family, known.iter().copied());
                problems.push(format!(
                    "tasks: '{}': {} has no metric '{family}'{hint}",
                    task.name,
                    task.program.name()
                ));
            }
            for at in &task.at {
                let place = format!("tasks: '{}': at", task.name);
                self.check_fraction(&place, at.fraction, &mut problems);
            }
        }
        for pair in &self.compare {
            self.check_pair(pair, &mut problems);
        }
        problems
    }
}

/// What is wrong with fractions of the labels, a line each.
pub(crate) fn wrong_fractions(fractions: &[f64]) -> impl Iterator<Item = String> {
    let wrong = fractions.iter().filter(|f| !(**f > 0.0 && **f <= 1.0));
    wrong.map(|f| format!("fractions: {f} is not above 0 and at most 1 (1 % is 0.01)"))
}

/// Refuses two names that would share a folder.
fn own_folders(list: &str, names: &[String], problems: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for name in names {
        let file = file_name(name);
        if !file.contains(char::is_alphanumeric) {
            problems.push(format!(
                "{list}: '{name}' holds no letter or digit, and its runs need a folder"
            ));
        } else if !seen.insert(file) {
            problems.push(format!(
                "{list}: '{name}' stands there twice, or differs from another in capitals and signs alone"
            ));
        }
    }
}

/// A name as that of a folder: `SIIM Dice` → `siim-dice`.
pub fn file_name(name: &str) -> String {
    let words = name.split(|c: char| !(c.is_alphanumeric() || c == '.'));
    let words: Vec<String> = words
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mflag_core::config::from_yaml;
    use std::path::Path;

    const GOOD: &str = "title: T
runs: r
tasks: [{ name: SIIM Dice, program: mflag-segment, config: c.yaml, metric: dice, at: [{ fraction: 0.01, set: { train.epochs: 3 } }] }]
encoders: [{ name: Random }, { name: M-FLAG, weights: e.safetensors }]
fractions: [0.01, 1.0]
seeds: [0]
compare: [{ encoder: M-FLAG, fraction: 0.01, than: Random, than_fraction: 1.0 }]
";

    fn problem(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from));
        let text = GOOD.replace(from, to);
        let told = from_yaml::<Experiments>(&text, Path::new("e.yaml")).unwrap_err();
        told.to_string()
    }

    #[test]
    fn slips_are_told() {
        from_yaml::<Experiments>(GOOD, Path::new("e.yaml")).unwrap();
        for (from, to, told) in [
            ("[0]", "[]", "seeds: is empty"),
            ("[0]", "[0, 0]", "seeds: '0' stands there twice"),
            ("[0.01, 1.0]", "[0.01, 2]", "fractions: 2 is not above 0"),
            ("[0.01, 1.0]", "[1.0]", "at: 0.01 is none of the fractions"),
            (
                "{ name: Random }",
                "{ name: m flag }",
                "'M-FLAG' stands there twice",
            ),
            ("than: Random", "than: Randm", "did you mean 'Random'?"),
            ("metric: dice", "metric: dise", "did you mean 'dice'?"),
            ("runs: r", "published: p", "runs"),
            ("runs: r", "title: r", "duplicate entry with key"),
            (
                "{ name: Random }",
                "{ name: .. }",
                "holds no letter or digit",
            ),
            ("mflag-segment", "mflag-segmnt", "mflag-segment"),
            (
                "weights: e.safetensors",
                "weights: e, pretrain: { config: c }",
                "leave one out",
            ),
        ] {
            let found = problem(from, to);
            assert!(found.contains(told), "{found}");
        }
    }

    #[test]
    fn names_become_folders() {
        assert_eq!(file_name("SIIM Dice (of films)"), "siim-dice-of-films");
        assert_eq!(file_name("M-FLAG"), "m-flag");
    }
}
