//! What the readers of the data sets share.

use mflag_core::Named;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::path::Path;

use mflag_core::suggest;
use rayon::prelude::*;

use crate::table::{Row, Table};
use mflag_store::{BoundingBox, Dataset, Error, Record, Result, Split, fits};

/// A film's file is not there.
pub(crate) const NO_FILM: &str = "no film file";
/// A film had a row before.
pub(crate) const DUPLICATE: &str = "duplicate row";

/// The list of splits lacks a film.
const NOT_LISTED: &str = "not in the list of splits";

/// Counts of films left out.
#[derive(Debug)]
pub(crate) struct Dropped {
    /// In the order of the checks; a film counts under the first that fits.
    reasons: &'static [&'static str],
    counts: Vec<usize>,
}

impl Dropped {
    pub(crate) fn new(reasons: &'static [&'static str]) -> Dropped {
        Dropped {
            reasons,
            counts: vec![0; reasons.len()],
        }
    }

    /// Counts a film under one of the reasons.
    pub(crate) fn count(&mut self, reason: &str) {
        for (known, count) in self.reasons.iter().zip(&mut self.counts) {
            *count += usize::from(*known == reason);
        }
    }

    /// Reasons that occurred, in the order of the checks.
    pub(crate) fn listed(&self) -> Vec<(String, usize)> {
        let found = self.reasons.iter().zip(&self.counts);
        found
            .filter(|(_, count)| **count > 0)
            .map(|(reason, count)| ((*reason).to_owned(), *count))
            .collect()
    }
}

/// Keeps the films whose file is there.
pub(crate) fn with_files(records: Vec<Record>, dropped: &mut Dropped) -> Vec<Record> {
    let there: Vec<bool> = records.par_iter().map(|r| r.path.is_file()).collect();
    let keep = records.into_iter().zip(there).filter_map(|(r, there)| {
        if !there {
            tracing::debug!("no film file {}", r.path.display());
            dropped.count(NO_FILM);
        }
        there.then_some(r)
    });
    keep.collect()
}

/// The data set of these films, in order; `layout` says where films are looked for.
///
/// # Errors
/// If there is no film.
pub(crate) fn dataset(
    name: &str,
    labels: &[impl AsRef<str>],
    mut records: Vec<Record>,
    dropped: &Dropped,
    layout: impl Display,
) -> Result<Dataset> {
    records.sort_unstable_by(|a, b| a.film.cmp(&b.film));
    let dropped = dropped.listed();
    let told = told(&dropped);
    if records.is_empty() {
        return Err(Error::Data(format!(
            "{name}: no film is left (left out: {told}); films are looked for as {layout}"
        )));
    }
    tracing::info!("{name}: {} films kept; left out: {told}", records.len());
    Ok(Dataset {
        name: name.to_owned(),
        labels: labels.iter().map(|l| l.as_ref().to_owned()).collect(),
        records,
        dropped,
    })
}

/// Reasons and counts in words.
fn told(dropped: &[(String, usize)]) -> String {
    let parts: Vec<String> = dropped
        .iter()
        .map(|(why, n)| format!("{n} {why}"))
        .collect();
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(", ")
    }
}

/// The split of every film of a table with the columns `id`, which `film` reads, and `split`.
pub(crate) fn splits(
    path: &Path,
    id: &str,
    film: impl for<'a> Fn(&Row<'a>, usize) -> Result<&'a str>,
) -> Result<HashMap<String, Split>> {
    let table = Table::open(path)?;
    let [id, split] = table.columns([id, "split"])?;
    let mut splits = HashMap::new();
    table.for_each(|row| {
        let film = film(row, id)?;
        let name = row.get(split);
        let Some(value) = Split::from_name(name) else {
            let hint = suggest::hint(name, Split::ALL.iter().map(|split| split.name()));
            return Err(row.refuse(split, &format!("train, validate or test{hint}")));
        };
        let first = *splits.entry(film.to_owned()).or_insert(value);
        if first == value {
            return Ok(());
        }
        Err(row.refuse(
            split,
            &format!("{}, as in the film's earlier row", first.name()),
        ))
    })?;
    Ok(splits)
}

/// `data` with the splits of a table `film,split`; films that it lacks are left out.
///
/// # Errors
/// The table is not as described, or has none of the films.
pub(crate) fn listed(mut data: Dataset, list: &Path) -> Result<Dataset> {
    let splits = splits(list, "film", filled)?;
    let before = data.records.len();
    data.records.retain_mut(|record| {
        let split = splits.get(&record.film);
        record.split = split.copied().unwrap_or(record.split);
        split.is_some()
    });
    if data.records.is_empty() {
        let reason = format!(
            "lists none of the {before} films of {}; its films are named as in films.jsonl",
            data.name
        );
        return Err(Error::file(list, reason));
    }
    if data.records.len() < before {
        let left_out = before - data.records.len();
        data.dropped.push((NOT_LISTED.to_owned(), left_out));
    }
    let shared = in_two_splits(&data.records);
    if shared > 0 {
        // Published lists do it: to be known, not to be refused.
        tracing::warn!(
            "{}: {shared} patients have films in more than one split: figures will flatter",
            list.display()
        );
    }
    Ok(data)
}

/// How many patients have films in more than one split.
fn in_two_splits(records: &[Record]) -> usize {
    let mut splits: HashMap<&str, BTreeSet<Split>> = HashMap::new();
    for record in records {
        splits
            .entry(&record.patient)
            .or_default()
            .insert(record.split);
    }
    splits.values().filter(|of| of.len() > 1).count()
}

/// A label: 1, 0, −1 (with or without decimals) or nothing.
pub(crate) fn label(row: &Row<'_>, column: usize) -> Result<Option<f32>> {
    let value = row.get(column);
    if value.is_empty() {
        return Ok(None);
    }
    let known = value.parse().ok().filter(|v| [1.0, 0.0, -1.0].contains(v));
    known
        .map(Some)
        .ok_or_else(|| row.refuse(column, "1, 0, -1 (uncertain) or empty"))
}

/// A finite number.
pub(crate) fn number(row: &Row<'_>, column: usize) -> Result<f64> {
    let value = row.get(column).parse().ok().filter(|v: &f64| v.is_finite());
    value.ok_or_else(|| row.refuse(column, "a number"))
}

/// An identifier: anything but nothing.
pub(crate) fn filled<'a>(row: &Row<'a>, column: usize) -> Result<&'a str> {
    match row.get(column) {
        "" => Err(row.refuse(column, "an identifier")),
        value => Ok(value),
    }
}

/// A name that can be no way out of the data set's folder.
pub(crate) fn file_name<'a>(row: &Row<'a>, column: usize) -> Result<&'a str> {
    let name = row.get(column);
    if is_file_name(name) {
        Ok(name)
    } else {
        Err(row.refuse_unseen(column, "a file name of letters, digits, '.', '_' and '-'"))
    }
}

/// Whether a name is of letters, digits, `.`, `_` and `-`, and no dot begins it.
pub(crate) fn is_file_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed)
}

/// The smallest box around points; `None` if it has no area.
pub(crate) fn around(label: &str, points: &[(f64, f64)]) -> Option<BoundingBox> {
    let span = |of: fn(&(f64, f64)) -> f64| {
        let values = points.iter().map(of);
        let low = values.clone().fold(f64::INFINITY, f64::min);
        (low, values.fold(f64::NEG_INFINITY, f64::max) - low)
    };
    let ((x, width), (y, height)) = (span(|p| p.0), span(|p| p.1));
    (width > 0.0 && height > 0.0).then(|| BoundingBox {
        label: label.to_owned(),
        x,
        y,
        width,
        height,
    })
}

/// Size of an image in pixels by its header; `None` for formats that the image library does not know, such as DICOM, and
/// for damaged files, which preparation reports.
pub(crate) fn size(path: &Path) -> Option<(u32, u32)> {
    let reader = image::ImageReader::open(path).ok()?;
    reader.with_guessed_format().ok()?.into_dimensions().ok()
}

/// Refuses films that are smaller than their boxes: copies that somebody resized, for which the boxes are wrong.
pub(crate) fn boxes_fit(root: &Path, records: &[Record]) -> Result<()> {
    let with_boxes: Vec<&Record> = records.iter().filter(|r| !r.boxes.is_empty()).collect();
    let too_small: Vec<(&Record, (u32, u32))> = with_boxes
        .par_iter()
        .filter_map(|record| Some((*record, size(&record.path)?)))
        .filter(|(record, size)| !record.boxes.iter().all(|b| fits(b, *size)))
        .collect();
    let Some((first, (width, height))) = too_small.first() else {
        return Ok(());
    };
    tracing::debug!("boxes reach beyond {}", first.path.display());
    Err(Error::file(
        root,
        format!(
            "boxes reach beyond {} of {} films, the first is of {width}×{height} px (-v says which): these films are resized copies, \
             and the boxes are in pixels of the originals; give the folder of the originals",
            too_small.len(),
            with_boxes.len(),
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patients_of_two_splits_are_counted() {
        let record = |patient: &str, split| Record {
            film: String::new(),
            path: "film.png".into(),
            patient: patient.into(),
            study: String::new(),
            split,
            text: None,
            labels: vec![],
            boxes: vec![],
            mask: None,
            size: None,
        };
        let records = [
            record("a", Split::Train),
            record("b", Split::Train),
            record("a", Split::Test),
            record("b", Split::Train),
        ];
        assert_eq!(in_two_splits(&records), 1);
        assert_eq!(in_two_splits(&[]), 0);
    }
}
