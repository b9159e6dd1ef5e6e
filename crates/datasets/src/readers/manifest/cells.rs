//! Cells that hold more than a word.

use mflag_core::Named;
use mflag_core::suggest;

use crate::table::Row;
use mflag_store::{BoundingBox, Result, Split};

/// A split; `None` for an empty cell.
pub(super) fn split(row: &Row<'_>, column: usize) -> Result<Option<Split>> {
    let name = row.get(column);
    let known = Split::from_name(name);
    if known.is_some() || name.is_empty() {
        return Ok(known);
    }
    let hint = suggest::hint(name, Split::ALL.iter().map(|split| split.name()));
    Err(row.refuse(column, &format!("train, validate, test or empty{hint}")))
}

/// Boxes, joined by `;`.
pub(super) fn boxes(row: &Row<'_>, column: usize) -> Result<Vec<BoundingBox>> {
    let cells = row.get(column).split(';').map(str::trim);
    let read = |cell| {
        bounding_box(cell).ok_or_else(|| {
            let form = "boxes '<label> <x> <y> <width> <height>' in pixels, joined by ';', width and height above 0";
            row.refuse(column, &format!("{form}; the wrong one is '{cell}'"))
        })
    };
    cells.filter(|cell| !cell.is_empty()).map(read).collect()
}

/// The last four words are numbers, those before them the label.
fn bounding_box(cell: &str) -> Option<BoundingBox> {
    let words: Vec<&str> = cell.split_whitespace().collect();
    let (label, numbers) = words.split_at_checked(words.len().checked_sub(4)?)?;
    let numbers: Vec<f64> = numbers.iter().filter_map(|n| n.parse().ok()).collect();
    match numbers[..] {
        [x, y, width, height]
            if !label.is_empty()
                && numbers.iter().all(|n| n.is_finite())
                && width > 0.0
                && height > 0.0 =>
        {
            Some(BoundingBox {
                label: label.join(" "),
                x,
                y,
                width,
                height,
            })
        }
        _ => None,
    }
}
