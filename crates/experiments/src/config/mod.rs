//! The configuration of an experiment. Paths are relative to the current folder.

mod check;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mflag_metrics::catalogue::{CLASSIFICATION, DETECTION, Metric, SEGMENTATION};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use check::wrong_fractions;

/// Values that replace those of a configuration, by dotted key: `train.epochs: 5`.
pub type Overrides = BTreeMap<String, Value>;

/// An experiment: tasks × encoders × fractions of the labels × seeds.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Experiment {
    /// Title of the tables.
    pub title: String,
    /// Folder of all runs and of the tables.
    pub runs: PathBuf,
    /// Tasks to measure; each has a table.
    pub tasks: Vec<TaskConfig>,
    /// Encoders to compare. Tables show the difference of each encoder from the first.
    pub encoders: Vec<EncoderConfig>,
    /// Fractions of the training labels, such as `0.01` for 1 %.
    pub fractions: Vec<f64>,
    /// Each combination is run with each seed. The seed sets `train.seed`, and chooses the patients
    /// of a fraction.
    pub seeds: Vec<u64>,
    /// Additional differences to compute.
    pub compare: Vec<Pair>,
    /// File of published numbers to show beside the measured ones.
    pub published: Option<PathBuf>,
}

/// A head that is trained and evaluated on a data set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskConfig {
    /// Heading of the task's table, such as `SIIM Dice`. The file of published numbers uses the
    /// same name.
    pub name: String,
    /// The head's program.
    pub program: Program,
    /// File of the head's configuration.
    pub config: PathBuf,
    /// The metric on the test split that the table shows.
    pub metric: String,
    /// Values that replace those of the configuration.
    #[serde(default)]
    pub set: Overrides,
    /// Further values that apply at one fraction only.
    #[serde(default)]
    pub at: Vec<AtFraction>,
}

/// Values that apply at one fraction of the labels.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtFraction {
    /// One of the experiment's fractions.
    pub fraction: f64,
    /// Values that replace those of the configuration.
    pub set: Overrides,
}

/// The program of a head.
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
    /// Name of the binary.
    pub fn name(self) -> &'static str {
        match self {
            Program::Classify => "mflag-classify",
            Program::Segment => "mflag-segment",
            Program::Detect => "mflag-detect",
        }
    }

    /// The metrics of the head's evaluations.
    fn metrics(self) -> &'static [Metric] {
        match self {
            Program::Classify => CLASSIFICATION,
            Program::Segment => SEGMENTATION,
            Program::Detect => DETECTION,
        }
    }
}

/// The encoder under the heads: random, from a file, or pre-trained by the experiment.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// Name of the encoder in the tables. The file of published numbers uses the same name.
    pub name: String,
    /// File of the encoder's weights. Without `weights` and `pretrain`, the encoder is random.
    #[serde(default)]
    pub weights: Option<PathBuf>,
    /// The pre-training that makes the encoder.
    #[serde(default)]
    pub pretrain: Option<PretrainConfig>,
    /// Values that replace those of the heads' configurations.
    #[serde(default)]
    pub set: Overrides,
}

/// A pre-training.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// File of the pre-training's configuration.
    pub config: PathBuf,
    /// Values that replace those of the configuration.
    #[serde(default)]
    pub set: Overrides,
}

/// A difference to compute: the first encoder minus the second.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Name of the first encoder.
    pub encoder: String,
    /// Fraction of the labels for the first encoder.
    pub fraction: f64,
    /// Name of the second encoder.
    pub than: String,
    /// Fraction of the labels for the second encoder.
    pub than_fraction: f64,
}

impl Experiment {
    /// The run folder of an encoder's pre-training.
    pub fn pretraining_folder(&self, encoder: &EncoderConfig) -> PathBuf {
        self.runs.join("encoders").join(folder_name(&encoder.name))
    }

    /// The identifier of the run in `folder`: its path below the folder of the runs.
    pub(crate) fn id_of(&self, folder: &Path) -> String {
        let below = folder.strip_prefix(&self.runs).unwrap_or(folder);
        below.display().to_string()
    }

    /// The weights of an encoder, which its pre-training may still have to make; `None` for a
    /// random encoder.
    pub fn weights(&self, encoder: &EncoderConfig) -> Option<PathBuf> {
        match &encoder.pretrain {
            Some(_) => Some(self.pretraining_folder(encoder).join("encoder.safetensors")),
            None => encoder.weights.clone(),
        }
    }

    /// The indices of an encoder and a fraction; `None` if the experiment lacks one of them.
    pub fn indices(&self, encoder: &str, fraction: f64) -> Option<[usize; 2]> {
        let encoder = self.encoders.iter().position(|e| e.name == encoder)?;
        let fraction = self.fractions.iter().position(|f| *f == fraction)?;
        Some([encoder, fraction])
    }
}

/// Turns a name into the name of a folder: `SIIM Dice` becomes `siim-dice`.
pub fn folder_name(name: &str) -> String {
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

    #[test]
    fn names_become_names_of_folders() {
        assert_eq!(folder_name("SIIM Dice (of films)"), "siim-dice-of-films");
        assert_eq!(folder_name("M-FLAG"), "m-flag");
    }
}
