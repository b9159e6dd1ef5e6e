//! A look at a store: counts, lengths, a contact sheet.

use std::io::Cursor;
use std::path::Path;

use image::{GrayImage, ImageFormat};
use mflag_core::atomic;
use mflag_core::table::Table;
use mflag_film::{Film, Fit, square};

use crate::store::Store;
use crate::{Error, Result, Split};

/// Columns and rows of a contact sheet, and the side of a film on it in pixels.
const SHEET: (usize, usize, u32) = (8, 5, 192);

/// Films, patients, and films that are positive for each label, by split.
pub fn counts(store: &Store) -> Table {
    let mut table = Table::new(&["", "train", "validate", "test"]);
    let count = |matches: &dyn Fn(&crate::Record) -> bool| {
        Split::ALL.map(|split| {
            let of_split = store.records().iter().filter(|r| r.split == split);
            of_split.filter(|r| matches(r)).count().to_string()
        })
    };
    let mut row = |name: &str, cells: [String; 3]| {
        table.row(std::iter::once(name.to_owned()).chain(cells));
    };
    row("films", count(&|_| true));
    let patients = Split::ALL.map(|split| {
        let of_split = store.records().iter().filter(|r| r.split == split);
        let patients: std::collections::HashSet<&str> =
            of_split.map(|r| r.patient.as_str()).collect();
        patients.len().to_string()
    });
    row("patients", patients);
    row("with a report", count(&|r| r.text.is_some()));
    for (i, label) in store.meta().labels.iter().enumerate() {
        row(
            label,
            count(&|r| r.labels.get(i).copied().flatten() == Some(1.0)),
        );
    }
    table
}

/// Words in a report: least, quartiles, most.
pub fn text_lengths(store: &Store) -> String {
    let texts = store.records().iter().filter_map(|r| r.text.as_deref());
    let mut words: Vec<usize> = texts.map(|t| t.split_whitespace().count()).collect();
    words.sort_unstable();
    let Some(last) = words.len().checked_sub(1) else {
        return "no reports".to_owned();
    };
    let [least, lower, middle, upper, most] =
        [0, 1, 2, 3, 4].map(|quarter| words[last * quarter / 4]);
    format!(
        "words in a report: {least} to {most}, half of them {lower} to {upper}, median {middle}"
    )
}

/// Writes the first films of the store as one PNG.
///
/// # Errors
/// If the file cannot be written.
pub fn contact_sheet(store: &Store, path: &Path) -> Result<()> {
    let (columns, rows, side) = SHEET;
    let films = store.records().len().min(columns * rows);
    let height = films.div_ceil(columns) as u32 * side;
    let mut sheet = GrayImage::new(columns as u32 * side, height);
    for index in 0..films {
        let (width, pixels) = (store.side(), store.pixels(index).to_vec());
        let small = square(
            &Film {
                width,
                height: width,
                pixels,
            },
            side,
            Fit::Pad,
        );
        let (left, top) = (
            (index % columns) as u32 * side,
            (index / columns) as u32 * side,
        );
        if let Some(small) = GrayImage::from_raw(side, side, small.pixels) {
            image::imageops::replace(&mut sheet, &small, i64::from(left), i64::from(top));
        }
    }
    let mut png = Cursor::new(Vec::new());
    sheet
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|e| Error::file(path, format!("cannot be encoded: {e}")))?;
    Ok(atomic::write(path, |file| file.write_all(png.get_ref()))?)
}
