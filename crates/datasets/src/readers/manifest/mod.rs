//! Your own films, listed in one CSV table.
//!
//! | column | | value |
//! | --- | --- | --- |
//! | `film` | required | the film's file; a relative path starts at the table's folder |
//! | `patient` | required | identifier; the films of a patient share a split |
//! | `study` | | identifier; the films of a study share its report; if empty, the film forms its own study |
//! | `split` | | `train`, `validate` or `test`; if empty, a hash of the patient decides |
//! | `text` | | the report, cleaned as in [`crate::report_text`]; quote it if it has commas, quotes or line breaks |
//! | `label:<name>` | one column per label | `1` present, `0` absent, `-1` uncertain, empty if not mentioned |
//! | `boxes` | | `<label> <x> <y> <width> <height>`, separated by `;`, in pixels of the film's file |
//! | `mask` | | an image of the film's size; all pixels that are not black belong to the mask |
//!
//! `datasets/manifest.md` describes the table in more detail, and `datasets/manifest-template.csv`
//! is a template.

mod cells;
mod columns;
mod files;
mod rows;

use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;
use mflag_store::{Dataset, Mask, Record, Result};

use crate::left_out::{LeftOut, NO_REPORT, NO_TEXT};
use crate::reader::{Reader, Text, dataset};
use crate::split::{Offer, Rule, RuleOptions};
use crate::table::Table;
use columns::Columns;
use rows::Rows;

/// Name of the table in a folder.
pub const FILE: &str = "manifest.csv";

/// Prefix of the names of label columns.
pub const LABEL: &str = "label:";

/// Why films are left out, in the order of the checks.
const REASONS: &[&str] = &[NO_REPORT, NO_TEXT];

/// Options of the reader.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct Options {
    /// Name of the data set; patients are compared only between stores whose data sets have the
    /// same name
    #[arg(
        long,
        value_parser = NonEmptyStringValueParser::new(),
        default_value_t = Options::default().name
    )]
    pub name: String,
    /// Whether to keep films without report text
    #[arg(long, value_enum, default_value_t = Options::default().text)]
    pub text: Text,
    /// How to split the films whose row has no split.
    #[command(flatten)]
    pub split: RuleOptions,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            name: Manifest::NAME.to_owned(),
            text: Text::Optional,
            split: RuleOptions::default(),
        }
    }
}

/// The reader of your own films.
#[derive(Debug, Clone, Copy)]
pub struct Manifest;

impl Reader for Manifest {
    /// The default name. [`Options::name`] replaces it.
    const NAME: &'static str = "manifest";
    const TITLE: &'static str = "Your own films, listed in one CSV table (--root: the table, or a folder with manifest.csv)";
    const EXAMPLES: &'static str = "Example:
  mflag-data prepare manifest --root own.csv --name ours --out data/own/store";
    const LABELS: &'static [&'static str] = &[];
    const SPLITS: &'static [Offer] = &[Offer {
        rule: Rule::Patient,
        validate: Some(0.1),
        test: Some(0.1),
    }];
    type Options = Options;

    /// Reads the table at `path`, or `manifest.csv` in the folder `path`, gzipped or not.
    ///
    /// # Errors
    /// If a column is missing or its name looks like a mistake, if the table lists no film, or if a
    /// row is wrong. A row is wrong if its film or mask does not exist, if an earlier row lists the
    /// same film, if its patient is in two splits, if a value is not allowed, if a box reaches
    /// beyond the film, or if the mask has another size than the film. The message names the first
    /// wrong row.
    fn read(path: &Path, options: &Options) -> Result<Dataset> {
        let splitter = options.split.splitter(Self::SPLITS)?;
        let table = Table::open(&if path.is_dir() {
            path.join(FILE)
        } else {
            path.to_owned()
        })?;
        let file = table.path().to_owned();
        let columns = Columns::find(&table)?;
        let mut rows = Rows::new(&file, &columns, &splitter);
        let mut films: Vec<ListedFilm> = Vec::new();
        table.for_each(|row| {
            films.push(rows.read(row)?);
            Ok(())
        })?;
        files::check(&file, &films)?;

        let mut left_out = LeftOut::new(REASONS);
        let records = with_texts(films, options.text, &mut left_out);
        dataset(
            &options.name,
            &columns.label_names(),
            records,
            &left_out,
            &splitter,
            file.display(),
        )
    }
}

/// A film, and the row that lists it.
struct ListedFilm {
    row: usize,
    record: Record,
    /// Whether the row has a report, even if cleaning the report leaves no text.
    has_report: bool,
}

impl ListedFilm {
    /// The file of the film's mask.
    fn mask(&self) -> Option<&PathBuf> {
        match &self.record.mask {
            Some(Mask::File { path }) => Some(path),
            _ => None,
        }
    }
}

/// The records of the films. Films without text are left out if `text` requires one.
fn with_texts(films: Vec<ListedFilm>, text: Text, left_out: &mut LeftOut) -> Vec<Record> {
    let kept = films.into_iter().filter_map(|film| {
        if text == Text::Required && film.record.text.is_none() {
            left_out.count(if film.has_report { NO_TEXT } else { NO_REPORT });
            return None;
        }
        Some(film.record)
    });
    kept.collect()
}
