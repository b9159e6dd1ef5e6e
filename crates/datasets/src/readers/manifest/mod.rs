//! Your own films, listed in one CSV table.
//!
//! | column | | value |
//! | --- | --- | --- |
//! | `film` | required | the film's file; a relative path starts at the table's folder |
//! | `patient` | required | identifier; the films of a patient share a split |
//! | `study` | | identifier; the films of a study share its report; if empty, the film forms its own study |
//! | `split` | | `train`, `validate` or `test`; if empty, a hash of the patient decides |
//! | `text` | | the report, cleaned as in [`crate::report_text`]; quote it if it has separators, quotes or line breaks; films of the study without a text share it |
//! | `label:<name>` | one column per label | `1` present, `0` absent, `-1` uncertain, empty if not mentioned |
//! | `boxes` | | `<label> <x> <y> <width> <height>`, separated by `;`, in pixels of the film's file |
//! | `mask` | | an image of the film's size, black and white; [`mflag_store::mask::from_file`] |
//!
//! `datasets/manifest.md` describes the table in more detail, and `datasets/manifest-template.csv`
//! is a template.

mod cells;
mod columns;
mod files;
mod rows;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use clap::builder::NonEmptyStringValueParser;
use mflag_store::{Dataset, Record, Result};

use crate::annotations::AnnotationOptions;
use crate::left_out::{LOST_LETTERS, LeftOut, NO_REPORT, NO_TEXT};
use crate::reader::{Reader, Text, dataset};
use crate::report_text::{Headings, TextOptions};
use crate::split::{Offer, Rule, RuleOptions};
use crate::table::{Author, Table};
use columns::Columns;
use rows::Rows;

/// Name of the table in a folder.
pub const FILE: &str = "manifest.csv";

/// Prefix of the names of label columns.
pub const LABEL: &str = "label:";

/// Why films are left out, in the order of the checks.
const REASONS: &[&str] = &[NO_REPORT, NO_TEXT];

/// What is said of films that stay.
const SHARED_REPORT: &str = "film with the report of another film of its study";
const DIFFERENT_TEXTS: &str = "study with different texts";

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
    /// How the text of a report is found.
    #[command(flatten)]
    pub rules: TextOptions,
    /// Masks of another size than their film.
    #[command(flatten)]
    pub annotations: AnnotationOptions,
    /// How to split the films whose row has no split.
    #[command(flatten)]
    pub split: RuleOptions,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            name: Manifest::NAME.to_owned(),
            text: Text::Optional,
            rules: TextOptions::default(),
            annotations: AnnotationOptions::default(),
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
        let file = match path.is_dir() {
            true => path.join(FILE),
            false => path.to_owned(),
        };
        let table = Table::open_by(&file, Author::User)?;
        let columns = Columns::find(&table)?;
        let rules = options.rules.rules(Headings::Any);
        let mut rows = Rows::new(&file, &columns, &splitter, rules);
        let mut films: Vec<ListedFilm> = Vec::new();
        table.for_each(|row| {
            films.push(rows.read(row)?);
            Ok(())
        })?;
        columns.check_names_of_boxes(&file, &films)?;
        files::check(&file, &mut films, options.annotations)?;

        let mut left_out = LeftOut::new(REASONS);
        share_reports(&mut films, &mut left_out);
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
    /// Whether letters of the report were removed.
    lost_letters: bool,
}

/// The records of the films. Films without text are left out if `text` requires one, and counted in
/// any case.
fn with_texts(films: Vec<ListedFilm>, text: Text, left_out: &mut LeftOut) -> Vec<Record> {
    let has_texts = films.iter().any(|film| film.has_report);
    let kept = films.into_iter().filter_map(|film| {
        if film.lost_letters {
            left_out.note(LOST_LETTERS);
        }
        if film.record.text.is_some() {
            return Some(film.record);
        }
        let reason = if film.has_report { NO_TEXT } else { NO_REPORT };
        if text == Text::Required {
            left_out.count(reason);
            return None;
        }
        // A table without reports needs no remark about each film.
        if has_texts {
            left_out.note_kept_without_text(reason);
        }
        Some(film.record)
    });
    kept.collect()
}

/// Gives the films of a study without a report of their own the report of the study's other films.
/// A study with several different texts is counted, and its films keep what their rows have.
fn share_reports(films: &mut [ListedFilm], left_out: &mut LeftOut) {
    let mut studies: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (index, film) in films.iter().enumerate() {
        let study = (film.record.patient.as_str(), film.record.study.as_str());
        studies.entry(study).or_default().push(index);
    }
    let mut shared: Vec<(usize, String)> = Vec::new();
    let mut different: Vec<usize> = Vec::new();
    for of_study in studies.into_values() {
        let texts: BTreeSet<&str> = of_study
            .iter()
            .filter_map(|index| films[*index].record.text.as_deref())
            .collect();
        if let Some(text) = texts.first()
            && texts.len() == 1
        {
            let without = of_study.iter().filter(|index| !films[**index].has_report);
            shared.extend(without.map(|index| (*index, (*text).to_owned())));
        } else if let Some(first) = of_study.first()
            && texts.len() > 1
        {
            different.push(*first);
        }
    }
    for (index, text) in shared {
        films[index].record.text = Some(text);
        left_out.note(SHARED_REPORT);
    }
    if let Some(first) = different
        .iter()
        .map(|index| &films[*index])
        .min_by_key(|film| film.row)
    {
        tracing::warn!(
            "{} studies have films with different texts, and each film keeps its own; the first \
             such study begins in row {}: correct the texts, or give the films studies of their \
             own",
            different.len(),
            first.row
        );
        tracing::debug!("the study of row {} is {}", first.row, first.record.study);
        different
            .iter()
            .for_each(|_| left_out.note(DIFFERENT_TEXTS));
    }
}
