//! The columns of the table.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use mflag_core::suggest;
use mflag_store::{Error, Result};
use unicode_normalization::UnicodeNormalization;

use super::{LABEL, ListedFilm};
use crate::table::Table;

/// All columns except those of labels.
const COLUMNS: [&str; 7] = ["film", "patient", "study", "split", "text", "boxes", "mask"];

/// Positions of the columns.
pub(super) struct Columns {
    pub(super) film: usize,
    pub(super) patient: usize,
    pub(super) study: Option<usize>,
    pub(super) split: Option<usize>,
    pub(super) text: Option<usize>,
    pub(super) boxes: Option<usize>,
    pub(super) mask: Option<usize>,
    /// Name and position of each label.
    pub(super) labels: Vec<(String, usize)>,
}

impl Columns {
    /// Finds the columns by their names.
    pub(super) fn find(table: &Table) -> Result<Columns> {
        for name in table.header() {
            check_name(table, name)?;
        }
        let required = |name: &str| table.columns([name]).map(|[position]| position);
        let optional = |name: &str| table.has(name).then(|| required(name)).transpose();
        let labels = table.header().iter().filter_map(|column| {
            let name = column.strip_prefix(LABEL)?.trim();
            Some(required(column).map(|position| (name.to_owned(), position)))
        });
        let labels: Vec<(String, usize)> = labels.collect::<Result<_>>()?;
        refuse_same_names(table.path(), labels.iter().map(|(name, _)| name.as_str()))?;
        Ok(Columns {
            film: required("film")?,
            patient: required("patient")?,
            study: optional("study")?,
            split: optional("split")?,
            text: optional("text")?,
            boxes: optional("boxes")?,
            mask: optional("mask")?,
            labels,
        })
    }

    /// Refuses labels of boxes that differ from each other, or from the label columns, only in
    /// case, spaces or Unicode form.
    pub(super) fn check_names_of_boxes(&self, table: &Path, films: &[ListedFilm]) -> Result<()> {
        let of_boxes = films.iter().flat_map(|film| &film.record.boxes);
        let of_boxes = of_boxes.map(|found| found.label.as_str());
        let names: BTreeSet<&str> = self.label_names().into_iter().chain(of_boxes).collect();
        refuse_same_names(table, names)
    }

    /// Names of the labels.
    pub(super) fn label_names(&self) -> Vec<&str> {
        let names = self.labels.iter().map(|(name, _)| name.as_str());
        names.collect()
    }
}

/// Refuses names that differ only in case, spaces or Unicode form.
fn refuse_same_names<'a>(table: &Path, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for name in names {
        let words: Vec<&str> = name.split_whitespace().collect();
        let plain = words.join(" ").to_lowercase().nfkc().collect();
        if let Some(earlier) = seen.insert(plain, name) {
            let reason = format!(
                "the labels '{earlier}' and '{name}' differ at most in case, spaces or the form of \
                 accents: give one label one name"
            );
            return Err(Error::file(table, reason));
        }
    }
    Ok(())
}

/// Refuses a column whose name looks like a misspelled name of a column that is read. Logs other
/// columns that are not read.
fn check_name(table: &Table, name: &str) -> Result<()> {
    if COLUMNS.contains(&name) {
        return Ok(());
    }
    let refuse = |fix: String| {
        let reason = format!("column '{name}' is not read: {fix}");
        Err(Error::file(table.path(), reason))
    };
    if let Some(label) = name.strip_prefix(LABEL) {
        return match label.trim() {
            "" => refuse(format!("write the label's name after '{LABEL}'")),
            _ => Ok(()),
        };
    }
    if name.to_lowercase().starts_with("label") {
        return refuse(format!("rename it to '{LABEL}<name of the label>'"));
    }
    if let Some(nearest) = suggest::nearest(name, COLUMNS) {
        return refuse(format!("rename it to '{nearest}', or delete it"));
    }
    tracing::info!("{}: column '{name}' is not read", table.path().display());
    Ok(())
}
