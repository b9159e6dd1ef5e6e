//! SIIM-ACR Pneumothorax Segmentation: films with the mask of a pneumothorax, or without one.
//!
//! The layout, the rules and the terms of access are in `datasets/siim-acr.md`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use mflag_core::seed;
use rayon::prelude::*;

use crate::reader::{self, Dropped, NO_FILM};
use crate::split::{Choice, Offer, Rule};
use crate::table::Table;
use mflag_store::rle::{self, Encoding};
use mflag_store::{Dataset, Error, Mask, Record, Result, Split};

/// The label.
pub const LABELS: [&str; 1] = ["Pneumothorax"];

/// Side of every film in pixels.
pub const SIDE: u32 = 1024;

/// Why films are left out.
const REASONS: &[&str] = &[NO_FILM, NO_ROW];
const NO_ROW: &str = "film file without a row in train-rle.csv";
const SURPLUS: &str = "negative training film beyond the number of positive ones";

const TABLE: &str = "train-rle.csv";
/// What stands in place of runs where there is no pneumothorax.
const NO_MASK: &str = "-1";
/// Folders between the folder of the films and a film, at most: study and series, and one more.
const DEPTH: usize = 3;

/// The splits, the usual one first.
pub const SPLITS: &[Offer] = &[
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

/// What to read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// Folder of the films; `None` for `dicom-images-train` in the root.
    pub films: Option<PathBuf>,
    /// One of [`SPLITS`].
    pub split: Choice,
}

/// Reads the data set in the folder `root`, which holds `train-rle.csv` and the folder `dicom-images-train`, where a film is
/// found by its name `<ImageId>.dcm`, up to three folders deep. The masks of all rows of a film become one. The tables name
/// no patients: each film counts as a patient.
///
/// # Errors
/// The table, a column or the folder of the films is missing, runs are not as described ([`rle::parse`]), a film is both
/// with and without a mask or there twice, or none is left.
pub fn read(root: &Path, options: &Options) -> Result<Dataset> {
    let division = options.split.among(SPLITS)?;
    let masks = masks(root)?;
    let splits: Vec<Split> = match division.rule {
        Rule::Mgca => division.draw(masks.len())?,
        _ => masks.iter().map(|(id, _)| division.of(id)).collect(),
    };
    let folder = options
        .films
        .clone()
        .unwrap_or_else(|| root.join("dicom-images-train"));
    let mut files = files(&folder)?;
    let mut dropped = Dropped::new(REASONS);
    let mut records = Vec::with_capacity(masks.len());
    for ((id, runs), split) in masks.into_iter().zip(splits) {
        let Some(path) = files.remove(&id) else {
            tracing::debug!("no film file of {id}");
            dropped.count(NO_FILM);
            continue;
        };
        records.push(Record {
            patient: id.clone(),
            study: id.clone(),
            path,
            split,
            text: None,
            labels: vec![Some(if runs.is_empty() { 0.0 } else { 1.0 })],
            boxes: Vec::new(),
            size: None,
            mask: (!runs.is_empty()).then_some(Mask::Runs {
                width: SIDE,
                height: SIDE,
                runs,
            }),
            film: id,
        });
    }
    for id in files.keys() {
        tracing::debug!("{id}: {NO_ROW}");
        dropped.count(NO_ROW);
    }
    let layout = folder.join("<study>/<series>/<ImageId>.dcm");
    reader::dataset("siim-acr", &LABELS, records, &dropped, layout.display())
}

/// Keeps as many training films without a mask as there are with one, as MGCA does: by `seed` and the films' identifiers
/// alone, and all films of the other splits. Where there are fewer without, all stay.
pub fn balance(mut data: Dataset, seed: u64) -> Dataset {
    let training = data.records.iter().filter(|r| r.split == Split::Train);
    let (positive, negative): (Vec<_>, Vec<_>) = training.partition(|r| r.mask.is_some());
    let mut negative: Vec<String> = negative.iter().map(|r| r.film.clone()).collect();
    negative.sort_unstable();
    let order = seed::permutation(seed, 0, negative.len());
    let surplus = order.iter().skip(positive.len());
    let surplus: HashSet<&str> = surplus.map(|i| negative[*i as usize].as_str()).collect();
    let stays = |r: &Record| r.split != Split::Train || !surplus.contains(r.film.as_str());
    data.records.retain(stays);
    if !surplus.is_empty() {
        data.dropped.push((SURPLUS.to_owned(), surplus.len()));
    }
    data
}

/// The mask of every film of the table as runs, none for a negative film; in the order of their first rows.
fn masks(root: &Path) -> Result<Vec<(String, Vec<[u32; 2]>)>> {
    let path = root.join(TABLE);
    if !path.exists() {
        let reason = format!(
            "table {TABLE} is not in this folder; give the folder that holds it and dicom-images-train (access: \
             https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation)"
        );
        return Err(Error::file(root, reason));
    }
    let table = Table::open(&path)?;
    let [id, pixels] = table.columns(["ImageId", "EncodedPixels"])?;
    let mut masks: Vec<(String, Vec<[u32; 2]>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    table.for_each(|row| {
        let runs = match row.get(pixels) {
            NO_MASK => Vec::new(),
            "" => return Err(row.refuse(pixels, "-1 for no mask, or pairs of offset and length")),
            text => rle::parse(text, Encoding::Relative, SIDE, SIDE).map_err(|e| {
                let reason = format!("row {}, column 'EncodedPixels': {e}", row.number());
                Error::file(&path, reason)
            })?,
        };
        let film = reader::file_name(row, id)?;
        let Some(&place) = places.get(film) else {
            places.insert(film.to_owned(), masks.len());
            masks.push((film.to_owned(), runs));
            return Ok(());
        };
        let there = &mut masks[place].1;
        if there.is_empty() != runs.is_empty() {
            let allowed = "with a mask in all of its rows, or -1 in all";
            return Err(row.refuse_unseen(id, allowed));
        }
        *there = rle::union([there.as_slice(), &runs]);
        Ok(())
    })?;
    Ok(masks)
}

/// The file of every film by its identifier.
fn files(folder: &Path) -> Result<HashMap<String, PathBuf>> {
    if !folder.is_dir() {
        let reason = "no such folder with the films; unpack dicom-images-train, or name the folder that holds the .dcm files";
        return Err(Error::file(folder, reason));
    }
    let mut files = HashMap::new();
    for path in dicoms(folder, DEPTH)? {
        let Some(id) = path.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        if let Some(other) = files.insert(id.to_owned(), path.clone()) {
            tracing::debug!("twice: {} and {}", path.display(), other.display());
            let reason = "a film lies in two places here (-v shows where); keep one";
            return Err(Error::file(folder, reason));
        }
    }
    Ok(files)
}

/// All `.dcm` files in `folder` and up to `depth` folders below.
fn dicoms(folder: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    let io = |e| Error::io("read", folder, e);
    let entries: std::io::Result<Vec<_>> = std::fs::read_dir(folder).map_err(io)?.collect();
    let inside = entries.map_err(io)?.into_par_iter().map(|entry| {
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("dcm"))
        {
            return Ok(vec![path]);
        }
        if depth > 0 && path.is_dir() {
            return dicoms(&path, depth - 1);
        }
        Ok(Vec::new())
    });
    let inside: Result<Vec<Vec<PathBuf>>> = inside.collect();
    Ok(inside?.concat())
}
