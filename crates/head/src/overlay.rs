//! What a head says of a film, drawn over it.

use std::path::Path;

use mflag_film::{Film, Fit, Limits, Placement, Squaring};
use mflag_store::picture::{Colour, GREY, LINE, Picture};
use mflag_store::{BoundingBox, Mask, mask, rle};

use crate::error::Result;

/// Side of the film's square in pixels.
const SIDE: u32 = 768;
/// Black around the words below the film, in pixels.
const GAP: u32 = 4;
/// Lines of what is called of a film.
const LINES: u32 = 5;

/// A film at a readable size, padded to a square, with its name and words below it. Masks and boxes are given in the film's own pixels.
#[derive(Debug)]
pub struct Overlay {
    picture: Picture,
    placement: Placement,
}

impl Overlay {
    /// Of the film in a file; `squaring` tells what becomes black and white.
    pub(crate) fn read(file: &Path, squaring: Squaring) -> Result<Overlay> {
        let squaring = Squaring {
            side: SIDE,
            fit: Fit::Pad,
            ..squaring
        };
        let squared = squaring.read(file, &Limits::default());
        let squared = squared.map_err(mflag_store::Error::from)?;
        let placement = squaring.placement([squared.width, squared.height]);
        let film = Film {
            width: SIDE,
            height: SIDE,
            pixels: squared.greys.into_eight(),
        };
        let mut picture = Picture::new(SIDE, SIDE + 2 * GAP + (1 + LINES) * LINE);
        picture.film(&film, (0, 0));
        picture.text(&file.display().to_string(), (GAP, SIDE + GAP), GREY);
        Ok(Overlay {
            picture,
            placement: placement.map_err(mflag_store::Error::from)?,
        })
    }

    /// Tints a mask of the film, row by row, and draws its edge.
    ///
    /// # Errors
    /// If it is not of the film's size.
    pub fn mask(&mut self, of_film: &[u8], colour: Colour) -> Result<()> {
        let [width, height] = self.placement.film_size();
        let runs = rle::mask_to_runs(of_film, width);
        let mask = Mask::Runs {
            width,
            height,
            runs,
        };
        let mask = mask::to_square(&mask, &self.placement)?;
        self.picture.mask(&mask, (0, 0), colour);
        Ok(())
    }

    /// Outlines a box of the film, with `caption` above it.
    pub fn outline(&mut self, of_film: &BoundingBox, caption: &str, colour: Colour) {
        if let Some(found) = of_film.to_square(&self.placement) {
            self.picture.outline(&found, caption, (0, 0), SIDE, colour);
        }
    }

    /// What is called of the film, below its name.
    pub fn words<'a>(&mut self, words: impl IntoIterator<Item = (&'a str, Colour)>) {
        let at = (GAP, SIDE + GAP + LINE);
        self.picture.words(words, at, SIDE - 2 * GAP, LINES);
    }

    pub(crate) fn write(self, file: &Path) -> Result<()> {
        Ok(self.picture.write(file)?)
    }
}
