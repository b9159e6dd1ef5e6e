//! The files that the table lists: they must exist, and their sizes must fit boxes and masks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mflag_film::Limits;
use mflag_store::{Error, Mask, Result, mask};
use rayon::prelude::*;

use super::ListedFilm;
use crate::annotations::AnnotationOptions;

/// Refuses the table if the files of a row are wrong. The message names the first such row, and how
/// many more there are. Applies the options to boxes and masks.
pub(super) fn check(
    table: &Path,
    films: &mut [ListedFilm],
    options: AnnotationOptions,
) -> Result<()> {
    let wrong: Vec<(usize, String)> = films
        .par_iter_mut()
        .filter_map(|film| Some((film.row, check_files(film, options).err()?)))
        .collect();
    let Some((row, reason)) = wrong.first() else {
        return refuse_same_file(table, films);
    };
    let more = match wrong.len() - 1 {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    };
    Err(Error::file(table, format!("row {row}, {reason}{more}")))
}

/// Refuses two rows with the same file, such as `a.png` and `./a.png`.
fn refuse_same_file(table: &Path, films: &[ListedFilm]) -> Result<()> {
    let paths: Vec<PathBuf> = films
        .par_iter()
        .map(|film| film.record.path.canonicalize().unwrap_or_default())
        .collect();
    let mut seen: HashMap<&Path, &ListedFilm> = HashMap::new();
    for (path, film) in paths.iter().zip(films) {
        if let Some(earlier) = seen.insert(path, film) {
            let reason = format!(
                "row {}, column 'film': '{}' is the file of row {} ('{}') in another spelling; \
                 delete one of the rows",
                film.row, film.record.film, earlier.row, earlier.record.film
            );
            return Err(Error::file(table, reason));
        }
    }
    Ok(())
}

/// Checks the files of a film. The error names the column and the reason.
fn check_files(
    film: &mut ListedFilm,
    options: AnnotationOptions,
) -> std::result::Result<(), String> {
    let record = &mut film.record;
    if !record.path.is_file() {
        return Err(not_a_file("film", &record.film, "delete the row"));
    }
    if options.no_boxes {
        record.boxes.clear();
        record.mask = None;
    }
    if let Some(Mask::File { path, .. }) = &record.mask
        && !path.is_file()
    {
        let name = path.display().to_string();
        return Err(not_a_file("mask", &name, "leave the cell empty"));
    }
    if record.boxes.is_empty() && record.mask.is_none() {
        return Ok(());
    }
    // The preparation lists films that cannot be read.
    let Ok(size) = mflag_film::size(&record.path, &Limits::default()) else {
        return Ok(());
    };
    mflag_store::check_boxes(&record.boxes, size)
        .map_err(|reason| format!("column 'boxes': {reason}"))?;
    match &mut record.mask {
        Some(Mask::File { path, scale }) => {
            *scale = options.scale_boxes;
            check_mask(path, *scale, size)
        }
        _ => Ok(()),
    }
}

/// Checks that a mask has the size of its film or, with `scale`, its shape.
fn check_mask(path: &Path, scale: bool, film: (u32, u32)) -> std::result::Result<(), String> {
    let problem = match mflag_film::size(path, &Limits::default()) {
        Ok(size) if size == film || scale && mask::same_shape(size, film) => return Ok(()),
        Ok((width, height)) => format!(
            "has {width}×{height} px, but the film has {}×{} px: draw the mask on the film at full \
             size{}",
            film.0,
            film.1,
            match mask::same_shape((width, height), film) {
                true => ", or scale it with --scale-boxes",
                false => "",
            }
        ),
        Err(_) => "is not a readable image: write it as PNG".to_owned(),
    };
    Err(format!("column 'mask': '{}' {problem}", path.display()))
}

/// The reason for a file that does not exist.
fn not_a_file(column: &str, name: &str, or_else: &str) -> String {
    format!(
        "column '{column}': '{name}' is not a file: write its path relative to the table's folder, \
         or {or_else}"
    )
}
