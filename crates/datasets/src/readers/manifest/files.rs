//! The files that a table lists: that they are there, and as large as boxes and masks need.

use std::path::Path;

use rayon::prelude::*;

use super::Listed;
use crate::reader;
use mflag_store::{Error, Result};

/// Tells of the first row whose files do not do, and how many others there are.
pub(super) fn check(table: &Path, films: &[Listed]) -> Result<()> {
    let wrong: Vec<(&Listed, String)> = films
        .par_iter()
        .filter_map(|film| Some((film, wrong(film)?)))
        .collect();
    let Some((film, reason)) = wrong.first() else {
        return Ok(());
    };
    let more = match wrong.len() - 1 {
        0 => String::new(),
        n => format!(" (and {n} more rows)"),
    };
    Err(Error::file(
        table,
        format!("row {}, {reason}{more}", film.row),
    ))
}

/// What is wrong with the files of a film.
fn wrong(film: &Listed) -> Option<String> {
    let record = &film.record;
    if !record.path.is_file() {
        let fix =
            "write it as it stands on disk, relative to the table's folder, or delete the row";
        return Some(format!(
            "column 'film': '{}' is not a file: {fix}",
            record.film
        ));
    }
    let mask = film.mask();
    if let Some(mask) = mask.filter(|mask| !mask.is_file()) {
        let fix = "write it as it stands on disk, relative to the table's folder, or leave the cell empty";
        return Some(format!(
            "column 'mask': '{}' is not a file: {fix}",
            mask.display()
        ));
    }
    if record.boxes.is_empty() && mask.is_none() {
        return None;
    }
    // DICOM films are measured when they are prepared.
    let size = reader::size(&record.path)?;
    if let Some(told) = mflag_store::misfit(&record.boxes, size) {
        return Some(format!("column 'boxes': {told}"));
    }
    let mask = mask?;
    let problem = match reader::size(mask) {
        Some(same) if same == size => return None,
        Some((width, height)) => format!(
            "is an image of {width}×{height} px and the film one of {}×{}: draw it on the film at full size",
            size.0, size.1
        ),
        None => "is no image that can be read: write it as PNG".to_owned(),
    };
    Some(format!("column 'mask': '{}' {problem}", mask.display()))
}
