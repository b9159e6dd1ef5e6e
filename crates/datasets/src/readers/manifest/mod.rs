//! Data of your own: one CSV that lists the films with what is known of them.
//!
//! | column | | value |
//! | --- | --- | --- |
//! | `film` | needed | the film's file; relative paths begin at the table's folder |
//! | `patient` | needed | identifier; the films of a patient share a split |
//! | `study` | | identifier; films of one study share its report; empty: the film is its own study |
//! | `split` | | `train`, `validate` or `test`; empty: by a hash of the patient |
//! | `text` | | the report, read by the rules of [`crate::report_text`]; quoted if it has commas, quotes or line breaks |
//! | `label:<name>` | any number | `1` present, `0` absent, `-1` uncertain, empty not mentioned |
//! | `boxes` | | `<label> <x> <y> <width> <height>`, joined by `;`, in pixels of the film's file |
//! | `mask` | | an image of the film's size; what is not black is set |
//!
//! A template is `datasets/manifest-template.csv`, a longer description `datasets/manifest.md`.

mod cells;
mod files;

use mflag_core::Named;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mflag_core::suggest;

use crate::reader::{self, Dropped};
use crate::report_text;
use crate::split::{Choice, Division, Offer, Rule};
use crate::table::{Row, Table};
use mflag_store::{Dataset, Error, Mask, Record, Result, Split};

/// Name of the table in a folder.
pub const FILE: &str = "manifest.csv";

/// What the names of label columns begin with.
pub const LABEL: &str = "label:";

/// All columns but those of labels.
const COLUMNS: [&str; 7] = ["film", "patient", "study", "split", "text", "boxes", "mask"];

/// Why films are left out, in the order of the checks; a film counts under the first that fits.
const REASONS: &[&str] = &[NO_REPORT, NO_TEXT];
const NO_REPORT: &str = "no report";
const NO_TEXT: &str = "report without findings or impression of three words";

/// The one split, of patients whose rows leave it open.
pub const SPLITS: &[Offer] = &[Offer {
    rule: Rule::Patient,
    validate: Some(0.1),
    test: Some(0.1),
}];

/// What to read.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Name of the data set.
    pub name: String,
    /// Leave out films without a report text; otherwise they come with `text: None`.
    pub require_text: bool,
    /// One of [`SPLITS`].
    pub split: Choice,
}

impl Default for Options {
    /// Films without text stay.
    fn default() -> Options {
        Options {
            name: "manifest".to_owned(),
            require_text: false,
            split: Choice::default(),
        }
    }
}

/// Reads the table at `path`, or `manifest.csv` in the folder `path`, gzipped or not.
///
/// # Errors
/// The first row that is wrong, with its column, its value (but for patients and texts) and what to do: a film or mask
/// that is no file, a film that was listed before, a patient in two splits, a value that is not allowed, a box beyond its
/// film, a mask of another size. And columns that are missing or look like a slip, and a table that lists no film.
pub fn read(path: &Path, options: &Options) -> Result<Dataset> {
    let division = options.split.among(SPLITS)?;
    let table = Table::open(&if path.is_dir() {
        path.join(FILE)
    } else {
        path.to_owned()
    })?;
    let file = table.path().to_owned();
    let columns = Columns::of(&table)?;
    let mut rows = Rows {
        folder: file.parent().unwrap_or(Path::new("")),
        columns: &columns,
        division,
        films: HashMap::new(),
        patients: HashMap::new(),
    };
    let mut listed: Vec<Listed> = Vec::new();
    table.for_each(|row| {
        let (record, report) = rows.record(row)?;
        listed.push(Listed {
            row: row.number(),
            record,
            report,
        });
        Ok(())
    })?;
    files::check(&file, &listed)?;

    let mut dropped = Dropped::new(REASONS);
    let kept = listed.into_iter().filter_map(|film| {
        let reason = match (&film.record.text, film.report) {
            (None, false) => NO_REPORT,
            (None, true) => NO_TEXT,
            (Some(_), _) => return Some(film.record),
        };
        if options.require_text {
            dropped.count(reason);
            return None;
        }
        Some(film.record)
    });
    let records: Vec<Record> = kept.collect();
    let labels: Vec<&str> = columns
        .labels
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    reader::dataset(&options.name, &labels, records, &dropped, file.display())
}

/// A film with the row that lists it.
struct Listed {
    row: usize,
    record: Record,
    /// Whether the row has a report, be it one without text.
    report: bool,
}

/// Where the columns stand.
struct Columns {
    film: usize,
    patient: usize,
    study: Option<usize>,
    split: Option<usize>,
    text: Option<usize>,
    boxes: Option<usize>,
    mask: Option<usize>,
    labels: Vec<(String, usize)>,
}

impl Columns {
    fn of(table: &Table) -> Result<Columns> {
        for name in table.header() {
            strange(table, name)?;
        }
        let one = |name: &str| table.columns([name]).map(|[place]| place);
        let optional = |name: &str| {
            let there = table.header().iter().any(|h| h == name);
            there.then(|| one(name)).transpose()
        };
        let labels = table.header().iter().filter_map(|column| {
            let name = column.strip_prefix(LABEL)?.trim();
            Some(one(column).map(|place| (name.to_owned(), place)))
        });
        Ok(Columns {
            film: one("film")?,
            patient: one("patient")?,
            study: optional("study")?,
            split: optional("split")?,
            text: optional("text")?,
            boxes: optional("boxes")?,
            mask: optional("mask")?,
            labels: labels.collect::<Result<_>>()?,
        })
    }
}

/// Refuses a column whose name is a slip of one that is read; others are passed over.
fn strange(table: &Table, name: &str) -> Result<()> {
    if COLUMNS.contains(&name) {
        return Ok(());
    }
    let refuse = |fix: String| {
        let reason = format!("column '{name}' is not read: {fix}");
        Err(Error::file(table.path(), reason))
    };
    if let Some(label) = name.strip_prefix(LABEL) {
        return match label.trim() {
            "" => refuse(format!("name the label behind '{LABEL}'")),
            _ => Ok(()),
        };
    }
    if name.to_lowercase().starts_with("label") {
        return refuse(format!("name it '{LABEL}<name of the label>'"));
    }
    if let Some(near) = suggest::nearest(name, COLUMNS) {
        return refuse(format!("name it '{near}', or delete it"));
    }
    tracing::info!("{}: column '{name}' is not read", table.path().display());
    Ok(())
}

/// Rows become records; remembers what must not contradict itself.
struct Rows<'a> {
    folder: &'a Path,
    columns: &'a Columns,
    division: Division,
    /// The row of each film.
    films: HashMap<String, usize>,
    /// The split of each patient, and the row that said so first.
    patients: HashMap<String, (Split, usize)>,
}

impl Rows<'_> {
    /// The film, and whether it has a report.
    fn record(&mut self, row: &Row<'_>) -> Result<(Record, bool)> {
        let columns = self.columns;
        let cell = |column: Option<usize>| {
            let value = column.map_or("", |column| row.get(column));
            (!value.is_empty()).then_some(value)
        };
        let film = self.film(row)?;
        let split = self.split(row)?;
        let labels = columns.labels.iter();
        let record = Record {
            path: self.folder.join(&film),
            patient: row.get(columns.patient).to_owned(),
            study: cell(columns.study).unwrap_or(&film).to_owned(),
            split,
            text: cell(columns.text).and_then(report_text::clean),
            labels: labels
                .map(|(_, column)| reader::label(row, *column))
                .collect::<Result<_>>()?,
            boxes: columns
                .boxes
                .map_or(Ok(Vec::new()), |column| cells::boxes(row, column))?,
            size: None,
            mask: cell(columns.mask).map(|mask| Mask::File {
                path: self.folder.join(mask),
            }),
            film,
        };
        Ok((record, cell(columns.text).is_some()))
    }

    fn film(&mut self, row: &Row<'_>) -> Result<String> {
        let film = row.get(self.columns.film);
        if film.is_empty() {
            return Err(row.refuse(self.columns.film, "the path of the film's file"));
        }
        match self.films.insert(film.to_owned(), row.number()) {
            None => Ok(film.to_owned()),
            Some(first) => {
                let allowed = format!("another film: row {first} lists it; delete one of the rows");
                Err(row.refuse(self.columns.film, &allowed))
            }
        }
    }

    fn split(&mut self, row: &Row<'_>) -> Result<Split> {
        let patient = row.get(self.columns.patient);
        if patient.is_empty() {
            let allowed =
                "the patient's identifier (repeat the film's name if no patient has two films)";
            return Err(row.refuse(self.columns.patient, allowed));
        }
        let given = self.columns.split.map(|column| cells::split(row, column));
        let split = given.transpose()?.flatten();
        let split = split.unwrap_or_else(|| self.division.of(patient));
        let (first, told_in) = *self
            .patients
            .entry(patient.to_owned())
            .or_insert((split, row.number()));
        if first == split {
            return Ok(split);
        }
        // Splits differ only if a column gave one of them.
        let allowed = format!(
            "{}, the split of the same patient in row {told_in}: give all rows of a patient the same",
            first.name()
        );
        let column = self.columns.split.unwrap_or(self.columns.patient);
        Err(row.refuse(column, &allowed))
    }
}

impl Listed {
    fn mask(&self) -> Option<&PathBuf> {
        match &self.record.mask {
            Some(Mask::File { path }) => Some(path),
            _ => None,
        }
    }
}
