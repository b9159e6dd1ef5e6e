//! The three tables of MIMIC-CXR-JPG: where they are and what they say.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::{DUPLICATE, Dropped, LABELS, NO_SPLIT, NOT_FRONTAL, OTHER_VIEW, View};
use crate::reader::{self, label};
use crate::table::{Row, Table};
use crate::{Error, Result, Split};

/// A film as the tables describe it.
pub(super) struct Film {
    pub(super) id: String,
    pub(super) patient: u32,
    pub(super) study: u32,
    pub(super) split: Split,
}

/// The files of the tables.
pub(super) struct Tables {
    metadata: PathBuf,
    split: PathBuf,
    pub(super) labels: Option<PathBuf>,
}

/// Values of one study, in the order of [`LABELS`].
pub(super) type Labels = [Option<f32>; LABELS.len()];

/// Finds the tables in `root` by their names.
pub(super) fn locate(root: &Path) -> Result<Tables> {
    let io = |e| Error::io("read", root, e);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root).map_err(io)? {
        names.extend(entry.map_err(io)?.file_name().into_string());
    }
    let required = |kind| {
        let reason = || {
            format!(
                "table mimic-cxr-2.x.x-{kind}.csv.gz is not in this folder; give the folder of MIMIC-CXR-JPG that \
                 holds its tables and 'files' (access: https://physionet.org/content/mimic-cxr-jpg/)"
            )
        };
        find(root, &names, kind)?.ok_or_else(|| Error::file(root, reason()))
    };
    Ok(Tables {
        metadata: required("metadata")?,
        split: required("split")?,
        labels: find(root, &names, "chexpert")?,
    })
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

/// Films of the metadata table with the wanted views and a split.
pub(super) fn films(tables: &Tables, views: &[View], dropped: &mut Dropped) -> Result<Vec<Film>> {
    let splits = reader::splits(&tables.split, "dicom_id", film_id)?;
    let table = Table::open(&tables.metadata)?;
    let [id, patient, study, view] =
        table.columns(["dicom_id", "subject_id", "study_id", "ViewPosition"])?;
    let mut films = Vec::new();
    let mut seen = HashSet::new();
    table.for_each(|row| {
        let reason = match view_of(row.get(view)) {
            None => NOT_FRONTAL,
            Some(view) if !views.contains(&view) => OTHER_VIEW,
            Some(_) => {
                let film = film_id(row, id)?;
                match splits.get(film) {
                    _ if !seen.insert(film.to_owned()) => DUPLICATE,
                    None => NO_SPLIT,
                    Some(&split) => {
                        films.push(Film {
                            id: film.to_owned(),
                            patient: number(row, patient, 'p')?,
                            study: number(row, study, 's')?,
                            split,
                        });
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

/// The labels of every study.
pub(super) fn labels(path: &Path) -> Result<HashMap<u32, Labels>> {
    let table = Table::open(path)?;
    let [study] = table.columns(["study_id"])?;
    let places = table.columns(LABELS)?;
    let mut labels = HashMap::new();
    table.for_each(|row| {
        let mut values = [None; LABELS.len()];
        for (value, &place) in values.iter_mut().zip(&places) {
            *value = label(row, place)?;
        }
        match labels.entry(number(row, study, 's')?) {
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

/// An identifier that is safe as a file name.
fn film_id<'a>(row: &Row<'a>, column: usize) -> Result<&'a str> {
    let id = row.get(column);
    let safe = !id.is_empty()
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if safe {
        Ok(id)
    } else {
        Err(row.refuse_unseen(column, "letters, digits and hyphens"))
    }
}

/// An identifier of eight digits, with or without its letter.
fn number(row: &Row<'_>, column: usize, letter: char) -> Result<u32> {
    let value = row.get(column);
    let digits = value.strip_prefix(letter).unwrap_or(value);
    let fits =
        digits.len() == 8 && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    let number = if fits { digits.parse().ok() } else { None };
    number.ok_or_else(|| row.refuse_unseen(column, "an identifier of eight digits"))
}
