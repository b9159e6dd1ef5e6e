//! Checks that several readers need: cells of a table, and boxes against the size of their film.

use std::path::Path;

use mflag_store::{BoundingBox, Error, Record, Result};
use rayon::prelude::*;

use crate::table::Row;

/// Reads a label: 1, 0 or -1; decimals such as 1.0 are allowed. An empty cell is `None`.
pub(crate) fn label(row: &Row<'_>, column: usize) -> Result<Option<f32>> {
    let cell = row.get(column);
    if cell.is_empty() {
        return Ok(None);
    }
    let value = cell.parse().ok().filter(|v| [1.0, 0.0, -1.0].contains(v));
    value
        .map(Some)
        .ok_or_else(|| row.refuse(column, "1, 0, -1 (uncertain) or empty"))
}

/// Reads a finite number.
pub(crate) fn number(row: &Row<'_>, column: usize) -> Result<f64> {
    let value = row.get(column).parse().ok().filter(|v: &f64| v.is_finite());
    value.ok_or_else(|| row.refuse(column, "a number"))
}

/// Reads an identifier, which must not be empty.
pub(crate) fn identifier<'a>(row: &Row<'a>, column: usize) -> Result<&'a str> {
    match row.get(column) {
        "" => Err(row.refuse(column, "an identifier")),
        value => Ok(value),
    }
}

/// Reads a file name that cannot lead out of the data set's folder: see [`is_file_name`].
pub(crate) fn file_name<'a>(row: &Row<'a>, column: usize) -> Result<&'a str> {
    let name = row.get(column);
    if is_file_name(name) {
        Ok(name)
    } else {
        Err(row.refuse_without_value(column, "a file name of letters, digits, '.', '_' and '-'"))
    }
}

/// Whether a name consists of letters, digits, `.`, `_` and `-`, and does not begin with a dot.
pub(crate) fn is_file_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_allowed)
}

/// Columns and rows of an image, from its header. `None` for a damaged file, which the preparation
/// reports, and for formats that the image library does not read, such as DICOM.
pub(crate) fn image_size(path: &Path) -> Option<(u32, u32)> {
    let file = std::io::BufReader::new(mflag_input::open(path).ok()?);
    let reader = image::ImageReader::new(file).with_guessed_format().ok()?;
    let size = mflag_input::catch_panic(|| reader.into_dimensions());
    size.ok()?.ok()
}

/// The smallest box that contains all `points`. `None` if it has no area.
pub(crate) fn bounding_box(label: &str, points: &[(f64, f64)]) -> Option<BoundingBox> {
    let start_and_length = |coordinate: fn(&(f64, f64)) -> f64| {
        let values = points.iter().map(coordinate);
        let low = values.clone().fold(f64::INFINITY, f64::min);
        (low, values.fold(f64::NEG_INFINITY, f64::max) - low)
    };
    let (x, width) = start_and_length(|point| point.0);
    let (y, height) = start_and_length(|point| point.1);
    (width > 0.0 && height > 0.0).then(|| BoundingBox {
        label: label.to_owned(),
        x,
        y,
        width,
        height,
    })
}

/// Refuses a data set in which boxes reach beyond their films by more than [`BoundingBox::fits`]
/// allows. The films are then resized copies, and the boxes are in pixels of the originals.
pub(crate) fn boxes_fit(root: &Path, records: &[Record]) -> Result<()> {
    let with_boxes: Vec<&Record> = records.iter().filter(|r| !r.boxes.is_empty()).collect();
    let too_small: Vec<(&Record, (u32, u32))> = with_boxes
        .par_iter()
        .filter_map(|record| Some((*record, image_size(&record.path)?)))
        .filter(|(record, size)| !record.boxes.iter().all(|b| b.fits(*size)))
        .collect();
    let Some((first, (width, height))) = too_small.first() else {
        return Ok(());
    };
    tracing::debug!("boxes reach beyond {}", first.path.display());
    Err(Error::file(
        root,
        format!(
            "boxes reach beyond the edge of {} of {} films with boxes; the first such film has \
             {width}×{height} px (-v names it). The films are resized copies, and the boxes are in \
             pixels of the originals: give the folder of the originals",
            too_small.len(),
            with_boxes.len(),
        ),
    ))
}
