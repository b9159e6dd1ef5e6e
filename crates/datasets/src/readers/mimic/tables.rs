//! The tables of MIMIC-CXR-JPG: metadata, splits and labels.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use mflag_store::{Error, Record, Result, Split};

use super::{DUPLICATE, LABELS, NO_SPLIT, OTHER_VIEW, View};
use crate::checks;
use crate::left_out::{LeftOut, NOT_FRONTAL};
use crate::split::{Rule, Splitter, read_splits};
use crate::table::{Row, Table};

/// The folder of the tables.
pub(super) struct Tables {
    root: PathBuf,
    /// Names of all files and folders in it.
    names: Vec<String>,
}

/// The labels of a study, in the order of [`LABELS`].
pub(super) type StudyLabels = [Option<f32>; LABELS.len()];

impl Tables {
    /// Lists the folder `root`.
    pub(super) fn find_in(root: &Path) -> Result<Tables> {
        let io = |e| Error::io("read", root, e);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(root).map_err(io)? {
            names.extend(entry.map_err(io)?.file_name().into_string());
        }
        let root = root.to_owned();
        Ok(Tables { root, names })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Finds the table `mimic-cxr-<version>-<kind>.csv[.gz]`. If a version exists both zipped and
    /// unzipped, the zipped file is chosen, because it has a checksum.
    pub(super) fn find(&self, kind: &str) -> Result<Option<PathBuf>> {
        let mut by_version: BTreeMap<&str, &str> = BTreeMap::new();
        for name in &self.names {
            if let Some(version) = version(name, kind) {
                let chosen = by_version.entry(version).or_insert(name);
                *chosen = name.as_str().max(chosen);
            }
        }
        let names: Vec<&str> = by_version.into_values().collect();
        if names.len() > 1 {
            let reason = format!(
                "this folder holds the table '{kind}' in several versions: {}; keep one",
                names.join(", ")
            );
            return Err(Error::file(&self.root, reason));
        }
        Ok(names.first().map(|name| self.root.join(name)))
    }

    fn required(&self, kind: &str) -> Result<PathBuf> {
        self.find(kind)?.ok_or_else(|| self.missing(kind))
    }

    /// The error for a missing table.
    pub(super) fn missing(&self, kind: &str) -> Error {
        let reason = format!(
            "table mimic-cxr-2.x.x-{kind}.csv.gz is not in this folder; give the folder of \
             MIMIC-CXR-JPG that holds its tables and 'files' (access: \
             https://physionet.org/content/mimic-cxr-jpg/)"
        );
        Error::file(&self.root, reason)
    }
}

/// The version in the name of a table of this kind. `None` for all other files.
fn version<'a>(name: &'a str, kind: &str) -> Option<&'a str> {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let name = name.strip_prefix("mimic-cxr-")?.strip_suffix(".csv")?;
    let version = name.strip_suffix(kind)?.strip_suffix('-')?;
    let is_version = version.starts_with(|c: char| c.is_ascii_digit()) && !version.contains('-');
    is_version.then_some(version)
}

/// Reads the films of the metadata table that have one of the `views` and a split. Texts and labels
/// are added later.
pub(super) fn films(
    tables: &Tables,
    splitter: &Splitter,
    views: &[View],
    left_out: &mut LeftOut,
) -> Result<Vec<Record>> {
    let metadata = tables.required("metadata")?;
    let splits = Splits::read(tables, splitter)?;
    let table = Table::open(&metadata)?;
    let [id, patient, study, view] =
        table.columns(["dicom_id", "subject_id", "study_id", "ViewPosition"])?;
    let mut films = Vec::new();
    let mut seen = HashSet::new();
    table.for_each(|row| {
        let reason = match parse_view(row.get(view)) {
            None => NOT_FRONTAL,
            Some(view) if !views.contains(&view) => OTHER_VIEW,
            Some(_) => {
                let film = checks::file_name(row, id)?;
                let [patient, study] = [digits(row, patient, 'p')?, digits(row, study, 's')?];
                match splits.split_of(film, patient) {
                    _ if !seen.insert(film.to_owned()) => DUPLICATE,
                    None => NO_SPLIT,
                    Some(split) => {
                        films.push(record(&tables.root, film, patient, study, split));
                        return Ok(());
                    }
                }
            }
        };
        left_out.count(reason);
        tracing::debug!("row {} of the metadata table: {reason}", row.number());
        Ok(())
    })?;
    Ok(films)
}

/// Assigns splits to films.
enum Splits<'a> {
    /// By the split table.
    Official(HashMap<String, Split>),
    ByPatient(&'a Splitter),
}

impl Splits<'_> {
    fn read<'a>(tables: &Tables, splitter: &'a Splitter) -> Result<Splits<'a>> {
        if splitter.rule == Rule::Patient {
            return Ok(Splits::ByPatient(splitter));
        }
        let table = tables.required("split")?;
        let splits = read_splits(Table::open(&table)?, "dicom_id", checks::file_name)?;
        Ok(Splits::Official(splits))
    }

    fn split_of(&self, film: &str, patient: &str) -> Option<Split> {
        match self {
            Splits::Official(splits) => splits.get(film).copied(),
            Splits::ByPatient(splitter) => Some(splitter.by_hash(patient)),
        }
    }
}

/// The record of a film. For patient 10000032 and study 50414267, its file is in
/// `files/p10/p10000032/s50414267`.
fn record(root: &Path, film: &str, patient: &str, study: &str, split: Split) -> Record {
    let group: String = patient.chars().take(2).collect();
    let path = root.join(format!("files/p{group}/p{patient}/s{study}/{film}.jpg"));
    Record {
        study: study.to_owned(),
        ..Record::new(film, patient, path, split)
    }
}

/// Reads the labels of every study.
pub(super) fn labels(path: &Path) -> Result<HashMap<String, StudyLabels>> {
    let table = Table::open(path)?;
    let [study] = table.columns(["study_id"])?;
    let columns = table.columns(LABELS)?;
    let mut labels = HashMap::new();
    table.for_each(|row| {
        let mut values = [None; LABELS.len()];
        for (value, &column) in values.iter_mut().zip(&columns) {
            *value = checks::label(row, column)?;
        }
        match labels.entry(digits(row, study, 's')?.to_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(values);
                Ok(())
            }
            Entry::Occupied(entry) if *entry.get() == values => Ok(()),
            Entry::Occupied(_) => {
                let allowed = "a study that no earlier row lists with other labels";
                Err(row.refuse_without_value(study, allowed))
            }
        }
    })?;
    Ok(labels)
}

fn parse_view(name: &str) -> Option<View> {
    match name {
        "PA" => Some(View::Pa),
        "AP" => Some(View::Ap),
        _ => None,
    }
}

/// Reads an identifier of eight digits, without the letter that may precede it.
fn digits<'a>(row: &Row<'a>, column: usize, letter: char) -> Result<&'a str> {
    let value = row.get(column);
    let digits = value.strip_prefix(letter).unwrap_or(value);
    let is_identifier =
        digits.len() == 8 && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    if is_identifier {
        Ok(digits)
    } else {
        Err(row.refuse_without_value(column, "an identifier of eight digits"))
    }
}
