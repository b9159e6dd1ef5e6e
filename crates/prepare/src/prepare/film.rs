//! Prepares one film: decodes it, and checks it against its boxes and its mask.

use mflag_film::{Greys, Remark};
use mflag_store::{Error, Mask, Record, Result, check_boxes, mask};
use serde::{Deserialize, Serialize};

use super::Options;

/// What the preparation learns about a film from its file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PreparedFilm {
    /// Columns and rows of the original film.
    pub(super) size: [u32; 2],
    /// The part of the film that its square shows, where the film's content decides it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<[u32; 4]>,
    /// The film's mask as runs, if the data set has it as an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mask: Option<Mask>,
    /// What is unusual about the film's file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) remarks: Vec<Remark>,
    /// Whether the mask's image has soft or noisy edges.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) soft_mask: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A film that could not be prepared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BadFilm {
    pub(super) film: String,
    pub(super) reason: String,
}

/// Prepares a film: returns its square, or the reason why it cannot be prepared.
pub(super) fn prepare(
    record: &Record,
    options: &Options,
) -> std::result::Result<(PreparedFilm, Greys), BadFilm> {
    read(record, options).map_err(|e| BadFilm {
        film: record.film.clone(),
        reason: e.to_string(),
    })
}

fn read(record: &Record, options: &Options) -> Result<(PreparedFilm, Greys)> {
    let squared = options.squaring.read(&record.path, &options.limits)?;
    let (width, height) = (squared.width, squared.height);
    let bad = |reason| Error::file(&record.path, reason);
    if options.chest_only
        && let Some(remark) = squared.not_chest()
    {
        return Err(bad(format!("{remark}: --chest-only refuses it")));
    }
    // Readers do not know the size of a DICOM film, so boxes and runs are checked here.
    check_boxes(&record.boxes, (width, height)).map_err(bad)?;
    let file_mask = match &record.mask {
        Some(Mask::File { path, scale }) => Some(mask::from_file(path, *scale, width, height)?),
        Some(Mask::Runs {
            width: columns,
            height: rows,
            ..
        }) if (*columns, *rows) != (width, height) => {
            let reason = mask::size_mismatch((*columns, *rows), (width, height));
            return Err(bad(reason));
        }
        _ => None,
    };
    let prepared = PreparedFilm {
        size: [width, height],
        part: squared.part,
        soft_mask: file_mask.as_ref().is_some_and(|mask| mask.soft),
        mask: file_mask.map(|mask| mask::to_runs(&mask.pixels)),
        remarks: squared.remarks,
    };
    Ok((prepared, squared.greys))
}
