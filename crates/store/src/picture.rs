//! Pictures for the eye: grey films with masks tinted, boxes outlined and words below, as PNG.

use std::convert::Infallible;
use std::path::Path;

use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_7X13};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyleBuilder};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};
use image::{Rgb, RgbImage};
use mflag_core::atomic;
use mflag_film::{Film, encode_png};

use crate::mask::SET;
use crate::{BoundingBox, Result};

/// Font of all text but that at boxes.
const FONT: MonoFont<'_> = FONT_7X13;
/// Font of text at boxes.
const SMALL: MonoFont<'_> = FONT_6X10;

/// Height of a line of text in pixels.
pub const LINE: u32 = FONT.character_size.height;

/// Red, green, blue.
pub type Colour = Rgb888;

/// Of text.
pub const WHITE: Colour = Rgb888::new(235, 235, 235);
/// Of text of less weight.
pub const GREY: Colour = Rgb888::new(150, 150, 150);
/// Of masks, which have no label of their own, where there are several labels.
pub const CYAN: Colour = Rgb888::new(0, 210, 210);
/// Of labels: those of Okabe and Ito that stand out on black, and some more.
const COLOURS: [Colour; 8] = [
    Rgb888::new(230, 159, 0),
    Rgb888::new(86, 180, 233),
    Rgb888::new(0, 190, 130),
    Rgb888::new(240, 228, 66),
    Rgb888::new(240, 110, 40),
    Rgb888::new(220, 140, 190),
    Rgb888::new(140, 150, 255),
    Rgb888::new(170, 220, 90),
];

/// The colour of the label at this place among the labels; the ninth has that of the first.
pub fn colour(place: usize) -> Colour {
    COLOURS[place % COLOURS.len()]
}

/// A picture in colour, black at the beginning. Places are (left, top) in pixels; what lies beyond its edges is cut off.
#[derive(Debug, Clone)]
pub struct Picture(RgbImage);

impl Picture {
    /// Of this size in pixels.
    pub fn new(width: u32, height: u32) -> Picture {
        Picture(RgbImage::new(width, height))
    }

    /// A line of text on black; characters beyond Latin-1 become question marks.
    pub fn text(&mut self, text: &str, at: (u32, u32), colour: Colour) {
        self.text_in(FONT, text, at, colour);
    }

    fn text_in(&mut self, font: MonoFont<'_>, text: &str, (x, y): (u32, u32), colour: Colour) {
        let style = MonoTextStyleBuilder::new()
            .font(&font)
            .text_color(colour)
            .background_color(Rgb888::BLACK)
            .build();
        let place = Point::new(x as i32, y as i32);
        let Ok(_) = Text::with_baseline(text, place, style, Baseline::Top).draw(self);
    }

    /// A film, pixel for pixel.
    pub fn film(&mut self, film: &Film, (left, top): (u32, u32)) {
        for (place, &grey) in (0..).zip(&film.pixels) {
            let (x, y) = (place % film.width, place / film.width);
            if let Some(pixel) = self.0.get_pixel_mut_checked(left + x, top + y) {
                *pixel = Rgb([grey, grey, grey]);
            }
        }
    }

    /// Tints what is [`SET`] in a mask of the film that lies there, and draws its edge.
    pub fn mask(&mut self, mask: &Film, (left, top): (u32, u32), colour: Colour) {
        let set = |x: u32, y: u32| {
            let inside = x < mask.width && y < mask.height;
            inside && mask.pixels[(y * mask.width + x) as usize] == SET
        };
        for y in 0..mask.height {
            for x in 0..mask.width {
                if !set(x, y) {
                    continue;
                }
                let around = [
                    (x.wrapping_sub(1), y),
                    (x + 1, y),
                    (x, y.wrapping_sub(1)),
                    (x, y + 1),
                ];
                let edge = around.iter().any(|&(x, y)| !set(x, y));
                let part = if edge { 0.9 } else { 0.15 };
                let Some(pixel) = self.0.get_pixel_mut_checked(left + x, top + y) else {
                    continue;
                };
                let tint = [colour.r(), colour.g(), colour.b()];
                for (value, tint) in pixel.0.iter_mut().zip(tint) {
                    *value = (f32::from(*value) * (1.0 - part) + f32::from(tint) * part) as u8;
                }
            }
        }
    }

    /// Outlines a box of the film that lies there, which is `width` pixels wide, with `caption` above it.
    pub fn outline(
        &mut self,
        found: &BoundingBox,
        caption: &str,
        (left, top): (u32, u32),
        width: u32,
        colour: Colour,
    ) {
        let place = Point::new(left as i32 + found.x as i32, top as i32 + found.y as i32);
        let size = Size::new(found.width.ceil() as u32, found.height.ceil() as u32);
        let outline =
            Rectangle::new(place, size).into_styled(PrimitiveStyle::with_stroke(colour, 2));
        let Ok(()) = outline.draw(self);
        let letter = SMALL.character_size;
        let room = (width / letter.width) as usize;
        let caption: String = caption.chars().take(room).collect();
        let long = caption.chars().count() as u32 * letter.width;
        let x = (found.x as u32).min(width - long);
        let y = (found.y as u32).saturating_sub(letter.height + 1);
        self.text_in(SMALL, &caption, (left + x, top + y), colour);
    }

    /// Words one after the other, each in its colour, in at most `lines` lines of `width` pixels from there on; two dots say that some had
    /// no place.
    pub fn words<'a>(
        &mut self,
        words: impl IntoIterator<Item = (&'a str, Colour)>,
        (left, top): (u32, u32),
        width: u32,
        lines: u32,
    ) {
        let letter = FONT.character_size.width;
        let right = left + width.saturating_sub(2 * letter);
        let (mut x, mut line) = (left, 0);
        for (word, colour) in words {
            let long = (word.chars().count() as u32 + 1) * letter;
            if x + long > right && x > left {
                (x, line) = (left, line + 1);
            }
            if line == lines {
                self.text("..", (right, top + (lines - 1) * LINE), WHITE);
                break;
            }
            self.text(word, (x, top + line * LINE), colour);
            x += long;
        }
    }

    /// Writes it as a PNG.
    ///
    /// # Errors
    /// If it has no pixels, or the file cannot be written.
    pub fn write(self, path: &Path) -> Result<()> {
        let png = encode_png(&self.0.into(), path)?;
        Ok(atomic::write(path, |file| file.write_all(&png))?)
    }
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Picture {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> std::result::Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            let place = u32::try_from(x).ok().zip(u32::try_from(y).ok());
            let pixel = place.and_then(|(x, y)| self.0.get_pixel_mut_checked(x, y));
            if let Some(pixel) = pixel {
                *pixel = Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_tinted_within_and_drawn_at_its_edge() {
        let mut picture = Picture::new(7, 7);
        let mut mask = Film::filled(5, 5, SET);
        mask.pixels[0] = 0;
        picture.film(&Film::filled(5, 5, 100), (1, 1));
        picture.mask(&mask, (1, 1), colour(1));
        let at = |x, y| picture.0.get_pixel(x, y).0;
        assert_eq!(at(0, 0), [0; 3], "beside the film");
        assert_eq!(at(1, 1), [100; 3], "not set");
        // 86, 180, 233 by 0.15 and by 0.9.
        assert_eq!(at(3, 3), [97, 112, 119]);
        assert_eq!(at(5, 5), [87, 172, 219]);
    }

    #[test]
    fn what_is_beyond_the_edges_is_cut_off() {
        let mut picture = Picture::new(20, 40);
        let beyond = BoundingBox {
            label: String::new(),
            x: 15.0,
            y: 35.0,
            width: 50.0,
            height: 50.0,
        };
        picture.outline(&beyond, "a long caption", (0, 0), 20, colour(0));
        picture.film(&Film::filled(30, 30, 1), (10, 30));
        picture.words([("one", WHITE), ("two", WHITE)], (0, 0), 20, 1);
        let lit = |(x, y): (u32, u32)| picture.0.get_pixel(x, y).0 != [0; 3];
        assert!((0..20).any(|x| (0..13).any(|y| lit((x, y)))));
        assert!(lit((19, 39)));
    }
}
