//! Contact sheets: films with their masks tinted, their boxes outlined and their labels below.

use std::path::Path;

use embedded_graphics::mono_font::MonoFont;
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_7X13};
use embedded_graphics::pixelcolor::Rgb888;
use mflag_film::{Film, Fit, square};

use super::choose::choose;
use crate::draw::Canvas;
use crate::mask::Frame;
use crate::store::Store;
use crate::{BoundingBox, Record, Result};

/// What a contact sheet shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Films at most.
    pub films: usize,
    /// Only films positive for this label.
    pub label: Option<String>,
}

/// Films in a row.
const COLUMNS: usize = 8;
/// Side of a film in pixels.
const SIDE: u32 = 256;
/// Black between films, in pixels.
const GAP: u32 = 6;
/// Font of captions.
const FONT: MonoFont<'_> = FONT_7X13;
const LINE: u32 = FONT.character_size.height;
/// Height of a film with its caption, of three lines.
const CELL: u32 = SIDE + 3 * LINE + GAP;
/// Height of the line above all films.
const TITLE: u32 = LINE + 8;

const WHITE: Rgb888 = Rgb888::new(235, 235, 235);
const GREY: Rgb888 = Rgb888::new(150, 150, 150);
/// Of masks, which have no label of their own, where there are several labels.
const CYAN: Rgb888 = Rgb888::new(0, 210, 210);
/// Colours of labels, repeated where there are more: those of Okabe and Ito that stand out on black, and some more.
const COLOURS: [Rgb888; 8] = [
    Rgb888::new(230, 159, 0),
    Rgb888::new(86, 180, 233),
    Rgb888::new(0, 190, 130),
    Rgb888::new(240, 228, 66),
    Rgb888::new(240, 110, 40),
    Rgb888::new(220, 140, 190),
    Rgb888::new(140, 150, 255),
    Rgb888::new(170, 220, 90),
];

/// Draws films of `store` into the PNG `path`, and says how many. Each has below it its line in `films.jsonl` and its
/// split, then the labels that are present and, with a question mark, uncertain ones; never a patient's identifier.
///
/// # Errors
/// The label is unknown or no film has it, a mask cannot be read, or the file cannot be written.
pub fn contact_sheet(store: &Store, sheet: &Sheet, path: &Path) -> Result<usize> {
    let labels = &store.meta().labels;
    let films = choose(store.records(), labels, sheet.films, sheet.label.as_deref())?;
    let columns = films.len().clamp(1, COLUMNS) as u32;
    let rows = films.len().div_ceil(COLUMNS) as u32;
    let width = columns * (SIDE + GAP) - GAP;
    let mut canvas = Canvas::new(width, TITLE + rows * CELL);
    let title = format!(
        "{}: {} of {} films; # is the line in films.jsonl, ? an uncertain label",
        store.meta().dataset,
        films.len(),
        store.records().len()
    );
    canvas.text(&title, (4, 4), FONT, WHITE);
    for (number, &film) in films.iter().enumerate() {
        let left = (number % COLUMNS) as u32 * (SIDE + GAP);
        let top = TITLE + (number / COLUMNS) as u32 * CELL;
        draw(&mut canvas, store, film, (left, top))?;
    }
    canvas.write(path)?;
    Ok(films.len())
}

fn draw(canvas: &mut Canvas, store: &Store, film: usize, at: (u32, u32)) -> Result<()> {
    let record = &store.records()[film];
    let whole = Film {
        width: store.side(),
        height: store.side(),
        pixels: store.pixels(film).to_vec(),
    };
    canvas.film(&square(&whole, SIDE, Fit::Pad), at);
    if let Some([width, height]) = record.size {
        let frame = Frame::new(width, height, SIDE, store.meta().squaring.fit)?;
        if let Some(mask) = &record.mask {
            let colour = match store.meta().labels.len() {
                1 => COLOURS[0],
                _ => CYAN,
            };
            canvas.mask(&frame.mask_to_square(mask)?, at, colour);
        }
        let boxes = record.boxes.iter().filter_map(|b| frame.box_to_square(b));
        draw_boxes(canvas, &boxes.collect::<Vec<_>>(), at, &store.meta().labels);
    }
    draw_caption(
        canvas,
        record,
        film,
        &store.meta().labels,
        (at.0, at.1 + SIDE + 2),
    );
    Ok(())
}

/// The colour of a label; boxes may have other names than the labels.
fn colour(labels: &[String], name: &str) -> Rgb888 {
    let place = labels.iter().position(|label| label == name);
    place.map_or(WHITE, |place| COLOURS[place % COLOURS.len()])
}

/// Outlines boxes in the colour of their label, which the first box of each label has above it.
fn draw_boxes(
    canvas: &mut Canvas,
    boxes: &[BoundingBox],
    (left, top): (u32, u32),
    labels: &[String],
) {
    for (number, found) in boxes.iter().enumerate() {
        let colour = colour(labels, &found.label);
        let corner = (left as i32 + found.x as i32, top as i32 + found.y as i32);
        let size = (found.width.ceil() as u32, found.height.ceil() as u32);
        canvas.outline(corner, size, colour);
        if labels.len() > 1 && boxes[..number].iter().all(|b| b.label != found.label) {
            let font = FONT_6X10;
            let letter = font.character_size;
            let room = (SIDE / letter.width) as usize;
            let name: String = found.label.chars().take(room).collect();
            let width = name.chars().count() as u32 * letter.width;
            let x = (found.x as u32).min(SIDE - width);
            let y = (found.y as u32).saturating_sub(letter.height + 1);
            canvas.text(&name, (left + x, top + y), font, colour);
        }
    }
}

/// The film's line and split, then its labels in as many lines as there is place for.
fn draw_caption(
    canvas: &mut Canvas,
    record: &Record,
    film: usize,
    labels: &[String],
    (left, top): (u32, u32),
) {
    let head = format!("#{} {}", film + 1, record.split.name());
    canvas.text(&head, (left + 2, top), FONT, GREY);
    let letter = FONT.character_size.width;
    let right = left + SIDE - 2 * letter;
    let (mut x, mut y) = (left + 2, top + LINE);
    for (label, value) in labels.iter().zip(&record.labels) {
        let name = match value {
            Some(value) if *value > 0.0 => label.clone(),
            Some(value) if *value < 0.0 => format!("{label}?"),
            _ => continue,
        };
        let width = (name.chars().count() as u32 + 1) * letter;
        if x + width > right && x > left + 2 {
            (x, y) = (left + 2, y + LINE);
        }
        if y > top + 2 * LINE {
            canvas.text("..", (right, top + 2 * LINE), FONT, WHITE);
            break;
        }
        canvas.text(&name, (x, y), FONT, colour(labels, label));
        x += width;
    }
}
