//! What every data set's reader gives: films with what is known of them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The official part of a data set that a film belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// For training.
    Train,
    /// For choosing checkpoints and settings.
    Validate,
    /// For the final measurement.
    Test,
}

impl Split {
    /// All of them, in the order of use.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validate, Split::Test];

    /// The name as the tables write it.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validate => "validate",
            Split::Test => "test",
        }
    }
}

/// One film.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Identifier of the film, unique in its data set.
    pub film: String,
    /// Identifier of the patient.
    pub patient: String,
    /// Identifier of the study; films of one study share its report.
    pub study: String,
    /// The film's file.
    pub path: PathBuf,
    /// The part of the data set.
    pub split: Split,
    /// The cleaned report; `None` for a data set without reports.
    pub text: Option<String>,
    /// One value a label of [`Dataset::labels`]: 1 present, 0 absent, −1 uncertain, `None` not mentioned.
    pub labels: Vec<Option<f32>>,
}

/// A data set as its reader found it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Name, such as `mimic-cxr`.
    pub name: String,
    /// Names of the labels.
    pub labels: Vec<String>,
    /// The films kept, ordered by identifier.
    pub records: Vec<Record>,
    /// How many films were left out, by reason.
    pub dropped: Vec<(String, usize)>,
}
