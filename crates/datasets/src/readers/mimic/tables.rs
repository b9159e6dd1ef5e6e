//! The three tables of MIMIC-CXR-JPG: where they are and what they say.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::{DUPLICATE, Dropped, LABELS, NO_SPLIT, NOT_FRONTAL, OTHER_VIEW, View};
use crate::reader::{self, label};
use crate::split::{Division, Rule};
use crate::table::{Row, Table};
use mflag_store::{Error, Record, Result, Split};

/// The folder of the tables.
pub(super) struct Tables {
    root: PathBuf,
    /// Names of all that is in it.
    names: Vec<String>,
}

/// Values of one study, in the order of [`LABELS`].
pub(super) type Labels = [Option<f32>; LABELS.len()];

/// Looks into `root`.
pub(super) fn locate(root: &Path) -> Result<Tables> {
    let io = |e| Error::io("read", root, e);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root).map_err(io)? {
        names.extend(entry.map_err(io)?.file_name().into_string());
    }
    let root = root.to_owned();
    Ok(Tables { root, names })
}

impl Tables {
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The table of this kind, if it is there.
    pub(super) fn find(&self, kind: &str) -> Result<Option<PathBuf>> {
        find(&self.root, &self.names, kind)
    }

    fn required(&self, kind: &str) -> Result<PathBuf> {
        self.find(kind)?.ok_or_else(|| self.missing(kind))
    }

    pub(super) fn missing(&self, kind: &str) -> Error {
        let reason = format!(
            "table mimic-cxr-2.x.x-{kind}.csv.gz is not in this folder; give the folder of MIMIC-CXR-JPG that \
             holds its tables and 'files' (access: https://physionet.org/content/mimic-cxr-jpg/)"
        );
        Error::file(&self.root, reason)
    }
}

/// The table `mimic-cxr-<version>-<kind>.csv[.gz]`. Of one version the zipped file comes first: it has a checksum.
fn find(root: &Path, names: &[String], kind: &str) -> Result<Option<PathBuf>> {
    let mut versions: BTreeMap<&str, &str> = BTreeMap::new();
    for name in names {
        let stem = name.strip_suffix(".gz").unwrap_or(name);
        let version = stem
            .strip_prefix("mimic-cxr-")
            .and_then(|s| s.strip_suffix(".csv"));
        let Some(version) = version.and_then(|s| s.strip_suffix(kind)?.strip_suffix('-')) else {
            continue;
        };
        if version.starts_with(|c: char| c.is_ascii_digit()) && !version.contains('-') {
            let chosen = versions.entry(version).or_insert(name);
            *chosen = name.as_str().max(chosen);
        }
    }
    let names: Vec<&str> = versions.into_values().collect();
    if names.len() > 1 {
        let reason = format!(
            "table '{kind}' is here in several versions: {}; keep one",
            names.join(", ")
        );
        return Err(Error::file(root, reason));
    }
    Ok(names.first().map(|name| root.join(name)))
}

/// Films of the metadata table with the wanted views and a split, without texts and labels yet.
pub(super) fn films(
    tables: &Tables,
    division: &Division,
    views: &[View],
    dropped: &mut Dropped,
) -> Result<Vec<Record>> {
    let metadata = tables.required("metadata")?;
    let official = match division.rule {
        Rule::Patient => None,
        _ => Some(reader::splits(
            &tables.required("split")?,
            "dicom_id",
            reader::file_name,
        )?),
    };
    let split = |film: &str, patient: &str| match &official {
        Some(splits) => splits.get(film).copied(),
        None => Some(division.of(patient)),
    };
    let table = Table::open(&metadata)?;
    let [id, patient, study, view] =
        table.columns(["dicom_id", "subject_id", "study_id", "ViewPosition"])?;
    let mut films = Vec::new();
    let mut seen = HashSet::new();
    table.for_each(|row| {
        let reason = match view_of(row.get(view)) {
            None => NOT_FRONTAL,
            Some(view) if !views.contains(&view) => OTHER_VIEW,
            Some(_) => {
                let film = reader::file_name(row, id)?;
                let [patient, study] = [digits(row, patient, 'p')?, digits(row, study, 's')?];
                match split(film, patient) {
                    _ if !seen.insert(film.to_owned()) => DUPLICATE,
                    None => NO_SPLIT,
                    Some(split) => {
                        films.push(record(&tables.root, film, patient, study, split));
                        return Ok(());
                    }
                }
            }
        };
        dropped.count(reason);
        tracing::debug!("row {} of the metadata table: {reason}", row.number());
        Ok(())
    })?;
    Ok(films)
}

/// A film, which lies in `files/p10/p10000032/s50414267` for patient 10000032 and study 50414267.
fn record(root: &Path, film: &str, patient: &str, study: &str, split: Split) -> Record {
    let group: String = patient.chars().take(2).collect();
    Record {
        path: root.join(format!("files/p{group}/p{patient}/s{study}/{film}.jpg")),
        film: film.to_owned(),
        patient: patient.to_owned(),
        study: study.to_owned(),
        split,
        text: None,
        labels: Vec::new(),
        boxes: Vec::new(),
        mask: None,
        size: None,
    }
}

/// The labels of every study.
pub(super) fn labels(path: &Path) -> Result<HashMap<String, Labels>> {
    let table = Table::open(path)?;
    let [study] = table.columns(["study_id"])?;
    let places = table.columns(LABELS)?;
    let mut labels = HashMap::new();
    table.for_each(|row| {
        let mut values = [None; LABELS.len()];
        for (value, &place) in values.iter_mut().zip(&places) {
            *value = label(row, place)?;
        }
        match labels.entry(digits(row, study, 's')?.to_owned()) {
            Entry::Vacant(free) => {
                free.insert(values);
            }
            Entry::Occupied(taken) if *taken.get() == values => {}
            Entry::Occupied(_) => {
                return Err(
                    row.refuse_unseen(study, "there once, or with the same labels every time")
                );
            }
        }
        Ok(())
    })?;
    Ok(labels)
}

fn view_of(name: &str) -> Option<View> {
    match name {
        "PA" => Some(View::Pa),
        "AP" => Some(View::Ap),
        _ => None,
    }
}

/// An identifier of eight digits, without the letter that it may have.
fn digits<'a>(row: &Row<'a>, column: usize, letter: char) -> Result<&'a str> {
    let value = row.get(column);
    let digits = value.strip_prefix(letter).unwrap_or(value);
    let fits =
        digits.len() == 8 && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    if fits {
        Ok(digits)
    } else {
        Err(row.refuse_unseen(column, "an identifier of eight digits"))
    }
}
