//! Records: all that the reader of a data set knows about each film.

use std::path::PathBuf;

use mflag_core::Named;
use mflag_film::{Area, Placement, Squaring};
use serde::{Deserialize, Serialize};

use crate::Result;

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
    /// Identifier of the study. Films of one study share its report.
    pub study: String,
    /// The film's file.
    pub path: PathBuf,
    /// The part of the data set.
    pub split: Split,
    /// The cleaned report; `None` for a data set without reports.
    pub text: Option<String>,
    /// One value for each of [`Dataset::labels`]: 1 present, 0 absent, −1 uncertain, `None` not
    /// mentioned.
    pub labels: Vec<Option<f32>>,
    /// Columns and rows of the film in its file; `None` until the film is prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[u32; 2]>,
    /// The part of the film that its square shows, where the film's content decides it
    /// ([`mflag_film::Squared::part`]): left and upper edge, columns and rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<[u32; 4]>,
    /// Boxes around findings; empty if the film or the data set has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<BoundingBox>,
    /// The mask of the finding; `None` if the data set has no mask for this film.
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
            part: None,
            boxes: Vec::new(),
            mask: None,
        }
    }

    /// Where the film lies in the square that `squaring` makes of it. A film without a size was
    /// prepared as a square, and its boxes and mask are in pixels of the square.
    ///
    /// # Errors
    /// If a side of the film or of the square is 0, or if the part does not lie on the film.
    pub fn placement(&self, squaring: &Squaring) -> Result<Placement> {
        let size = self.size.unwrap_or([squaring.side; 2]);
        Ok(squaring.placement(size, self.part)?)
    }
}

/// A labelled box, in pixels from the upper left corner of a film, square or view. In a [`Record`],
/// in pixels of the film's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoundingBox {
    /// What the box contains: one of [`Dataset::labels`], or a class name of the data set.
    pub label: String,
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// How far a box may reach beyond its film, as a share of the film's side. Annotators sometimes
/// draw a little beyond the film.
const TOLERANCE: f64 = 0.1;

impl BoundingBox {
    /// This box of a film, in the film's square; `None` if nothing of it is visible.
    pub fn to_square(&self, placement: &Placement) -> Option<BoundingBox> {
        let area = placement.box_to_square(&self.area())?;
        Some(self.with_area(area))
    }

    /// This box of a film, in pixels of the film's square. With `--fit crop` and `--fit official`,
    /// the square shows less than the film, and the box may reach beyond it. The box is cut only
    /// where both the film and the square end; `None` if it lies outside of both.
    pub fn to_whole_square(&self, placement: &Placement) -> Option<BoundingBox> {
        let area = placement.whole_box_to_square(&self.area())?;
        Some(self.with_area(area))
    }

    /// This box of a square, on the film; `None` if it lies in the bars beside the film.
    pub fn to_film(&self, placement: &Placement) -> Option<BoundingBox> {
        let area = placement.box_to_film(&self.area())?;
        Some(self.with_area(area))
    }

    /// Whether the box lies on a film of this size, or reaches beyond an edge by at most 10 % of
    /// the film's side.
    pub fn fits(&self, (width, height): (u32, u32)) -> bool {
        let inside = |low: f64, length: f64, side: u32| {
            let side = f64::from(side);
            low >= -TOLERANCE * side && low + length <= (1.0 + TOLERANCE) * side
        };
        inside(self.x, self.width, width) && inside(self.y, self.height, height)
    }

    fn area(&self) -> Area {
        Area {
            left: self.x,
            top: self.y,
            width: self.width,
            height: self.height,
        }
    }

    fn with_area(&self, area: Area) -> BoundingBox {
        BoundingBox {
            label: self.label.clone(),
            x: area.left,
            y: area.top,
            width: area.width,
            height: area.height,
        }
    }
}

/// Checks that boxes lie on a film of this size.
///
/// # Errors
/// If a box reaches too far beyond the film. The message names the first such box.
pub fn check_boxes(boxes: &[BoundingBox], size: (u32, u32)) -> std::result::Result<(), String> {
    match boxes.iter().find(|b| !b.fits(size)) {
        None => Ok(()),
        Some(b) => Err(format!(
            "the box '{} {} {} {} {}' reaches beyond the film of {}×{} px: \
             give boxes in pixels of this file",
            b.label, b.x, b.y, b.width, b.height, size.0, size.1
        )),
    }
}

/// A mask of a film.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mask {
    /// Runs of set pixels, as in [`rle`](crate::rle).
    Runs {
        /// Columns of the film.
        width: u32,
        /// Rows of the film.
        height: u32,
        /// The runs, `[start, length]` each, ascending and without overlap. Pixels are counted from
        /// 0, column by column from the upper left corner.
        runs: Vec<[u32; 2]>,
    },
    /// An image: black, and the mask in white or another value. A prepared store has runs instead.
    File {
        /// The image.
        path: PathBuf,
        /// Whether an image of another size is scaled to the film's.
        scale: bool,
    },
}

/// A data set, as its reader found it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Name, such as `mimic-cxr`.
    pub name: String,
    /// Names of the labels.
    pub labels: Vec<String>,
    /// The films that were kept, ordered by identifier.
    pub records: Vec<Record>,
    /// The reasons why films were left out, each with the number of films.
    pub left_out: Vec<(String, usize)>,
    /// Remarks about films that were kept, each with their number.
    pub notes: Vec<(String, usize)>,
}
