//! NIH ChestX-ray14: films with 14 labels and, for 880 of them, boxes.
//!
//! The layout, the rules and the terms of access are in `datasets/nih-chestxray14.md`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use mflag_core::suggest;

use crate::reader::{self, DUPLICATE, Dropped, NO_FILM};
use crate::split::{Choice, Offer, Rule};
use crate::table::{Row, Table};
use mflag_store::{BoundingBox, Dataset, Error, Record, Result, Split};

/// The labels, as the table writes them.
pub const LABELS: [&str; 14] = [
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
];

/// What stands where there is none of them.
const NO_FINDING: &str = "No Finding";

/// Why films are left out, in the order of the checks; a film counts under the first that fits.
const REASONS: &[&str] = &[DUPLICATE, NO_SPLIT, NO_FILM];
const NO_SPLIT: &str = "in neither train_val_list.txt nor test_list.txt";

/// The table; the second name is that of the corrected release.
const TABLES: [&str; 2] = ["Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv"];
const BOXES: &str = "BBox_List_2017.csv";

/// The splits, the usual one first.
pub const SPLITS: &[Offer] = &[
    Offer {
        rule: Rule::Official,
        validate: Some(0.1),
        test: None,
    },
    Offer {
        rule: Rule::Patient,
        validate: Some(0.1),
        test: Some(0.1),
    },
];

/// What to read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Options {
    /// One of [`SPLITS`].
    pub split: Choice,
}

/// Reads the data set in the folder `root`, which holds `Data_Entry_2017.csv` (or `Data_Entry_2017_v2020.csv`),
/// `train_val_list.txt`, `test_list.txt`, the films (`images_001/images` … `images_012/images`, or one folder `images`), and
/// `BBox_List_2017.csv`, without which there are no boxes. By [`Rule::Official`] the films of `test_list.txt` test, and a part of
/// the patients of the other list validates; [`Rule::Patient`] makes the lists one.
///
/// # Errors
/// A table, list or column is missing, a label is unknown, a film is in both lists or smaller than its boxes, or none is
/// left.
pub fn read(root: &Path, options: &Options) -> Result<Dataset> {
    let division = options.split.among(SPLITS)?;
    let table = table(root)?;
    let splits = splits(root)?;
    let mut boxes = boxes(root)?;
    let files = files(root)?;
    let mut dropped = Dropped::new(REASONS);
    let mut seen = HashSet::new();
    let mut records = Vec::new();

    let [name, findings, patient] =
        table.columns(["Image Index", "Finding Labels", "Patient ID"])?;
    table.for_each(|row| {
        let film = reader::file_name(row, name)?;
        let labels = labels(row, findings)?;
        let reason = match (splits.get(film), files.get(film)) {
            _ if !seen.insert(film.to_owned()) => DUPLICATE,
            (None, _) => NO_SPLIT,
            (_, None) => NO_FILM,
            (Some(&split), Some(folder)) => {
                let patient = reader::filled(row, patient)?;
                records.push(Record {
                    film: film.to_owned(),
                    patient: patient.to_owned(),
                    study: film.to_owned(),
                    path: folder.join(film),
                    split: match (division.rule, split) {
                        (Rule::Official, Split::Test) => Split::Test,
                        _ => division.of(patient),
                    },
                    text: None,
                    labels,
                    boxes: boxes.remove(film).unwrap_or_default(),
                    mask: None,
                    size: None,
                });
                return Ok(());
            }
        };
        dropped.count(reason);
        tracing::debug!("row {}, {film}: {reason}", row.number());
        Ok(())
    })?;
    reader::boxes_fit(root, &records)?;
    let layout = root.join("images_001/images/<Image Index>");
    reader::dataset(
        "nih-chestxray14",
        &LABELS,
        records,
        &dropped,
        layout.display(),
    )
}

fn table(root: &Path) -> Result<Table> {
    let [old, new] = TABLES.map(|name| root.join(name));
    match (old.exists(), new.exists()) {
        (true, false) => Table::open(&old),
        (false, true) => Table::open(&new),
        (true, true) => {
            let reason = format!("{} and {} are both here; keep one", TABLES[0], TABLES[1]);
            Err(Error::file(root, reason))
        }
        (false, false) => Err(missing(root, TABLES[0])),
    }
}

fn missing(root: &Path, name: &str) -> Error {
    let reason = format!(
        "{name} is not in this folder; give the folder of ChestX-ray14 that holds {}, train_val_list.txt, test_list.txt and \
         the images (access: https://nihcc.app.box.com/v/ChestXray-NIHCC)",
        TABLES[0]
    );
    Error::file(root, reason)
}

/// The official part of every film: train (with validation) or test.
fn splits(root: &Path) -> Result<HashMap<String, Split>> {
    let mut splits = HashMap::new();
    let lists = [
        ("train_val_list.txt", Split::Train),
        ("test_list.txt", Split::Test),
    ];
    for (name, split) in lists {
        let path = root.join(name);
        if !path.exists() {
            return Err(missing(root, name));
        }
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
        for (number, film) in text.lines().map(str::trim).enumerate() {
            let refuse = |reason: &str| {
                Error::file(&path, format!("line {}: '{film}' {reason}", number + 1))
            };
            if film.is_empty() {
                continue;
            }
            if !reader::is_file_name(film) {
                return Err(refuse("is no file name; the list has one a line"));
            }
            if *splits.entry(film.to_owned()).or_insert(split) != split {
                return Err(refuse("is in train_val_list.txt, too; fetch both again"));
            }
        }
    }
    Ok(splits)
}

/// The folder of every image.
fn files(root: &Path) -> Result<HashMap<String, PathBuf>> {
    let numbered = (1..=12).map(|n| root.join(format!("images_{n:03}")));
    let folders = std::iter::once(root.join("images")).chain(numbered);
    let mut files = HashMap::new();
    for folder in folders
        .flat_map(|f| [f.join("images"), f])
        .chain([root.to_owned()])
    {
        if !folder.is_dir() {
            continue;
        }
        let io = |e| Error::io("read", &folder, e);
        for entry in std::fs::read_dir(&folder).map_err(io)? {
            let Ok(name) = entry.map_err(io)?.file_name().into_string() else {
                continue;
            };
            if name.ends_with(".png") {
                files.entry(name).or_insert_with(|| folder.clone());
            }
        }
    }
    Ok(files)
}

/// One value a label: 1 or 0.
fn labels(row: &Row<'_>, column: usize) -> Result<Vec<Option<f32>>> {
    let names: Vec<&str> = row.get(column).split('|').map(str::trim).collect();
    let mut values = vec![Some(0.0); LABELS.len()];
    if names == [NO_FINDING] {
        return Ok(values);
    }
    for name in names {
        let Some(place) = LABELS.iter().position(|label| *label == name) else {
            let hint = suggest::hint(name, LABELS);
            let allowed =
                format!("labels joined by '|', or 'No Finding' alone; '{name}' is none{hint}");
            return Err(row.refuse(column, &allowed));
        };
        values[place] = Some(1.0);
    }
    Ok(values)
}

/// The boxes of every film that has any.
fn boxes(root: &Path) -> Result<HashMap<String, Vec<BoundingBox>>> {
    let mut boxes: HashMap<String, Vec<BoundingBox>> = HashMap::new();
    let path = root.join(BOXES);
    if !path.exists() {
        tracing::warn!("no table {}: the films have no boxes", path.display());
        return Ok(boxes);
    }
    let table = Table::open(&path)?;
    // The header's last field, `Bbox [x,y,w,h]`, holds commas.
    let names = ["Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"];
    let [name, finding, x, y, width, height] = table.columns(names)?;
    table.for_each(|row| {
        let label = match row.get(finding) {
            "Infiltrate" => "Infiltration",
            label if LABELS.contains(&label) => label,
            label => {
                let hint = suggest::hint(label, LABELS);
                return Err(row.refuse(finding, &format!("one of the 14 labels{hint}")));
            }
        };
        let side = |column| match reader::number(row, column)? {
            side if side > 0.0 => Ok(side),
            _ => Err(row.refuse(column, "above 0")),
        };
        let found = BoundingBox {
            label: label.to_owned(),
            x: reader::number(row, x)?,
            y: reader::number(row, y)?,
            width: side(width)?,
            height: side(height)?,
        };
        let film = reader::file_name(row, name)?.to_owned();
        boxes.entry(film).or_default().push(found);
        Ok(())
    })?;
    Ok(boxes)
}
