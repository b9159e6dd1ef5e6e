//! CheXpert v1.0, full or `-small`: frontal films with 14 labels.
//!
//! The root holds `train.csv` and `valid.csv`, or a folder `CheXpert-v1.0` or `CheXpert-v1.0-small`
//! with these tables. [`Rule::Official`] and [`Rule::Mgca`] use the films of `valid.csv` for test
//! and some films of `train.csv` for validation: the first chooses whole patients by a hash, the
//! second draws single films at random. [`Rule::Patient`] splits the films of both tables together.
//! `datasets/chexpert.md` describes the layout, the rules and the terms of access.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use mflag_store::{Dataset, Error, Record, Result, Split};

use crate::checks;
use crate::left_out::{DUPLICATE, LeftOut, NO_FILM, NOT_FRONTAL};
use crate::reader::{Reader, dataset};
use crate::readers::mimic::LABELS;
use crate::split::{Offer, Rule, SplitOptions, Splitter};
use crate::table::{Row, Table};

/// Why films are left out, in the order of the checks.
const REASONS: &[&str] = &[NOT_FRONTAL, DUPLICATE, NO_FILM];

/// The folders of the two releases.
const FOLDERS: [&str; 2] = ["CheXpert-v1.0-small", "CheXpert-v1.0"];

/// The part for validation in MGCA: 5,000 of the 191,027 frontal films of `train.csv`.
const VALIDATE: f64 = 5_000.0 / 191_027.0;

/// Options of the reader.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct Options {
    /// How the films are split.
    #[command(flatten)]
    pub split: SplitOptions,
}

/// The reader of CheXpert.
#[derive(Debug, Clone, Copy)]
pub struct Chexpert;

impl Reader for Chexpert {
    const NAME: &'static str = "chexpert";
    const TITLE: &'static str = "CheXpert v1.0, full or -small";
    const EXAMPLES: &'static str = "Example:
  mflag-data prepare chexpert --root CheXpert-v1.0-small --out data/chexpert/store-256";
    const LABELS: &'static [&'static str] = &LABELS;
    const SPLITS: &'static [Offer] = &[
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
    type Options = Options;

    fn read(root: &Path, options: &Options) -> Result<Dataset> {
        let splitter = options.split.splitter(Self::SPLITS)?;
        let root = folder(root)?;
        let mut left_out = LeftOut::new(REASONS);
        let mut train = films(&root, "train", &mut left_out)?;
        let mut valid = films(&root, "valid", &mut left_out)?;
        assign_splits(&splitter, &mut train, &mut valid)?;
        let records = left_out.keep_existing_files([train, valid].concat());
        let layout = root.join("train/patientxxxxx/studyx/view1_frontal.jpg");
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

/// The folder with the tables: `root`, or the release's own folder in it.
fn folder(root: &Path) -> Result<PathBuf> {
    let has_table = |folder: &PathBuf| folder.join("train.csv").is_file();
    if has_table(&root.to_owned()) {
        return Ok(root.to_owned());
    }
    let [small, full] = FOLDERS.map(|name| root.join(name));
    match (has_table(&small), has_table(&full)) {
        (true, false) => Ok(small),
        (false, true) => Ok(full),
        (true, true) => {
            let reason = "this folder holds both CheXpert-v1.0 and CheXpert-v1.0-small; give the \
                          folder of one";
            Err(Error::file(root, reason))
        }
        (false, false) => {
            let reason = "this folder holds neither a table train.csv nor a folder CheXpert-v1.0 or \
                          CheXpert-v1.0-small with it; give the folder that holds train.csv, \
                          valid.csv and 'train' (access: \
                          https://stanfordmlgroup.github.io/competitions/chexpert/)";
            Err(Error::file(root, reason))
        }
    }
}

/// Gives the films of the two tables their splits.
fn assign_splits(splitter: &Splitter, train: &mut [Record], valid: &mut [Record]) -> Result<()> {
    match splitter.rule {
        Rule::Official => split_by_patient(splitter, train),
        Rule::Mgca => {
            let drawn = splitter.draw(train.len())?;
            for (film, split) in train.iter_mut().zip(drawn) {
                film.split = split;
            }
        }
        Rule::Patient => {
            split_by_patient(splitter, train);
            split_by_patient(splitter, valid);
            return Ok(());
        }
    }
    for film in valid {
        film.split = Split::Test;
    }
    Ok(())
}

fn split_by_patient(splitter: &Splitter, films: &mut [Record]) {
    for film in films {
        film.split = splitter.by_hash(&film.patient);
    }
}

/// Reads the frontal films of one table, in its order. [`assign_splits`] sets their splits.
fn films(root: &Path, part: &str, left_out: &mut LeftOut) -> Result<Vec<Record>> {
    let table = Table::open(&root.join(format!("{part}.csv")))?;
    let [path, view] = table.columns(["Path", "Frontal/Lateral"])?;
    let labels = table.columns(LABELS)?;
    let mut seen = HashSet::new();
    let mut records = Vec::new();
    table.for_each(|row| {
        let path = FilmPath::parse(row, path, part)?;
        let film = path.film();
        let reason = match row.get(view) {
            "Lateral" => NOT_FRONTAL,
            "Frontal" if !seen.insert(film.clone()) => DUPLICATE,
            "Frontal" => {
                let labels = labels.iter().map(|&column| checks::label(row, column));
                let file = root.join(part).join(&film);
                records.push(Record {
                    study: format!("{}/{}", path.patient, path.study),
                    labels: labels.collect::<Result<_>>()?,
                    ..Record::new(film, path.patient, file, Split::Train)
                });
                return Ok(());
            }
            _ => return Err(row.refuse(view, "Frontal or Lateral")),
        };
        left_out.count(reason);
        tracing::debug!("row {} of {part}.csv: {reason}", row.number());
        Ok(())
    })?;
    Ok(records)
}

/// The components of a film's path.
struct FilmPath<'a> {
    patient: &'a str,
    study: &'a str,
    file: &'a str,
}

impl<'a> FilmPath<'a> {
    /// Parses `[<release>/]<part>/<patient>/<study>/<file>`.
    fn parse(row: &Row<'a>, column: usize, part: &str) -> Result<FilmPath<'a>> {
        let components: Vec<&str> = row.get(column).split('/').collect();
        match components[..] {
            [.., found, patient, study, file]
                if components.len() <= 5
                    && found == part
                    && [patient, study, file].into_iter().all(checks::is_file_name) =>
            {
                Ok(FilmPath {
                    patient,
                    study,
                    file,
                })
            }
            _ => {
                let form = format!("CheXpert-v1.0/{part}/<patient>/<study>/<file>.jpg");
                Err(row.refuse_without_value(column, &form))
            }
        }
    }

    /// The identifier of the film.
    fn film(&self) -> String {
        format!("{}/{}/{}", self.patient, self.study, self.file)
    }
}
