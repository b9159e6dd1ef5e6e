//! A prediction drawn over its film.

use std::path::Path;

use mflag_film::{Area, Fit, Limits, Placement, Squaring};
use mflag_store::picture::{Colour, GREY, Letters, Picture};
use mflag_store::{BoundingBox, Mask, mask, rle};

use crate::error::Result;

/// Side of the drawn square in pixels.
const SIDE: u32 = 768;
/// Margin around the text below the film, in pixels.
const GAP: u32 = 4;
/// Lines of text below the film's name.
const LINES: u32 = 5;
/// Height of a line.
const LINE: u32 = Letters::Large.line();

/// Letters of a line.
const LETTERS: usize = ((SIDE - 2 * GAP) / 10) as usize;

/// The last letters of a name, with two dots before them if it is longer.
fn end_of(name: &str, letters: usize) -> String {
    let length = name.chars().count();
    if length <= letters {
        return name.to_owned();
    }
    let end: String = name.chars().skip(length + 2 - letters).collect();
    format!("..{end}")
}

/// A film at a readable size, padded to a square, with its name and text below it. Masks and boxes
/// are given in the film's own pixels.
#[derive(Debug)]
pub struct Overlay {
    picture: Picture,
    placement: Placement,
}

impl Overlay {
    /// Reads a film file. `squaring` sets the grey window.
    pub(crate) fn read(file: &Path, squaring: Squaring) -> Result<Overlay> {
        let squaring = Squaring {
            side: SIDE,
            fit: Fit::Pad,
            ..squaring
        };
        let squared = squaring.read(file, &Limits::default());
        let squared = squared.map_err(mflag_store::Error::from)?;
        let placement = squaring.placement([squared.width, squared.height], None);
        let mut picture = Picture::new(SIDE, SIDE + 2 * GAP + (1 + LINES) * LINE, Letters::Large);
        picture.film(&squared.into_film(), (0, 0));
        let name = end_of(&file.display().to_string(), LETTERS);
        picture.text(&name, (GAP, SIDE + GAP), GREY);
        Ok(Overlay {
            picture,
            placement: placement.map_err(mflag_store::Error::from)?,
        })
    }

    /// Tints a mask, which has a value per pixel of the film, row by row, and draws its edge.
    ///
    /// # Errors
    /// If the mask has another size than the film.
    pub fn mask(&mut self, mask: &[u8], colour: Colour) -> Result<()> {
        let [width, height] = self.placement.film_size();
        let runs = rle::mask_to_runs(mask, width);
        let mask = Mask::Runs {
            width,
            height,
            runs,
        };
        let mask = mask::to_square(&mask, &self.placement)?;
        self.picture.mask(&mask, (0, 0), colour);
        Ok(())
    }

    /// Outlines a box and writes `caption` above it.
    pub fn outline(&mut self, bounding_box: &BoundingBox, caption: &str, colour: Colour) {
        if let Some(outlined) = bounding_box.to_square(&self.placement) {
            self.picture
                .outline(&outlined, caption, (0, 0), SIDE, colour);
        }
    }

    /// Outlines the part of the film that the network sees, in grey, if it does not see all of it.
    pub(crate) fn shown_part(&mut self, part: Option<Area>) {
        if let Some(part) = part {
            let seen = BoundingBox {
                label: String::new(),
                x: part.left,
                y: part.top,
                width: part.width,
                height: part.height,
            };
            self.outline(&seen, "seen by the network", GREY);
        }
    }

    /// Writes words below the film's name, each in its colour.
    pub fn words<'a>(&mut self, words: impl IntoIterator<Item = (&'a str, Colour)>) {
        let at = (GAP, SIDE + GAP + LINE);
        self.picture.words(words, at, SIDE - 2 * GAP, LINES);
    }

    pub(crate) fn write(self, file: &Path) -> Result<()> {
        Ok(self.picture.write(file)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_path_is_shown() {
        assert_eq!(end_of("films/a.png", 11), "films/a.png");
        assert_eq!(end_of("films/a.png", 9), "..s/a.png");
    }
}
