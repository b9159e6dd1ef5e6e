//! RSNA Pneumonia Detection Challenge: films in three classes, with boxes around opacities.
//!
//! The root holds `stage_2_train_labels.csv` and the folder `stage_2_train_images` with the films.
//! The class of negative films is known only if the root also holds
//! `stage_2_detailed_class_info.csv`. No patient has two films. The contest's test films have no
//! boxes and are not read. `datasets/rsna-pneumonia.md` describes the layout, the rules and the
//! terms of access.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use mflag_core::suggest;
use mflag_store::{BoundingBox, Dataset, Error, Record, Result, Split};

use crate::annotations::{self, AnnotationOptions};
use crate::checks;
use crate::film_files::FilmFiles;
use crate::left_out::{LeftOut, NO_FILM, OTHER_SIZE};
use crate::reader::{Reader, dataset};
use crate::split::{Offer, Rule, SplitOptions};
use crate::table::{Row, Table};

/// The labels: the classes of the data set, of which each film has one.
pub const LABELS: [&str; 3] = ["Lung Opacity", "No Lung Opacity / Not Normal", "Normal"];

/// Index of the class that has boxes, which the evaluation protocols call pneumonia.
const OPACITY: usize = 0;

/// Side of every film in pixels.
pub const SIDE: u32 = 1024;

/// Why films are left out.
const REASONS: &[&str] = &[NO_FILM, OTHER_SIZE];

const TARGETS: &str = "stage_2_train_labels.csv";
const CLASSES: &str = "stage_2_detailed_class_info.csv";

/// The boxes of each film, none for a negative film. They are ordered by identifier, because
/// [`Rule::Mgca`] draws in this order.
type Films = BTreeMap<String, Vec<BoundingBox>>;

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

/// The reader of RSNA.
#[derive(Debug, Clone, Copy)]
pub struct Rsna;

impl Reader for Rsna {
    const NAME: &'static str = "rsna-pneumonia";
    const TITLE: &'static str = "RSNA Pneumonia Detection Challenge";
    const EXAMPLES: &'static str = "Example:
  mflag-data prepare rsna --root RSNA --side 224 --out data/rsna/store-224";
    const LABELS: &'static [&'static str] = &LABELS;
    const SPLITS: &'static [Offer] = &[
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
    type Options = Options;

    fn read(root: &Path, options: &Options) -> Result<Dataset> {
        let splitter = options.split.splitter(Self::SPLITS)?;
        let films = films(root)?;
        let classes = classes(root, &films)?;
        let splits: Vec<Split> = match splitter.rule {
            Rule::Mgca => splitter.draw(films.len())?,
            _ => films.keys().map(|id| splitter.by_hash(id)).collect(),
        };
        let folder = root.join("stage_2_train_images");
        let files = FilmFiles::find(&folder, 0)?;
        let records = films.into_iter().zip(splits).map(|((id, boxes), split)| {
            let file = files.of_or(&id, &folder, "dcm");
            Record {
                labels: labels(!boxes.is_empty(), classes.get(&id).copied()),
                boxes,
                ..Record::new(&id, &id, file, split)
            }
        });
        let mut left_out = LeftOut::new(REASONS);
        let records = left_out.keep_existing_files(records.collect());
        let original = |_: &Record| Some((SIDE, SIDE));
        let records =
            annotations::fit(root, records, original, options.annotations, &mut left_out)?;
        let layout = folder.join("<patientId>.dcm");
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

/// The values of the labels. A positive film has the class `Lung Opacity`. If the class of a
/// negative film is unknown, `Lung Opacity` is 0, and the other two labels are empty.
fn labels(positive: bool, class: Option<usize>) -> Vec<Option<f32>> {
    let class = if positive { Some(OPACITY) } else { class };
    let value = |label: usize| match class {
        Some(class) => Some(f32::from(u8::from(label == class))),
        None => (label == OPACITY).then_some(0.0),
    };
    (0..LABELS.len()).map(value).collect()
}

/// Reads the films and their boxes.
fn films(root: &Path) -> Result<Films> {
    let path = root.join(TARGETS);
    if !path.exists() {
        let reason = format!(
            "table {TARGETS} is not in this folder; give the folder that holds it and \
             stage_2_train_images (access: \
             https://www.kaggle.com/c/rsna-pneumonia-detection-challenge)"
        );
        return Err(Error::file(root, reason));
    }
    let table = Table::open(&path)?;
    let [id, target] = table.columns(["patientId", "Target"])?;
    let box_columns = table.columns(["x", "y", "width", "height"])?;
    let mut films = Films::new();
    table.for_each(|row| {
        let found = bounding_box(row, target, box_columns)?;
        let film = checks::file_name(row, id)?;
        let Some(boxes) = films.get_mut(film) else {
            films.insert(film.to_owned(), found.into_iter().collect());
            return Ok(());
        };
        if boxes.is_empty() == found.is_some() {
            let earlier = u8::from(found.is_none());
            return Err(row.refuse(target, &format!("{earlier}, as in the film's earlier row")));
        }
        if found.as_ref().is_some_and(|b| boxes.contains(b)) {
            let allowed =
                "a film that no earlier row lists with the same box; delete one of the rows";
            return Err(row.refuse_without_value(id, allowed));
        }
        boxes.extend(found);
        Ok(())
    })?;
    Ok(films)
}

/// Reads the box of a row. `None` for a negative film.
fn bounding_box(row: &Row<'_>, target: usize, columns: [usize; 4]) -> Result<Option<BoundingBox>> {
    match checks::whole(row, target) {
        Some(1) => positive_box(row, columns).map(Some),
        Some(0) => match columns
            .into_iter()
            .find(|column| !checks::is_empty(row.get(*column)))
        {
            Some(column) => Err(row.refuse(column, "empty, as Target is 0")),
            None => Ok(None),
        },
        _ => Err(row.refuse(target, "0 or 1")),
    }
}

/// Reads a box, which must have an area and lie on the film.
fn positive_box(row: &Row<'_>, columns: [usize; 4]) -> Result<BoundingBox> {
    let mut values = [0.0; 4];
    for (value, column) in values.iter_mut().zip(columns) {
        *value = checks::number(row, column)?;
    }
    let [x, y, width, height] = values;
    for (start, length, axis) in [(x, width, 0), (y, height, 1)] {
        if start < 0.0 {
            return Err(row.refuse(columns[axis], "0 or more"));
        }
        if length <= 0.0 || start + length > f64::from(SIDE) {
            let name = ["x", "y"][axis];
            let allowed = format!("above 0, and at most {SIDE} with {name} = {start}");
            return Err(row.refuse(columns[axis + 2], &allowed));
        }
    }
    Ok(BoundingBox {
        label: LABELS[OPACITY].to_owned(),
        x,
        y,
        width,
        height,
    })
}

/// Reads the class of every film, as an index into [`LABELS`]. Empty if the table is missing.
fn classes(root: &Path, films: &Films) -> Result<HashMap<String, usize>> {
    let path = root.join(CLASSES);
    if !path.exists() {
        tracing::warn!(
            "no table {CLASSES} in {}: the class of negative films is unknown",
            root.display()
        );
        return Ok(HashMap::new());
    }
    let table = Table::open(&path)?;
    let [id, column] = table.columns(["patientId", "class"])?;
    let mut classes = HashMap::new();
    table.for_each(|row| {
        let name = row.get(column);
        let Some(class) = LABELS.iter().position(|label| *label == name) else {
            let hint = suggest::hint(name, LABELS);
            return Err(row.refuse(column, &format!("one of the three classes{hint}")));
        };
        let film = checks::file_name(row, id)?;
        let first = *classes.entry(film.to_owned()).or_insert(class);
        if first != class {
            let allowed = format!("'{}', as in the film's earlier row", LABELS[first]);
            return Err(row.refuse(column, &allowed));
        }
        let allowed = match films.get(film).map(Vec::is_empty) {
            Some(true) if class == OPACITY => "another class, as the film has no boxes",
            Some(false) if class != OPACITY => "'Lung Opacity', as the film has boxes",
            _ => return Ok(()),
        };
        Err(row.refuse(column, &format!("{allowed} in {TARGETS}")))
    })?;
    Ok(classes)
}
