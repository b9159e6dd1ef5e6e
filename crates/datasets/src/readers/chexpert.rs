//! CheXpert v1.0, full or `-small`: frontal films with their 14 labels.
//!
//! The layout, the rules and the terms of access are in `datasets/chexpert.md`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::reader::{self, DUPLICATE, Dropped, NO_FILM};
use crate::readers::mimic::LABELS;
use crate::split::{Choice, Division, Offer, Rule};
use crate::table::{Row, Table};
use mflag_store::{Dataset, Error, Record, Result, Split};

/// Why films are left out, in the order of the checks; a film counts under the first that fits.
const REASONS: &[&str] = &[NOT_FRONTAL, DUPLICATE, NO_FILM];
const NOT_FRONTAL: &str = "not a frontal view";

/// The folders of the release.
const FOLDERS: [&str; 2] = ["CheXpert-v1.0-small", "CheXpert-v1.0"];

/// Validation as MGCA has it: 5,000 of the 191,027 frontal films of `train.csv`.
const VALIDATE: f64 = 5_000.0 / 191_027.0;

/// The splits, the usual one first.
pub const SPLITS: &[Offer] = &[
    Offer {
        rule: Rule::Official,
        validate: Some(VALIDATE),
        test: None,
    },
    Offer {
        rule: Rule::Mgca,
        validate: Some(VALIDATE),
        test: None,
    },
    Offer {
        rule: Rule::Patient,
        validate: Some(0.1),
        test: Some(0.1),
    },
];

/// What to read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Options {
    /// One of [`SPLITS`].
    pub split: Choice,
}

/// Reads the data set in the folder `root`, which holds `train.csv` and `valid.csv`, or holds `CheXpert-v1.0` or
/// `CheXpert-v1.0-small` with them. The labels are [`LABELS`].
///
/// The films of `valid.csv` test; of those of `train.csv` a part validates: whole patients by hash ([`Rule::Official`]), or
/// single films ([`Rule::Mgca`]). By [`Rule::Patient`] the two tables are one.
///
/// # Errors
/// A table or a column is missing, the root holds two copies, a value is not allowed, or no film is left.
pub fn read(root: &Path, options: &Options) -> Result<Dataset> {
    let division = options.split.among(SPLITS)?;
    let root = folder(root)?;
    let mut dropped = Dropped::new(REASONS);
    let mut train = films(&root, "train", &mut dropped)?;
    let mut valid = films(&root, "valid", &mut dropped)?;
    divide(&division, &mut train, &mut valid)?;
    let records = [train, valid].concat();
    let records = reader::with_files(records, &mut dropped);
    let layout = root.join("train/patientxxxxx/studyx/view1_frontal.jpg");
    reader::dataset("chexpert", &LABELS, records, &dropped, layout.display())
}

/// The folder with the tables: `root`, or the release's own folder in it.
fn folder(root: &Path) -> Result<PathBuf> {
    let has_table = |folder: &PathBuf| folder.join("train.csv").is_file();
    let inside = FOLDERS.map(|name| root.join(name));
    match (
        has_table(&root.to_owned()),
        inside.each_ref().map(has_table),
    ) {
        (true, _) => Ok(root.to_owned()),
        (false, [true, true]) => {
            let reason =
                "CheXpert-v1.0 and CheXpert-v1.0-small are both here: give the folder of one";
            Err(Error::file(root, reason))
        }
        (false, [false, false]) => {
            let reason = "no table train.csv is here, and no folder CheXpert-v1.0 or CheXpert-v1.0-small with it; give \
                          the folder that holds train.csv, valid.csv and 'train' (access: \
                          https://stanfordmlgroup.github.io/competitions/chexpert/)";
            Err(Error::file(root, reason))
        }
        (false, [small, _]) => Ok(inside[usize::from(!small)].clone()),
    }
}

/// Gives the films of the two tables their splits.
fn divide(division: &Division, train: &mut [Record], valid: &mut [Record]) -> Result<()> {
    match division.rule {
        Rule::Official => train
            .iter_mut()
            .for_each(|film| film.split = division.of(&film.patient)),
        Rule::Mgca => {
            let drawn = division.draw(train.len())?;
            train
                .iter_mut()
                .zip(drawn)
                .for_each(|(film, split)| film.split = split);
        }
        Rule::Patient => {
            let all = train.iter_mut().chain(&mut *valid);
            all.for_each(|film| film.split = division.of(&film.patient));
            return Ok(());
        }
    }
    valid.iter_mut().for_each(|film| film.split = Split::Test);
    Ok(())
}

/// The frontal films of one table, in its order.
fn films(root: &Path, part: &str, dropped: &mut Dropped) -> Result<Vec<Record>> {
    let table = Table::open(&root.join(format!("{part}.csv")))?;
    let [path, view] = table.columns(["Path", "Frontal/Lateral"])?;
    let labels = table.columns(LABELS)?;
    let mut seen = HashSet::new();
    let mut records = Vec::new();
    table.for_each(|row| {
        let place = Place::parse(row, path, part)?;
        let reason = match row.get(view) {
            "Lateral" => NOT_FRONTAL,
            "Frontal" if !seen.insert(place.film()) => DUPLICATE,
            "Frontal" => {
                records.push(Record {
                    film: place.film(),
                    patient: place.patient.to_owned(),
                    study: format!("{}/{}", place.patient, place.study),
                    path: root.join(part).join(place.film()),
                    split: Split::Train,
                    text: None,
                    labels: labels
                        .iter()
                        .map(|&column| reader::label(row, column))
                        .collect::<Result<_>>()?,
                    boxes: Vec::new(),
                    mask: None,
                    size: None,
                });
                return Ok(());
            }
            _ => return Err(row.refuse(view, "Frontal or Lateral")),
        };
        dropped.count(reason);
        tracing::debug!("row {} of {part}.csv: {reason}", row.number());
        Ok(())
    })?;
    Ok(records)
}

/// What the path of a film says.
struct Place<'a> {
    patient: &'a str,
    study: &'a str,
    file: &'a str,
}

impl<'a> Place<'a> {
    /// `[<release>/]<part>/<patient>/<study>/<file>`.
    fn parse(row: &Row<'a>, column: usize, part: &str) -> Result<Place<'a>> {
        let pieces: Vec<&str> = row.get(column).split('/').collect();
        match pieces[..] {
            [.., found, patient, study, file]
                if pieces.len() <= 5
                    && found == part
                    && [patient, study, file].into_iter().all(reader::is_file_name) =>
            {
                Ok(Place {
                    patient,
                    study,
                    file,
                })
            }
            _ => {
                let form = format!("CheXpert-v1.0/{part}/<patient>/<study>/<file>.jpg");
                Err(row.refuse_unseen(column, &form))
            }
        }
    }

    fn film(&self) -> String {
        format!("{}/{}/{}", self.patient, self.study, self.file)
    }
}
