//! Draws contact sheets: films with their masks, boxes and labels.

use std::path::Path;

use mflag_core::Named;
use mflag_film::{Film, Fit, Squaring, square};
use mflag_store::picture::{CYAN, Colour, GREY, Letters, Picture, WHITE, colour};
use mflag_store::{BoundingBox, Record, Result, Store, mask};

use super::choose::choose;

/// Which films a contact sheet shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Largest number of films.
    pub films: usize,
    /// Shows only films that are positive for this label.
    pub label: Option<String>,
}

/// Films per row.
const COLUMNS: usize = 8;
/// Side of a film in pixels.
const SIDE: u32 = 256;
/// Gap between films in pixels.
const GAP: u32 = 6;
/// Height of a line of text.
const LINE: u32 = Letters::Small.line();
/// Height of a film with its caption of three lines.
const CELL: u32 = SIDE + 3 * LINE + GAP;
/// Height of the title.
const TITLE: u32 = LINE + 8;

/// Draws films of `store` into the PNG file `path`, and returns how many.
///
/// The caption of a film has the number of its line in `films.jsonl`, its split, and its labels; a
/// question mark follows uncertain labels. It never contains the identifier of a patient.
///
/// # Errors
/// If the label is unknown, if no film is positive for it, if a mask cannot be read, or if the file
/// cannot be written.
pub fn contact_sheet(store: &Store, sheet: &Sheet, path: &Path) -> Result<usize> {
    let labels = &store.meta().labels;
    let films = choose(store.records(), labels, sheet.films, sheet.label.as_deref())?;
    let columns = films.len().clamp(1, COLUMNS) as u32;
    let rows = films.len().div_ceil(COLUMNS) as u32;
    let width = columns * (SIDE + GAP) - GAP;
    let mut picture = Picture::new(width, TITLE + rows * CELL, Letters::Small);
    let title = format!(
        "{}: {} of {} films; # is the line in films.jsonl, ? an uncertain label",
        store.meta().dataset,
        films.len(),
        store.records().len()
    );
    picture.text(&title, (4, 4), WHITE);
    for (number, &film) in films.iter().enumerate() {
        let left = (number % COLUMNS) as u32 * (SIDE + GAP);
        let top = TITLE + (number / COLUMNS) as u32 * CELL;
        draw(&mut picture, store, film, (left, top))?;
    }
    picture.write(path)?;
    Ok(films.len())
}

/// Draws one film with its mask, boxes and caption.
fn draw(picture: &mut Picture, store: &Store, film: usize, at: (u32, u32)) -> Result<()> {
    let record = &store.records()[film];
    let whole = Film {
        width: store.side(),
        height: store.side(),
        pixels: store.pixels(film).to_vec(),
    };
    picture.film(&square(&whole, SIDE, Fit::Pad), at);
    if record.size.is_some() {
        let placement = record.placement(&Squaring {
            side: SIDE,
            ..store.squaring()
        })?;
        if let Some(mask) = &record.mask {
            let colour = match store.meta().labels.len() {
                1 => colour(0),
                _ => CYAN,
            };
            picture.mask(&mask::to_square(mask, &placement)?, at, colour);
        }
        let boxes = record.boxes.iter().filter_map(|b| b.to_square(&placement));
        outline(
            picture,
            &boxes.collect::<Vec<_>>(),
            at,
            &store.meta().labels,
        );
    }
    caption(
        picture,
        record,
        film,
        &store.meta().labels,
        (at.0, at.1 + SIDE + 2),
    );
    Ok(())
}

/// The colour of a label. A box may have a name that is not a label.
fn colour_of(labels: &[String], name: &str) -> Colour {
    let index = labels.iter().position(|label| label == name);
    index.map_or(WHITE, colour)
}

/// Outlines boxes in the colours of their labels. The first box of each label has its name above
/// it.
fn outline(picture: &mut Picture, boxes: &[BoundingBox], at: (u32, u32), labels: &[String]) {
    for (number, found) in boxes.iter().enumerate() {
        let is_first = boxes[..number].iter().all(|b| b.label != found.label);
        let caption = if labels.len() > 1 && is_first {
            &*found.label
        } else {
            ""
        };
        picture.outline(found, caption, at, SIDE, colour_of(labels, &found.label));
    }
}

/// Writes the film's line and split, and its labels in two lines.
fn caption(
    picture: &mut Picture,
    record: &Record,
    film: usize,
    labels: &[String],
    (left, top): (u32, u32),
) {
    let head = format!("#{} {}", film + 1, record.split.name());
    picture.text(&head, (left + 2, top), GREY);
    let known = labels.iter().zip(&record.labels);
    let words: Vec<(String, Colour)> = known
        .filter_map(|(label, value)| {
            let name = match value {
                Some(value) if *value > 0.0 => label.clone(),
                Some(value) if *value < 0.0 => format!("{label}?"),
                _ => return None,
            };
            Some((name, colour_of(labels, label)))
        })
        .collect();
    let words = words.iter().map(|(word, colour)| (&**word, *colour));
    picture.words(words, (left + 2, top + LINE), SIDE - 2, 2);
}
