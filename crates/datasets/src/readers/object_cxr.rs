//! Object-CXR: films with boxes around foreign objects.
//!
//! The layout, the rules and the terms of access are in `datasets/object-cxr.md`.

use std::collections::HashSet;
use std::path::Path;

use crate::reader::{self, DUPLICATE, Dropped, NO_FILM};
use crate::split::{Choice, Offer, Rule};
use crate::table::{Row, Table};
use mflag_store::{BoundingBox, Dataset, Error, Record, Result, Split};

/// The one label.
pub const LABELS: [&str; 1] = ["Foreign object"];

/// Why films are left out, in the order of the checks; a film counts under the first that fits.
const REASONS: &[&str] = &[DUPLICATE, NO_FILM];

/// The splits, the usual one first.
pub const SPLITS: &[Offer] = &[
    Offer {
        rule: Rule::Mgca,
        validate: Some(0.1),
        test: None,
    },
    Offer {
        rule: Rule::Official,
        validate: None,
        test: None,
    },
];

/// What to read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Options {
    /// One of [`SPLITS`].
    pub split: Choice,
}

/// Reads the data set in the folder `root`, which holds `train.csv`, `dev.csv` and the folders `train` and `dev`; for
/// [`Rule::Official`] `test.csv` and `test`, too. There are no patients' identifiers: each film counts as a patient.
/// Every shape becomes the box around it.
///
/// By [`Rule::Mgca`] `train` trains but for a part that validates, and `dev` tests; `test` is not read.
///
/// # Errors
/// A table or a column is missing, a shape is not one of the three, a film is smaller than its boxes, or none is left.
pub fn read(root: &Path, options: &Options) -> Result<Dataset> {
    let division = options.split.among(SPLITS)?;
    let mut dropped = Dropped::new(REASONS);
    let mut part = |name: &str, split: Split| films(root, name, split, &mut dropped);
    let mut records = part("train", Split::Train)?;
    if division.rule == Rule::Official {
        records.extend(part("dev", Split::Validate)?);
        records.extend(part("test", Split::Test)?);
    } else {
        let drawn = division.draw(records.len())?;
        records
            .iter_mut()
            .zip(drawn)
            .for_each(|(film, split)| film.split = split);
        records.extend(part("dev", Split::Test)?);
    }
    let records = reader::with_files(records, &mut dropped);
    reader::boxes_fit(root, &records)?;
    let layout = root.join("train/<image_name>");
    reader::dataset("object-cxr", &LABELS, records, &dropped, layout.display())
}

/// The films of one table, in its order.
fn films(root: &Path, part: &str, split: Split, dropped: &mut Dropped) -> Result<Vec<Record>> {
    let path = root.join(format!("{part}.csv"));
    if !path.exists() {
        let reason = format!(
            "table {part}.csv is not in this folder; give the folder of Object-CXR that holds train.csv, dev.csv, \
             'train' and 'dev' (access: datasets/object-cxr.md)"
        );
        return Err(Error::file(root, reason));
    }
    let table = Table::open(&path)?;
    let [name, annotation] = table.columns(["image_name", "annotation"])?;
    let mut seen = HashSet::new();
    let mut records = Vec::new();
    table.for_each(|row| {
        let film = reader::file_name(row, name)?;
        if !seen.insert(film.to_owned()) {
            dropped.count(DUPLICATE);
            return Ok(());
        }
        let shapes = row.get(annotation).split(';').map(str::trim);
        let boxes = shapes
            .filter(|shape| !shape.is_empty())
            .map(|shape| object(row, annotation, shape))
            .collect::<Result<Vec<BoundingBox>>>()?;
        let id = format!("{part}/{film}");
        records.push(Record {
            size: None,
            path: root.join(&id),
            patient: id.clone(),
            study: id.clone(),
            split,
            film: id,
            text: None,
            labels: vec![Some(f32::from(u8::from(!boxes.is_empty())))],
            boxes,
            mask: None,
        });
        Ok(())
    })?;
    Ok(records)
}

/// The box of a shape: `0 x1 y1 x2 y2` (rectangle), `1 x1 y1 x2 y2` (ellipse), `2 x1 y1 x2 y2 x3 y3 …` (polygon).
fn object(row: &Row<'_>, column: usize, shape: &str) -> Result<BoundingBox> {
    let (kind, rest) = shape.split_once(' ').unwrap_or((shape, ""));
    let values: Vec<f64> = rest
        .split_whitespace()
        .filter_map(|v| v.parse().ok())
        .collect();
    let whole = values.len() == rest.split_whitespace().count()
        && values.iter().all(|value| value.is_finite())
        && match kind {
            "0" | "1" => values.len() == 4,
            "2" => values.len() >= 6 && values.len().is_multiple_of(2),
            _ => false,
        };
    let points: Vec<(f64, f64)> = values.chunks_exact(2).map(|p| (p[0], p[1])).collect();
    let found = if whole {
        reader::around(LABELS[0], &points)
    } else {
        None
    };
    found.ok_or_else(|| {
        let form = "shapes with an area, joined by ';', each '0 x1 y1 x2 y2' (rectangle), '1 x1 y1 x2 y2' (ellipse) or \
                    '2 x1 y1 x2 y2 x3 y3 …' (polygon), or empty";
        row.refuse(column, &format!("{form}; the wrong one is '{shape}'"))
    })
}
