//! Cells that need parsing: splits and boxes.

use mflag_core::{Named, suggest};
use mflag_store::{BoundingBox, Result, Split};

use crate::table::Row;

/// Reads a split. `None` for an empty cell.
pub(super) fn split(row: &Row<'_>, column: usize) -> Result<Option<Split>> {
    let name = row.get(column);
    let split = Split::from_name(name);
    if split.is_some() || name.is_empty() {
        return Ok(split);
    }
    let hint = suggest::hint(name, Split::ALL.iter().map(|split| split.name()));
    Err(row.refuse(column, &format!("train, validate, test or empty{hint}")))
}

/// Reads boxes, which are separated by `;`.
pub(super) fn boxes(row: &Row<'_>, column: usize) -> Result<Vec<BoundingBox>> {
    let boxes = row.get(column).split(';').map(str::trim);
    let read = |text| {
        bounding_box(text).ok_or_else(|| {
            let form = "boxes '<label> <x> <y> <width> <height>' in pixels, separated by ';', with \
                        width and height above 0";
            row.refuse(column, &format!("{form}; the wrong box is '{text}'"))
        })
    };
    boxes.filter(|text| !text.is_empty()).map(read).collect()
}

/// Parses a box. The last four words are numbers, the words before them are the label.
fn bounding_box(text: &str) -> Option<BoundingBox> {
    let words: Vec<&str> = text.split_whitespace().collect();
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
