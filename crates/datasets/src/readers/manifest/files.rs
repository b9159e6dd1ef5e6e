//! The files that the table lists: they must exist, and their sizes must fit boxes and masks.

use std::path::Path;

use mflag_store::{Error, Result};
use rayon::prelude::*;

use super::ListedFilm;
use crate::checks;

/// Refuses the table if the files of a row are wrong. The message names the first such row, and how
/// many more there are.
pub(super) fn check(table: &Path, films: &[ListedFilm]) -> Result<()> {
    let wrong: Vec<(usize, String)> = films
        .par_iter()
        .filter_map(|film| Some((film.row, check_files(film).err()?)))
        .collect();
    let Some((row, reason)) = wrong.first() else {
        return Ok(());
    };
    let more = match wrong.len() - 1 {
        0 => String::new(),
        n => format!(" (and {n} more rows)"),
    };
    Err(Error::file(table, format!("row {row}, {reason}{more}")))
}

/// Checks the files of a film. The error names the column and the reason.
fn check_files(film: &ListedFilm) -> std::result::Result<(), String> {
    let record = &film.record;
    if !record.path.is_file() {
        return Err(not_a_file("film", &record.film, "delete the row"));
    }
    let mask = film.mask();
    if let Some(mask) = mask.filter(|mask| !mask.is_file()) {
        let name = mask.display().to_string();
        return Err(not_a_file("mask", &name, "leave the cell empty"));
    }
    if record.boxes.is_empty() && mask.is_none() {
        return Ok(());
    }
    // The preparation checks the sizes of DICOM films.
    let Some(size) = checks::image_size(&record.path) else {
        return Ok(());
    };
    mflag_store::check_boxes(&record.boxes, size)
        .map_err(|reason| format!("column 'boxes': {reason}"))?;
    mask.map_or(Ok(()), |mask| check_mask(mask, size))
}

/// Checks that a mask has the size of its film.
fn check_mask(mask: &Path, film: (u32, u32)) -> std::result::Result<(), String> {
    let problem = match checks::image_size(mask) {
        Some(size) if size == film => return Ok(()),
        Some((width, height)) => format!(
            "has {width}×{height} px, but the film has {}×{} px: draw the mask on the film at full \
             size",
            film.0, film.1
        ),
        None => "is not a readable image: write it as PNG".to_owned(),
    };
    Err(format!("column 'mask': '{}' {problem}", mask.display()))
}

/// The reason for a file that does not exist.
fn not_a_file(column: &str, name: &str, or_else: &str) -> String {
    format!(
        "column '{column}': '{name}' is not a file: write its path relative to the table's folder, \
         or {or_else}"
    )
}
