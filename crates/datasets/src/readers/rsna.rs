//! RSNA Pneumonia Detection Challenge: films of one patient each, with three classes and boxes around opacities.
//!
//! The layout, the rules and the terms of access are in `datasets/rsna-pneumonia.md`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use mflag_core::suggest;

use crate::reader::{self, Dropped, NO_FILM};
use crate::split::{Choice, Offer, Rule};
use crate::table::{Row, Table};
use mflag_store::{BoundingBox, Dataset, Error, Record, Result, Split};

/// The labels: the classes of the data set, of which a film has one.
pub const LABELS: [&str; 3] = ["Lung Opacity", "No Lung Opacity / Not Normal", "Normal"];

/// Place of the class that has boxes, which the protocols call pneumonia.
const OPACITY: usize = 0;

/// Side of every film in pixels.
pub const SIDE: u32 = 1024;

/// Why films are left out.
const REASONS: &[&str] = &[NO_FILM];

const TARGETS: &str = "stage_2_train_labels.csv";
const CLASSES: &str = "stage_2_detailed_class_info.csv";

/// The splits, the usual one first.
pub const SPLITS: &[Offer] = &[
    Offer {
        rule: Rule::Mgca,
        validate: Some(0.2),
        test: Some(0.2),
    },
    Offer {
        rule: Rule::Patient,
        validate: Some(0.2),
        test: Some(0.2),
    },
];

/// What to read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Options {
    /// One of [`SPLITS`].
    pub split: Choice,
}

/// Reads the data set in the folder `root`, which holds `stage_2_train_labels.csv`, the folder `stage_2_train_images` with
/// the films, and `stage_2_detailed_class_info.csv`, without which negatives are of no known class. The films of the
/// contest's own test have no boxes and are not read.
///
/// # Errors
/// A table or a column is missing, a target, box or class is not as described or differs between rows of one
/// film, or no film is left.
pub fn read(root: &Path, options: &Options) -> Result<Dataset> {
    let division = options.split.among(SPLITS)?;
    let films = films(root)?;
    let classes = classes(root, &films)?;
    let splits: Vec<Split> = match division.rule {
        Rule::Mgca => division.draw(films.len())?,
        _ => films.keys().map(|id| division.of(id)).collect(),
    };
    let mut records = Vec::with_capacity(films.len());
    for ((id, boxes), split) in films.into_iter().zip(splits) {
        records.push(Record {
            size: None,
            path: root.join(format!("stage_2_train_images/{id}.dcm")),
            patient: id.clone(),
            study: id.clone(),
            split,
            text: None,
            labels: labels(!boxes.is_empty(), classes.get(&id).copied()),
            mask: None,
            boxes,
            film: id,
        });
    }
    let mut dropped = Dropped::new(REASONS);
    let records = reader::with_files(records, &mut dropped);
    let layout = root.join("stage_2_train_images/<patientId>.dcm");
    reader::dataset(
        "rsna-pneumonia",
        &LABELS,
        records,
        &dropped,
        layout.display(),
    )
}

/// One value a label. Without a class, a positive film is an opacity, and a negative one either of the other two.
fn labels(positive: bool, class: Option<usize>) -> Vec<Option<f32>> {
    let class = if positive { Some(OPACITY) } else { class };
    let value = |label: usize| match class {
        Some(class) => Some(f32::from(u8::from(label == class))),
        None => (label == OPACITY).then_some(0.0),
    };
    (0..LABELS.len()).map(value).collect()
}

/// The boxes of every film, none for a negative one; by identifier, which is the order that MGCA draws from.
fn films(root: &Path) -> Result<BTreeMap<String, Vec<BoundingBox>>> {
    let path = root.join(TARGETS);
    if !path.exists() {
        let reason = format!(
            "table {TARGETS} is not in this folder; give the folder that holds it and stage_2_train_images (access: \
             https://www.kaggle.com/c/rsna-pneumonia-detection-challenge)"
        );
        return Err(Error::file(root, reason));
    }
    let table = Table::open(&path)?;
    let [id, target] = table.columns(["patientId", "Target"])?;
    let sides = table.columns(["x", "y", "width", "height"])?;
    let mut films: BTreeMap<String, Vec<BoundingBox>> = BTreeMap::new();
    table.for_each(|row| {
        let found = bounding_box(row, target, sides)?;
        let film = reader::file_name(row, id)?;
        let Some(boxes) = films.get_mut(film) else {
            films.insert(film.to_owned(), found.into_iter().collect());
            return Ok(());
        };
        if boxes.is_empty() == found.is_some() {
            let earlier = u8::from(found.is_none());
            return Err(row.refuse(target, &format!("{earlier}, as in the film's earlier row")));
        }
        if found.as_ref().is_some_and(|b| boxes.contains(b)) {
            return Err(
                row.refuse_unseen(id, "there once with the same box; delete one of the rows")
            );
        }
        boxes.extend(found);
        Ok(())
    })?;
    Ok(films)
}

/// The box of a row; `None` for a negative film.
fn bounding_box(row: &Row<'_>, target: usize, sides: [usize; 4]) -> Result<Option<BoundingBox>> {
    match row.get(target) {
        "1" => {}
        "0" => {
            return match sides.into_iter().find(|side| !row.get(*side).is_empty()) {
                Some(side) => Err(row.refuse(side, "empty, as Target is 0")),
                None => Ok(None),
            };
        }
        _ => return Err(row.refuse(target, "0 or 1")),
    }
    let mut values = [0.0; 4];
    for (value, side) in values.iter_mut().zip(sides) {
        *value = reader::number(row, side)?;
    }
    let [x, y, width, height] = values;
    for (low, length, place) in [(x, width, 0), (y, height, 1)] {
        if low < 0.0 {
            return Err(row.refuse(sides[place], "0 or more"));
        }
        if length <= 0.0 || low + length > f64::from(SIDE) {
            let name = ["x", "y"][place];
            let allowed = format!("above 0, and at most {SIDE} with {name} = {low}");
            return Err(row.refuse(sides[place + 2], &allowed));
        }
    }
    Ok(Some(BoundingBox {
        label: LABELS[OPACITY].to_owned(),
        x,
        y,
        width,
        height,
    }))
}

/// The place of every film's class among the labels; empty without the table.
fn classes(
    root: &Path,
    films: &BTreeMap<String, Vec<BoundingBox>>,
) -> Result<HashMap<String, usize>> {
    let path = root.join(CLASSES);
    if !path.exists() {
        tracing::warn!(
            "no table {CLASSES} in {}: which negatives are normal is not known",
            root.display()
        );
        return Ok(HashMap::new());
    }
    let table = Table::open(&path)?;
    let [id, class] = table.columns(["patientId", "class"])?;
    let mut classes = HashMap::new();
    table.for_each(|row| {
        let name = row.get(class);
        let Some(place) = LABELS.iter().position(|label| *label == name) else {
            let hint = suggest::hint(name, LABELS);
            return Err(row.refuse(class, &format!("one of the three classes{hint}")));
        };
        let film = reader::file_name(row, id)?;
        let first = *classes.entry(film.to_owned()).or_insert(place);
        if first != place {
            let allowed = format!("'{}', as in the film's earlier row", LABELS[first]);
            return Err(row.refuse(class, &allowed));
        }
        let allowed = match films.get(film).map(Vec::is_empty) {
            Some(true) if place == OPACITY => "another class, as the film has no boxes",
            Some(false) if place != OPACITY => "'Lung Opacity', as the film has boxes",
            _ => return Ok(()),
        };
        Err(row.refuse(class, &format!("{allowed} in {TARGETS}")))
    })?;
    Ok(classes)
}
