//! VinDr-CXR, as published on Kaggle: films, each with the boxes of three radiologists.
//!
//! The root holds `train.csv` and the folder `train` with the films (`.dicom`, `.dcm`, `.png` or
//! `.jpg`). A film has the boxes of all its radiologists. The data set does not identify patients,
//! so each film counts as a patient. The contest's test films have no labels and are not read.
//! `datasets/vindr-cxr.md` describes the layout, the rules and the terms of access.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use mflag_core::suggest;
use mflag_store::{BoundingBox, Dataset, Error, Record, Result};

use crate::annotations::{self, AnnotationOptions};
use crate::checks;
use crate::film_files::FilmFiles;
use crate::left_out::{LeftOut, NO_FILM, OTHER_SIZE};
use crate::reader::{Reader, dataset};
use crate::split::{Offer, Rule, SplitOptions};
use crate::table::{Row, Table};

/// The table of rows and columns of the originals, beside resized copies.
const SIZES: &str = "train_meta.csv";

/// The labels. The index of each is its `class_id`.
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

/// The `class_id` of a row without a box.
const NO_FINDING: usize = 14;

/// Why films are left out.
const REASONS: &[&str] = &[NO_FILM, OTHER_SIZE];

/// Options of the reader.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct Options {
    /// Number of radiologists who must have found a label for it to count as present; if fewer
    /// found it, it counts as uncertain
    #[arg(long, value_name = "NUMBER", default_value_t = Options::default().agree)]
    pub agree: usize,
    /// Boxes of resized copies.
    #[command(flatten)]
    pub annotations: AnnotationOptions,
    /// How the films are split.
    #[command(flatten)]
    pub split: SplitOptions,
}

impl Default for Options {
    /// Two of the three radiologists must agree.
    fn default() -> Options {
        Options {
            agree: 2,
            annotations: AnnotationOptions::default(),
            split: SplitOptions::default(),
        }
    }
}

/// The reader of VinDr-CXR.
#[derive(Debug, Clone, Copy)]
pub struct Vindr;

impl Reader for Vindr {
    const NAME: &'static str = "vindr-cxr";
    const TITLE: &'static str = "VinDr-CXR, as published on Kaggle";
    const EXAMPLES: &'static str = "Example:
  mflag-data prepare vindr --root VinDr-CXR --side 224 --out data/vindr-cxr/store-224";
    const LABELS: &'static [&'static str] = &LABELS;
    const SPLITS: &'static [Offer] = &[Offer {
        rule: Rule::Patient,
        validate: Some(0.1),
        test: Some(0.1),
    }];
    type Options = Options;

    fn read(root: &Path, options: &Options) -> Result<Dataset> {
        let splitter = options.split.splitter(Self::SPLITS)?;
        if options.agree == 0 {
            let reason =
                "--agree 0: at least 1 radiologist must have found a label for it to be present";
            return Err(Error::Data(reason.to_owned()));
        }
        let films = films(root)?;
        let folder = root.join("train");
        let files = FilmFiles::find(&folder, 0)?;
        let mut left_out = LeftOut::new(REASONS);
        let mut records = Vec::with_capacity(films.len());
        let mut sizes = HashMap::new();
        for (id, film) in films {
            let file = files.of_or(&id, &folder, "dicom");
            sizes.extend(film.size.map(|size| (id.clone(), size)));
            records.push(Record {
                labels: film.labels(options.agree),
                boxes: film.boxes,
                ..Record::new(&id, &id, file, splitter.by_hash(&id))
            });
        }
        let records = left_out.keep_existing_files(records);
        let original = |record: &Record| sizes.get(&record.film).copied();
        let records =
            annotations::fit(root, records, original, options.annotations, &mut left_out)?;
        let layout = folder.join("<image_id>.dicom");
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

/// What the radiologists found on a film.
#[derive(Default)]
struct Film {
    boxes: Vec<BoundingBox>,
    /// Columns and rows of the original, if the table states them.
    size: Option<(u32, u32)>,
    /// Pairs of a label's index and a radiologist who found it.
    findings: BTreeSet<(usize, String)>,
}

impl Film {
    /// The values of the labels.
    fn labels(&self, agree: usize) -> Vec<Option<f32>> {
        let value = |label: usize| {
            let radiologists = self.findings.iter().filter(|(found, _)| *found == label);
            match radiologists.count() {
                0 => 0.0,
                n if n >= agree => 1.0,
                _ => -1.0,
            }
        };
        (0..LABELS.len()).map(|label| Some(value(label))).collect()
    }
}

/// Reads the films of the table, by identifier.
fn films(root: &Path) -> Result<BTreeMap<String, Film>> {
    let path = root.join("train.csv");
    if !path.exists() {
        let reason = "table train.csv is not in this folder; give the folder of VinDr-CXR that holds \
                      train.csv and 'train' (access: \
                      https://www.kaggle.com/c/vinbigdata-chest-xray-abnormalities-detection)";
        return Err(Error::file(root, reason));
    }
    let table = Table::open(&path)?;
    let [id, class, name, radiologist] =
        table.columns(["image_id", "class_id", "class_name", "rad_id"])?;
    let corners = table.columns(["x_min", "y_min", "x_max", "y_max"])?;
    // Tables of resized copies state the size of the originals.
    let size_columns = match table.has("width") && table.has("height") {
        true => Some(table.columns(["width", "height"])?),
        false => None,
    };
    let mut films: BTreeMap<String, Film> = BTreeMap::new();
    table.for_each(|row| {
        let film = films
            .entry(checks::file_name(row, id)?.to_owned())
            .or_default();
        if let Some(columns) = size_columns {
            film.size = Some(size(row, columns)?);
        }
        let Some(label) = label(row, class, name)? else {
            return Ok(());
        };
        film.boxes.push(bounding_box(row, corners, LABELS[label])?);
        let radiologist = checks::identifier(row, radiologist)?;
        film.findings.insert((label, radiologist.to_owned()));
        Ok(())
    })?;
    read_sizes(&root.join(SIZES), &mut films)?;
    Ok(films)
}

/// Reads the sizes of the originals from the table that some resized copies have, if it exists.
fn read_sizes(path: &Path, films: &mut BTreeMap<String, Film>) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let table = Table::open(path)?;
    let [id, rows, columns] = table.columns(["image_id", "dim0", "dim1"])?;
    table.for_each(|row| {
        if let Some(film) = films.get_mut(checks::file_name(row, id)?) {
            film.size = Some(size(row, [columns, rows])?);
        }
        Ok(())
    })
}

/// Reads the label of a row, as an index into [`LABELS`]. `None` if the row has no finding. The
/// class's identifier and name must agree.
fn label(row: &Row<'_>, class: usize, name: usize) -> Result<Option<usize>> {
    let class_id = checks::whole(row, class);
    if class_id == Some(NO_FINDING) {
        return match row.get(name) {
            "No finding" => Ok(None),
            _ => Err(row.refuse(name, "'No finding', as class_id is 14")),
        };
    }
    let label = class_id.filter(|label| *label < LABELS.len());
    let label = label.ok_or_else(|| row.refuse(class, "from 0 to 14"))?;
    if row.get(name) == LABELS[label] {
        return Ok(Some(label));
    }
    let hint = suggest::hint(row.get(name), LABELS);
    let allowed = format!("'{}', as class_id is {label}{hint}", LABELS[label]);
    Err(row.refuse(name, &allowed))
}

/// Reads the box of a row.
fn bounding_box(row: &Row<'_>, corners: [usize; 4], label: &str) -> Result<BoundingBox> {
    let [left, top, right, bottom] = corners;
    let (x_min, x_max) = (checks::number(row, left)?, checks::number(row, right)?);
    let (y_min, y_max) = (checks::number(row, top)?, checks::number(row, bottom)?);
    if x_max <= x_min {
        return Err(row.refuse(right, "above x_min"));
    }
    if y_max <= y_min {
        return Err(row.refuse(bottom, "above y_min"));
    }
    Ok(BoundingBox {
        label: label.to_owned(),
        x: x_min,
        y: y_min,
        width: x_max - x_min,
        height: y_max - y_min,
    })
}

/// Reads the size of a row's original.
fn size(row: &Row<'_>, columns: [usize; 2]) -> Result<(u32, u32)> {
    let [width, height] = columns.map(|column| {
        let pixels = checks::whole(row, column).and_then(|pixels| u32::try_from(pixels).ok());
        let pixels = pixels.filter(|pixels| *pixels > 0);
        pixels.ok_or_else(|| row.refuse(column, "a number of pixels above 0"))
    });
    Ok((width?, height?))
}
