//! SIIM-ACR Pneumothorax Segmentation: films with the mask of a pneumothorax, or without one.
//!
//! The root holds `train-rle.csv` and the folder `dicom-images-train`, or in the form that Kaggle
//! distributes now, `stage_2_train.csv` and `stage_2_images`. A film is found by its name
//! `<ImageId>.dcm` (or `.png`, `.jpg`), up to three folders deep. The masks of all rows of a film
//! become one mask. The table does not identify patients, so each film counts as a patient.
//! `datasets/siim-acr.md` describes the layout, the rules and the terms of access.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use mflag_core::seed;
use mflag_store::rle::{self, Encoding};
use mflag_store::{Dataset, Error, Mask, Record, Result, Split};

use crate::annotations::{self, AnnotationOptions};
use crate::checks;
use crate::film_files::FilmFiles;
use crate::left_out::{LeftOut, NO_FILM, OTHER_SIZE};
use crate::reader::{Reader, dataset};
use crate::split::{Offer, Rule, SplitOptions};
use crate::table::{Row, Table};

/// The label.
pub const LABELS: [&str; 1] = ["Pneumothorax"];

/// Side of every film in pixels.
pub const SIDE: u32 = 1024;

/// Why films are left out.
const REASONS: &[&str] = &[NO_FILM, NO_ROW, OTHER_SIZE];
const NO_ROW: &str = "film file without a row in the table";
const SURPLUS: &str = "negative training film beyond the number of positive ones";

/// The table and the folder of films of each form: that of 2019, and the one that Kaggle
/// distributes now.
const FORMS: [(&str, &str); 2] = [
    ("train-rle.csv", "dicom-images-train"),
    ("stage_2_train.csv", "stage_2_images"),
];
/// What the table contains in place of runs for a film without a mask.
const NO_MASK: &str = "-1";
/// How many folders may lie between the folder of the films and a film: study, series and one more.
const DEPTH: usize = 3;

/// Runs of set pixels, as in [`Mask::Runs`].
type Runs = Vec<[u32; 2]>;

/// Options of the reader.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct Options {
    /// Folder of the films [default: dicom-images-train or stage_2_images in the root]
    #[arg(long, value_name = "DIR")]
    pub films: Option<PathBuf>,
    /// Masks of resized copies.
    #[command(flatten)]
    pub annotations: AnnotationOptions,
    /// Keep only as many training films without a mask as there are with one, as MGCA does
    #[arg(long)]
    pub balance: bool,
    /// How the films are split.
    #[command(flatten)]
    pub split: SplitOptions,
}

/// The reader of SIIM-ACR.
#[derive(Debug, Clone, Copy)]
pub struct Siim;

impl Reader for Siim {
    const NAME: &'static str = "siim-acr";
    const TITLE: &'static str = "SIIM-ACR Pneumothorax Segmentation";
    const EXAMPLES: &'static str = "Examples:
  mflag-data prepare siim --root SIIM-ACR --out data/siim-acr/store-256
  mflag-data prepare siim --root SIIM-ACR --split mgca --balance --side 224 \\
    --out data/siim-acr/store-224";
    const LABELS: &'static [&'static str] = &LABELS;
    const SPLITS: &'static [Offer] = &[
        Offer {
            rule: Rule::Patient,
            validate: Some(0.15),
            test: Some(0.15),
        },
        Offer {
            rule: Rule::Mgca,
            validate: Some(0.15),
            test: Some(0.15),
        },
    ];
    type Options = Options;

    fn read(root: &Path, options: &Options) -> Result<Dataset> {
        let splitter = options.split.splitter(Self::SPLITS)?;
        let (table, folder) = form(root)?;
        let masks = masks(&table)?;
        let splits: Vec<Split> = match splitter.rule {
            Rule::Mgca => splitter.draw(masks.len())?,
            _ => masks.iter().map(|(id, _)| splitter.by_hash(id)).collect(),
        };
        let folder = options.films.clone().unwrap_or(folder);
        let files = files(&folder)?;
        let mut left_out = LeftOut::new(REASONS);
        let mut records = Vec::with_capacity(masks.len());
        let mut listed = HashSet::new();
        for ((id, runs), split) in masks.into_iter().zip(splits) {
            listed.insert(id.clone());
            match files.of(&id) {
                Some(file) => records.push(record(&id, runs, file.clone(), split)),
                None => {
                    tracing::debug!("no film file of {id}");
                    left_out.count(NO_FILM);
                }
            }
        }
        for id in files.ids().filter(|id| !listed.contains(*id)) {
            tracing::debug!("{id}: {NO_ROW}");
            left_out.count(NO_ROW);
        }
        // The runs state the size of the originals.
        let records =
            annotations::fit(root, records, |_| None, options.annotations, &mut left_out)?;
        let layout = folder.join("<study>/<series>/<ImageId>.dcm");
        let data = dataset(
            Self::NAME,
            Self::LABELS,
            records,
            &left_out,
            &splitter,
            layout.display(),
        )?;
        let seed = options.split.by_rule.seed.unwrap_or(0);
        Ok(if options.balance {
            balance(data, seed)
        } else {
            data
        })
    }
}

/// The record of a film. A film without runs is negative.
fn record(id: &str, runs: Runs, file: PathBuf, split: Split) -> Record {
    let positive = !runs.is_empty();
    Record {
        labels: vec![Some(f32::from(u8::from(positive)))],
        mask: positive.then_some(Mask::Runs {
            width: SIDE,
            height: SIDE,
            runs,
        }),
        ..Record::new(id, id, file, split)
    }
}

/// Keeps as many training films without a mask as there are with one, as MGCA does. If there are
/// fewer without a mask, all of them stay. Films of other splits stay. Which films stay depends
/// only on `seed` and the identifiers.
pub fn balance(mut data: Dataset, seed: u64) -> Dataset {
    let training = data.records.iter().filter(|r| r.split == Split::Train);
    let (positive, negative): (Vec<_>, Vec<_>) =
        training.partition(|r| r.labels.contains(&Some(1.0)));
    let mut negative: Vec<String> = negative.iter().map(|r| r.film.clone()).collect();
    negative.sort_unstable();
    let order = seed::permutation(seed, 0, negative.len());
    let surplus = order.iter().skip(positive.len());
    let surplus: HashSet<&str> = surplus.map(|i| negative[*i as usize].as_str()).collect();
    data.records
        .retain(|r| r.split != Split::Train || !surplus.contains(r.film.as_str()));
    if !surplus.is_empty() {
        data.left_out.push((SURPLUS.to_owned(), surplus.len()));
    }
    data
}

/// The table in the root, and the folder of films that belongs to it.
fn form(root: &Path) -> Result<(PathBuf, PathBuf)> {
    let [(old, old_films), (new, new_films)] =
        FORMS.map(|(table, films)| (root.join(table), root.join(films)));
    match (old.exists(), new.exists()) {
        (true, false) => Ok((old, old_films)),
        (false, true) => Ok((new, new_films)),
        (true, true) => {
            let reason = "this folder holds both train-rle.csv and stage_2_train.csv, which name \
                          the same films differently; keep the table whose films you have";
            Err(Error::file(root, reason))
        }
        (false, false) => {
            let reason = "table train-rle.csv is not in this folder, nor is stage_2_train.csv; \
                          give the folder that holds it and dicom-images-train or stage_2_images \
                          (access: https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation)";
            Err(Error::file(root, reason))
        }
    }
}

/// Reads the mask of every film, in the order of the films' first rows. The mask of a negative film
/// has no runs.
fn masks(path: &Path) -> Result<Vec<(String, Runs)>> {
    let table = Table::open(path)?;
    let [id, pixels] = table.columns(["ImageId", "EncodedPixels"])?;
    let mut masks: Vec<(String, Runs)> = Vec::new();
    let mut index_of: HashMap<String, usize> = HashMap::new();
    table.for_each(|row| {
        let runs = runs(path, row, pixels)?;
        let film = checks::file_name(row, id)?;
        let Some(&index) = index_of.get(film) else {
            index_of.insert(film.to_owned(), masks.len());
            masks.push((film.to_owned(), runs));
            return Ok(());
        };
        let earlier = &mut masks[index].1;
        if earlier.is_empty() != runs.is_empty() {
            let allowed = "a film with a mask in all of its rows, or with -1 in all";
            return Err(row.refuse_without_value(id, allowed));
        }
        *earlier = rle::union([earlier.as_slice(), &runs]);
        Ok(())
    })?;
    Ok(masks)
}

/// Reads the runs of a row, none for a negative film.
fn runs(table: &Path, row: &Row<'_>, column: usize) -> Result<Runs> {
    match row.get(column) {
        NO_MASK => Ok(Vec::new()),
        "" => Err(row.refuse(column, "-1 for no mask, or pairs of offset and length")),
        text => rle::parse(text, Encoding::Relative, SIDE, SIDE).map_err(|e| {
            let reason = format!("row {}, column 'EncodedPixels': {e}", row.number());
            Error::file(table, reason)
        }),
    }
}

/// Finds the file of every film.
fn files(folder: &Path) -> Result<FilmFiles> {
    if !folder.is_dir() {
        let reason = "no such folder of films; unpack the films, or give the folder that holds \
                      their files (.dcm, .png or .jpg) with --films";
        return Err(Error::file(folder, reason));
    }
    let files = FilmFiles::find(folder, DEPTH)?;
    if let Some([first, second]) = files.twice() {
        tracing::debug!("twice: {} and {}", first.display(), second.display());
        let reason = "this folder holds two files of one film (-v names them); keep one";
        return Err(Error::file(folder, reason));
    }
    Ok(files)
}
