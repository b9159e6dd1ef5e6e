//! What several readers need: checks of cells, boxes around points.

use mflag_store::{BoundingBox, Result};

use crate::table::Row;

/// Whether a cell has no value: it is empty, or `nan`, which some programs write for an empty cell.
pub(crate) fn is_empty(cell: &str) -> bool {
    cell.is_empty() || cell.eq_ignore_ascii_case("nan")
}

/// Reads a label: 1, 0 or -1; decimals such as 1.0 are allowed. An empty cell is `None`.
pub(crate) fn label(row: &Row<'_>, column: usize) -> Result<Option<f32>> {
    let cell = row.get(column);
    if is_empty(cell) {
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

/// Reads a whole number from 0 on. Decimals such as `14.0`, which programs write into columns with
/// empty cells, are allowed. `None` for everything else.
pub(crate) fn whole(row: &Row<'_>, column: usize) -> Option<usize> {
    let value: f64 = row.get(column).parse().ok()?;
    // 2^32 is far above every count and index in a table.
    let is_whole = value.fract() == 0.0 && (0.0..4_294_967_296.0).contains(&value);
    is_whole.then_some(value as usize)
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
