//! VinDr-CXR in the form of the Kaggle contest: films with boxes of three radiologists each.
//!
//! The layout, the rules and the terms of access are in `datasets/vindr-cxr.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mflag_core::suggest;

use crate::reader::{self, Dropped, NO_FILM};
use crate::split::{Choice, Offer, Rule};
use crate::table::{Row, Table};
use mflag_store::{BoundingBox, Dataset, Error, Record, Result};

/// The labels: the place of each is its `class_id`.
pub const LABELS: [&str; 14] = [
    "Aortic enlargement",
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "ILD",
    "Infiltration",
    "Lung Opacity",
    "Nodule/Mass",
    "Other lesion",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary fibrosis",
];

/// `class_id` of a row without a box.
const NO_FINDING: &str = "14";

/// Why films are left out.
const REASONS: &[&str] = &[NO_FILM];

/// How a film's file may end, the originals first.
const ENDINGS: [&str; 4] = ["dicom", "dcm", "png", "jpg"];

/// The one split.
pub const SPLITS: &[Offer] = &[Offer {
    rule: Rule::Patient,
    validate: Some(0.1),
    test: Some(0.1),
}];

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// One of [`SPLITS`].
    pub split: Choice,
    /// A label is present where this many radiologists found it, and uncertain where fewer did; at least 1.
    pub agree: usize,
}

impl Default for Options {
    /// Two of the three radiologists.
    fn default() -> Options {
        Options {
            split: Choice::default(),
            agree: 2,
        }
    }
}

/// Reads the data set in the folder `root`, which holds `train.csv` and the folder `train` with the films (`.dicom`, `.dcm`,
/// `.png` or `.jpg`). There are no patients' identifiers: each film counts as a patient. The films of the contest's own test
/// have no labels and are not read. A film has the boxes of all its radiologists.
///
/// # Errors
/// The table or a column is missing, a class, box or radiologist is not as described, a film is smaller than its boxes, or
/// none is left.
pub fn read(root: &Path, options: &Options) -> Result<Dataset> {
    let division = options.split.among(SPLITS)?;
    if options.agree == 0 {
        let told = "agree is 0: at least 1 radiologist must have found what counts as present";
        return Err(Error::Data(told.to_owned()));
    }
    let films = films(root)?;
    let mut dropped = Dropped::new(REASONS);
    let mut records = Vec::with_capacity(films.len());
    for (id, film) in films {
        let Some(path) = file(root, &id) else {
            tracing::debug!("no film file of {id}");
            dropped.count(NO_FILM);
            continue;
        };
        records.push(Record {
            patient: id.clone(),
            study: id.clone(),
            path,
            split: division.of(&id),
            text: None,
            labels: film.labels(options.agree),
            boxes: film.boxes,
            mask: None,
            size: None,
            film: id,
        });
    }
    reader::boxes_fit(root, &records)?;
    let layout = root.join("train/<image_id>.dicom");
    reader::dataset("vindr-cxr", &LABELS, records, &dropped, layout.display())
}

/// What the radiologists said of one film.
#[derive(Default)]
struct Film {
    boxes: Vec<BoundingBox>,
    /// Who found what: `class_id` and radiologist.
    found: BTreeSet<(usize, String)>,
}

impl Film {
    fn labels(&self, agree: usize) -> Vec<Option<f32>> {
        let value = |class: usize| {
            let finders = self.found.iter().filter(|(c, _)| *c == class).count();
            match finders {
                0 => 0.0,
                n if n >= agree => 1.0,
                _ => -1.0,
            }
        };
        (0..LABELS.len()).map(|class| Some(value(class))).collect()
    }
}

/// The films of the table by identifier.
fn films(root: &Path) -> Result<BTreeMap<String, Film>> {
    let path = root.join("train.csv");
    if !path.exists() {
        let reason = "table train.csv is not in this folder; give the folder of VinDr-CXR that holds train.csv and 'train' \
                      (access: https://www.kaggle.com/c/vinbigdata-chest-xray-abnormalities-detection)";
        return Err(Error::file(root, reason));
    }
    let table = Table::open(&path)?;
    let [id, class, name, radiologist] =
        table.columns(["image_id", "class_id", "class_name", "rad_id"])?;
    let corners = table.columns(["x_min", "y_min", "x_max", "y_max"])?;
    let mut films: BTreeMap<String, Film> = BTreeMap::new();
    table.for_each(|row| {
        let film = films
            .entry(reader::file_name(row, id)?.to_owned())
            .or_default();
        let Some(class) = finding(row, class, name)? else {
            return Ok(());
        };
        film.boxes.push(bounding_box(row, corners, LABELS[class])?);
        let finder = reader::filled(row, radiologist)?;
        film.found.insert((class, finder.to_owned()));
        Ok(())
    })?;
    Ok(films)
}

/// The place of a finding among the labels; `None` for no finding. Identifier and name must say the same.
fn finding(row: &Row<'_>, class: usize, name: usize) -> Result<Option<usize>> {
    if row.get(class) == NO_FINDING {
        return match row.get(name) {
            "No finding" => Ok(None),
            _ => Err(row.refuse(name, "'No finding', as class_id is 14")),
        };
    }
    let place = row.get(class).parse().ok().filter(|c| *c < LABELS.len());
    let place: usize = place.ok_or_else(|| row.refuse(class, "from 0 to 14"))?;
    if row.get(name) == LABELS[place] {
        return Ok(Some(place));
    }
    let hint = suggest::hint(row.get(name), LABELS);
    let allowed = format!("'{}', as class_id is {place}{hint}", LABELS[place]);
    Err(row.refuse(name, &allowed))
}

fn bounding_box(row: &Row<'_>, corners: [usize; 4], label: &str) -> Result<BoundingBox> {
    let [left, top, right, bottom] = corners;
    let x = (reader::number(row, left)?, reader::number(row, right)?);
    let y = (reader::number(row, top)?, reader::number(row, bottom)?);
    if x.1 <= x.0 {
        return Err(row.refuse(right, "above x_min"));
    }
    if y.1 <= y.0 {
        return Err(row.refuse(bottom, "above y_min"));
    }
    Ok(BoundingBox {
        label: label.to_owned(),
        x: x.0,
        y: y.0,
        width: x.1 - x.0,
        height: y.1 - y.0,
    })
}

fn file(root: &Path, id: &str) -> Option<PathBuf> {
    let names = ENDINGS.map(|ending| root.join(format!("train/{id}.{ending}")));
    names.into_iter().find(|path| path.is_file())
}
