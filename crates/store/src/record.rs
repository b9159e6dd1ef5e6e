//! What every data set's reader gives: films with what is known of them.

use std::path::PathBuf;

use mflag_core::Named;
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

impl Named for Split {
    const ALL: &'static [Split] = &[Split::Train, Split::Validate, Split::Test];

    fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validate => "validate",
            Split::Test => "test",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Split::Train => "For training",
            Split::Validate => "For choosing checkpoints and settings",
            Split::Test => "For the final measurement",
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
    /// Columns and rows of the film as its file has it; known once it is prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[u32; 2]>,
    /// Boxes around findings; empty where there are none, or the data set has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<BoundingBox>,
    /// The mask of the finding that the data set outlines; `None` where it outlines none on this film.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
}

impl Record {
    /// The record of a film that is its own study and has no report, labels, boxes or mask.
    pub fn new(
        film: impl Into<String>,
        patient: impl Into<String>,
        path: impl Into<PathBuf>,
        split: Split,
    ) -> Record {
        let film = film.into();
        Record {
            study: film.clone(),
            film,
            patient: patient.into(),
            path: path.into(),
            split,
            text: None,
            labels: Vec::new(),
            size: None,
            boxes: Vec::new(),
            mask: None,
        }
    }
}

/// A box in pixels of the film as its file has it, from the upper left corner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoundingBox {
    /// What is in it: one of [`Dataset::labels`], or a class name of the data set.
    pub label: String,
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Columns.
    pub width: f64,
    /// Rows.
    pub height: f64,
}

/// Where a mask comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mask {
    /// Runs of set pixels, `[start, length]` each, on a plane of `width` × `height` that is counted column by column from
    /// the upper left corner, from 0.
    Runs {
        /// Columns of the plane.
        width: u32,
        /// Rows of the plane.
        height: u32,
        /// The runs, in ascending order, without overlap.
        runs: Vec<[u32; 2]>,
    },
    /// An image of the film's size: what is not black is set. A prepared store has its runs instead.
    File {
        /// The image.
        path: PathBuf,
    },
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
    pub left_out: Vec<(String, usize)>,
}

/// How far a box may reach beyond its film, in parts of the film's side: annotators' slips.
const BEYOND: f64 = 0.1;

/// The first box that is not on a film of this size, in words that follow "the box".
pub fn misfit(boxes: &[BoundingBox], size: (u32, u32)) -> Option<String> {
    let found = boxes.iter().find(|b| !fits(b, size))?;
    Some(format!(
        "'{} {} {} {} {}' reaches beyond the film of {}×{} px: boxes are in pixels of this very file",
        found.label, found.x, found.y, found.width, found.height, size.0, size.1
    ))
}

/// Whether a box is on a film of this size, but for slips.
pub fn fits(found: &BoundingBox, (width, height): (u32, u32)) -> bool {
    let inside = |low: f64, length: f64, side: u32| {
        let side = f64::from(side);
        low >= -BEYOND * side && low + length <= (1.0 + BEYOND) * side
    };
    inside(found.x, found.width, width) && inside(found.y, found.height, height)
}
