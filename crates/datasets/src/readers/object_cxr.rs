//! Object-CXR: films with boxes around foreign objects.
//!
//! The root holds `train.csv`, `dev.csv` and the folders `train` and `dev`; [`Rule::Official`] also
//! needs `test.csv` and `test`. [`Rule::Mgca`] uses `dev` for test and a part of `train` for
//! validation, and does not read `test`. The data set does not identify patients, so each film
//! counts as a patient. The reader turns every shape into the box around it.
//! `datasets/object-cxr.md` describes the layout, the rules and the terms of access.

use std::collections::HashSet;
use std::path::Path;

use mflag_store::{BoundingBox, Dataset, Error, Record, Result, Split};

use crate::annotations::{self, AnnotationOptions};
use crate::checks;
use crate::left_out::{DUPLICATE, LeftOut, NO_FILM, OTHER_SIZE};
use crate::reader::{Reader, dataset};
use crate::split::{Offer, Rule, SplitOptions};
use crate::table::{Row, Table};

/// The label.
pub const LABELS: [&str; 1] = ["Foreign object"];

/// Why films are left out, in the order of the checks.
const REASONS: &[&str] = &[DUPLICATE, NO_FILM, OTHER_SIZE];

/// Options of the reader.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct Options {
    /// Boxes of resized copies.
    #[command(flatten)]
    pub annotations: AnnotationOptions,
    /// How the films are split.
    #[command(flatten)]
    pub split: SplitOptions,
}

/// The reader of Object-CXR.
#[derive(Debug, Clone, Copy)]
pub struct ObjectCxr;

impl Reader for ObjectCxr {
    const NAME: &'static str = "object-cxr";
    const TITLE: &'static str = "Object-CXR";
    const EXAMPLES: &'static str = "Example:
  mflag-data prepare object-cxr --root OBJECT-CXR --side 224 --out data/object-cxr/store-224";
    const LABELS: &'static [&'static str] = &LABELS;
    const SPLITS: &'static [Offer] = &[
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
    type Options = Options;

    fn read(root: &Path, options: &Options) -> Result<Dataset> {
        let splitter = options.split.splitter(Self::SPLITS)?;
        let mut left_out = LeftOut::new(REASONS);
        let mut part = |name: &str, split: Split| films(root, name, split, &mut left_out);
        let mut records = part("train", Split::Train)?;
        if splitter.rule == Rule::Official {
            records.extend(part("dev", Split::Validate)?);
            records.extend(part("test", Split::Test)?);
        } else {
            let drawn = splitter.draw(records.len())?;
            for (film, split) in records.iter_mut().zip(drawn) {
                film.split = split;
            }
            records.extend(part("dev", Split::Test)?);
            // A list may name films of the test set, too.
            if splitter.list.is_some() && root.join("test.csv").exists() {
                records.extend(part("test", Split::Test)?);
            }
        }
        let records = left_out.keep_existing_files(records);
        let records =
            annotations::fit(root, records, |_| None, options.annotations, &mut left_out)?;
        let layout = root.join("train/<image_name>");
        dataset(
            Self::NAME,
            Self::LABELS,
            records,
            &left_out,
            &splitter,
            layout.display(),
        )
    }
}

/// Reads the films of one table, in its order.
fn films(root: &Path, part: &str, split: Split, left_out: &mut LeftOut) -> Result<Vec<Record>> {
    let path = root.join(format!("{part}.csv"));
    if !path.exists() {
        let reason = format!(
            "table {part}.csv is not in this folder; give the folder of Object-CXR that holds \
             train.csv, dev.csv, 'train' and 'dev' (access: datasets/object-cxr.md)"
        );
        return Err(Error::file(root, reason));
    }
    let table = Table::open(&path)?;
    let [name, annotation] = table.columns(["image_name", "annotation"])?;
    let mut seen = HashSet::new();
    let mut records = Vec::new();
    table.for_each(|row| {
        let film = checks::file_name(row, name)?;
        if !seen.insert(film.to_owned()) {
            left_out.count(DUPLICATE);
            return Ok(());
        }
        let shapes = row.get(annotation).split(';').map(str::trim);
        let boxes = shapes
            .filter(|shape| !shape.is_empty())
            .map(|shape| shape_box(row, annotation, shape))
            .collect::<Result<Vec<BoundingBox>>>()?;
        let id = format!("{part}/{film}");
        let file = root.join(&id);
        records.push(Record {
            labels: vec![Some(f32::from(u8::from(!boxes.is_empty())))],
            boxes,
            ..Record::new(&id, &id, file, split)
        });
        Ok(())
    })?;
    Ok(records)
}

/// The box around a shape: `0 x1 y1 x2 y2` (rectangle), `1 x1 y1 x2 y2` (ellipse) or
/// `2 x1 y1 x2 y2 x3 y3 …` (polygon).
fn shape_box(row: &Row<'_>, column: usize, shape: &str) -> Result<BoundingBox> {
    let found = points(shape).and_then(|points| checks::bounding_box(LABELS[0], &points));
    found.ok_or_else(|| {
        let form = "shapes with an area, separated by ';', each '0 x1 y1 x2 y2' (rectangle), '1 x1 \
                    y1 x2 y2' (ellipse) or '2 x1 y1 x2 y2 x3 y3 …' (polygon), or empty";
        row.refuse(column, &format!("{form}; the wrong shape is '{shape}'"))
    })
}

/// The points of a shape. `None` if it does not have the form of one of the three kinds.
fn points(shape: &str) -> Option<Vec<(f64, f64)>> {
    let (kind, numbers) = shape.split_once(' ')?;
    let numbers: Vec<f64> = numbers
        .split_whitespace()
        .map(|number| number.parse().ok().filter(|n: &f64| n.is_finite()))
        .collect::<Option<_>>()?;
    let is_shape = match kind {
        "0" | "1" => numbers.len() == 4,
        "2" => numbers.len() >= 6 && numbers.len().is_multiple_of(2),
        _ => false,
    };
    is_shape.then(|| numbers.chunks_exact(2).map(|p| (p[0], p[1])).collect())
}
