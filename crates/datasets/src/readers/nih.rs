//! NIH ChestX-ray14: films with 14 labels, and boxes on 880 films.
//!
//! The root holds `Data_Entry_2017.csv` (or `Data_Entry_2017_v2020.csv`), `train_val_list.txt`,
//! `test_list.txt` and the films (in `images_001/images` … `images_012/images`, or in one folder
//! `images`). Films have boxes only if the root also holds `BBox_List_2017.csv`. [`Rule::Official`]
//! uses the films of `test_list.txt` for test and a part of the patients of the other list for
//! validation. [`Rule::Patient`] splits the films of both lists together.
//! `datasets/nih-chestxray14.md` describes the layout, the rules and the terms of access.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use mflag_core::suggest;
use mflag_input::LIST;
use mflag_store::{BoundingBox, Dataset, Error, Record, Result, Split};

use crate::annotations::{self, AnnotationOptions};
use crate::checks;
use crate::film_files::FilmFiles;
use crate::left_out::{DUPLICATE, LeftOut, NO_FILM, OTHER_SIZE};
use crate::reader::{Reader, dataset};
use crate::split::{Offer, Rule, SplitOptions};
use crate::table::{Row, Table};

/// The labels, as the table spells them.
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

/// What the table contains for a film without any label.
const NO_FINDING: &str = "No Finding";

/// Why films are left out, in the order of the checks.
const REASONS: &[&str] = &[DUPLICATE, NO_SPLIT, NO_FILM, OTHER_SIZE];
const NO_SPLIT: &str = "in neither train_val_list.txt nor test_list.txt";

/// The table of films. The second name is that of the corrected release.
const TABLES: [&str; 2] = ["Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv"];
const BOXES: &str = "BBox_List_2017.csv";

/// Side of every film in pixels.
pub const SIDE: u32 = 1024;

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

/// The reader of ChestX-ray14.
#[derive(Debug, Clone, Copy)]
pub struct Nih;

impl Reader for Nih {
    const NAME: &'static str = "nih-chestxray14";
    const TITLE: &'static str = "NIH ChestX-ray14";
    const EXAMPLES: &'static str = "Example:
  mflag-data prepare nih --root ChestXray-NIHCC --split patient --out data/nih/store-256";
    const LABELS: &'static [&'static str] = &LABELS;
    const SPLITS: &'static [Offer] = &[
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
    type Options = Options;

    fn read(root: &Path, options: &Options) -> Result<Dataset> {
        let splitter = options.split.splitter(Self::SPLITS)?;
        let table = table(root)?;
        let lists = official_splits(root)?;
        let mut boxes = match options.annotations.no_boxes {
            true => HashMap::new(),
            false => boxes(root)?,
        };
        let folders = image_folders(root)?;
        let mut left_out = LeftOut::new(REASONS);
        let mut seen = HashSet::new();
        let mut records = Vec::new();

        let [name, findings, patient] =
            table.columns(["Image Index", "Finding Labels", "Patient ID"])?;
        table.for_each(|row| {
            let film = checks::file_name(row, name)?;
            let labels = labels(row, findings)?;
            let file = folders.iter().find_map(|films| films.of_name(film));
            let reason = match (lists.get(film), file) {
                _ if !seen.insert(film.to_owned()) => DUPLICATE,
                (None, _) => NO_SPLIT,
                (_, None) => NO_FILM,
                (Some(&official), Some(file)) => {
                    let patient = checks::identifier(row, patient)?;
                    let split = match (splitter.rule, official) {
                        (Rule::Official, Split::Test) => Split::Test,
                        _ => splitter.by_hash(patient),
                    };
                    records.push(Record {
                        labels,
                        boxes: boxes.remove(film).unwrap_or_default(),
                        ..Record::new(film, patient, file.clone(), split)
                    });
                    return Ok(());
                }
            };
            left_out.count(reason);
            tracing::debug!("row {}, {film}: {reason}", row.number());
            Ok(())
        })?;
        let original = |_: &Record| Some((SIDE, SIDE));
        let records =
            annotations::fit(root, records, original, options.annotations, &mut left_out)?;
        let layout = root.join("images_001/images/<Image Index>");
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

/// Opens the table of films, of which there must be one version.
fn table(root: &Path) -> Result<Table> {
    let [old, new] = TABLES.map(|name| root.join(name));
    match (old.exists(), new.exists()) {
        (true, false) => Table::open(&old),
        (false, true) => Table::open(&new),
        (true, true) => {
            let reason = format!(
                "this folder holds both {} and {}; keep one",
                TABLES[0], TABLES[1]
            );
            Err(Error::file(root, reason))
        }
        (false, false) => Err(missing(root, TABLES[0])),
    }
}

/// The error for a missing table or list.
fn missing(root: &Path, name: &str) -> Error {
    let reason = format!(
        "{name} is not in this folder; give the folder of ChestX-ray14 that holds {}, \
         train_val_list.txt, test_list.txt and the images (access: \
         https://nihcc.app.box.com/v/ChestXray-NIHCC)",
        TABLES[0]
    );
    Error::file(root, reason)
}

/// Reads the two lists: the split of every film, where `Train` includes validation.
fn official_splits(root: &Path) -> Result<HashMap<String, Split>> {
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
        let text = mflag_input::read_text(&path, &LIST).map_err(|e| Error::io("read", &path, e))?;
        for (number, film) in text.lines().map(str::trim).enumerate() {
            let refuse = |reason: &str| {
                Error::file(&path, format!("line {}: '{film}' {reason}", number + 1))
            };
            if film.is_empty() {
                continue;
            }
            if !checks::is_file_name(film) {
                return Err(refuse(
                    "is not a file name; the list must have one per line",
                ));
            }
            if *splits.entry(film.to_owned()).or_insert(split) != split {
                let reason = "is also in train_val_list.txt; download both lists again";
                return Err(refuse(reason));
            }
        }
    }
    Ok(splits)
}

/// The films in each folder of images.
fn image_folders(root: &Path) -> Result<Vec<FilmFiles>> {
    let numbered = (1..=12).map(|n| root.join(format!("images_{n:03}")));
    std::iter::once(root.join("images"))
        .chain(numbered)
        .flat_map(|folder| [folder.join("images"), folder])
        .chain([root.to_owned()])
        .map(|folder| FilmFiles::find(&folder, 0))
        .collect()
}

/// Reads the labels of a film: 1 for those that the cell names, 0 for the others.
fn labels(row: &Row<'_>, column: usize) -> Result<Vec<Option<f32>>> {
    let names: Vec<&str> = row.get(column).split('|').map(str::trim).collect();
    let mut values = vec![Some(0.0); LABELS.len()];
    if names == [NO_FINDING] {
        return Ok(values);
    }
    for name in names {
        let Some(index) = LABELS.iter().position(|label| *label == name) else {
            let hint = suggest::hint(name, LABELS);
            let allowed = format!(
                "labels separated by '|', or only 'No Finding'; '{name}' is not a label{hint}"
            );
            return Err(row.refuse(column, &allowed));
        };
        values[index] = Some(1.0);
    }
    Ok(values)
}

/// Reads the boxes of all films that have any.
fn boxes(root: &Path) -> Result<HashMap<String, Vec<BoundingBox>>> {
    let mut boxes: HashMap<String, Vec<BoundingBox>> = HashMap::new();
    let path = root.join(BOXES);
    if !path.exists() {
        tracing::warn!("no table {}: the films have no boxes", path.display());
        return Ok(boxes);
    }
    let table = Table::open(&path)?;
    // The last column of the header, `Bbox [x,y,w,h]`, contains commas, so it counts as four.
    let names = ["Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"];
    let [name, finding, x, y, width, height] = table.columns(names)?;
    table.for_each(|row| {
        let label = box_label(row, finding)?;
        let length = |column| match checks::number(row, column)? {
            length if length > 0.0 => Ok(length),
            _ => Err(row.refuse(column, "above 0")),
        };
        let found = BoundingBox {
            label: label.to_owned(),
            x: checks::number(row, x)?,
            y: checks::number(row, y)?,
            width: length(width)?,
            height: length(height)?,
        };
        let film = checks::file_name(row, name)?.to_owned();
        boxes.entry(film).or_default().push(found);
        Ok(())
    })?;
    Ok(boxes)
}

/// Reads the label of a box. The table of boxes has another name for one label: `Infiltrate`.
fn box_label<'a>(row: &Row<'a>, column: usize) -> Result<&'a str> {
    match row.get(column) {
        "Infiltrate" => Ok("Infiltration"),
        label if LABELS.contains(&label) => Ok(label),
        label => {
            let hint = suggest::hint(label, LABELS);
            Err(row.refuse(column, &format!("one of the 14 labels{hint}")))
        }
    }
}
