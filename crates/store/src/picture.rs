//! Pictures for people: films with tinted masks, outlined boxes and text, as PNG.

use std::convert::Infallible;
use std::path::Path;

use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_7X13, FONT_9X15, FONT_10X20};
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

/// The size of the letters of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// For pictures that are shown pixel for pixel, such as contact sheets.
    Small,
    /// For large pictures, which are shown smaller than they are.
    Large,
}

impl Letters {
    /// Font of text, except at boxes.
    const fn font(self) -> MonoFont<'static> {
        match self {
            Letters::Small => FONT_7X13,
            Letters::Large => FONT_10X20,
        }
    }

    /// Font of text at boxes.
    const fn font_at_boxes(self) -> MonoFont<'static> {
        match self {
            Letters::Small => FONT_6X10,
            Letters::Large => FONT_9X15,
        }
    }

    /// Height of a line of text in pixels.
    pub const fn line(self) -> u32 {
        self.font().character_size.height
    }
}

/// A colour in red, green and blue.
pub type Colour = Rgb888;

/// Colour of text.
pub const WHITE: Colour = Rgb888::new(235, 235, 235);
/// Colour of less important text.
pub const GREY: Colour = Rgb888::new(150, 150, 150);
/// Colour of a mask if there are several labels, as a mask has no label.
pub const CYAN: Colour = Rgb888::new(0, 210, 210);
/// Colours of labels: those of Okabe and Ito that stand out on black, and some more.
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

/// The colour of the label with this index. The ninth label has the colour of the first.
pub fn colour(index: usize) -> Colour {
    COLOURS[index % COLOURS.len()]
}

/// A picture in colour, black at first. Positions are (left, top) in pixels. What lies beyond the
/// edges is cut off.
#[derive(Debug, Clone)]
pub struct Picture {
    image: RgbImage,
    letters: Letters,
}

impl Picture {
    /// A black picture of this size in pixels.
    pub fn new(width: u32, height: u32, letters: Letters) -> Picture {
        Picture {
            image: RgbImage::new(width, height),
            letters,
        }
    }

    /// Writes a line of text on black. Characters beyond Latin-1 become question marks.
    pub fn text(&mut self, text: &str, at: (u32, u32), colour: Colour) {
        self.text_in(self.letters.font(), text, at, colour);
    }

    fn text_in(&mut self, font: MonoFont<'_>, text: &str, (x, y): (u32, u32), colour: Colour) {
        let style = MonoTextStyleBuilder::new()
            .font(&font)
            .text_color(colour)
            .background_color(Rgb888::BLACK)
            .build();
        let position = Point::new(x as i32, y as i32);
        let Ok(_) = Text::with_baseline(text, position, style, Baseline::Top).draw(self);
    }

    /// Draws a film, pixel for pixel.
    pub fn film(&mut self, film: &Film, (left, top): (u32, u32)) {
        for (index, &grey) in (0..).zip(&film.pixels) {
            let (x, y) = (index % film.width, index / film.width);
            if let Some(pixel) = self.image.get_pixel_mut_checked(left + x, top + y) {
                *pixel = Rgb([grey, grey, grey]);
            }
        }
    }

    /// Tints the [`SET`] pixels of a mask and draws its edge. The position is that of the film.
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
                let neighbours = [
                    (x.wrapping_sub(1), y),
                    (x + 1, y),
                    (x, y.wrapping_sub(1)),
                    (x, y + 1),
                ];
                let edge = neighbours.iter().any(|&(x, y)| !set(x, y));
                let opacity = if edge { 0.9 } else { 0.15 };
                let Some(pixel) = self.image.get_pixel_mut_checked(left + x, top + y) else {
                    continue;
                };
                let tint = [colour.r(), colour.g(), colour.b()];
                for (value, tint) in pixel.0.iter_mut().zip(tint) {
                    *value =
                        (f32::from(*value) * (1.0 - opacity) + f32::from(tint) * opacity) as u8;
                }
            }
        }
    }

    /// Outlines a box of a film, with `caption` above it. The position is that of the film, which
    /// is `width` pixels wide.
    pub fn outline(
        &mut self,
        outlined: &BoundingBox,
        caption: &str,
        (left, top): (u32, u32),
        width: u32,
        colour: Colour,
    ) {
        let corner = Point::new(
            left as i32 + outlined.x as i32,
            top as i32 + outlined.y as i32,
        );
        let size = Size::new(outlined.width.ceil() as u32, outlined.height.ceil() as u32);
        let outline =
            Rectangle::new(corner, size).into_styled(PrimitiveStyle::with_stroke(colour, 2));
        let Ok(()) = outline.draw(self);
        let font = self.letters.font_at_boxes();
        let letter = font.character_size;
        let room = (width / letter.width) as usize;
        let caption: String = caption.chars().take(room).collect();
        let length = caption.chars().count() as u32 * letter.width;
        let x = (outlined.x as u32).min(width - length);
        let y = (outlined.y as u32).saturating_sub(letter.height + 1);
        self.text_in(font, &caption, (left + x, top + y), colour);
    }

    /// Writes words one after the other, each in its colour, in at most `lines` lines of `width`
    /// pixels. Two dots at the end mean that some words did not fit.
    pub fn words<'a>(
        &mut self,
        words: impl IntoIterator<Item = (&'a str, Colour)>,
        (left, top): (u32, u32),
        width: u32,
        lines: u32,
    ) {
        let letter = self.letters.font().character_size.width;
        let height = self.letters.line();
        let right = left + width.saturating_sub(2 * letter);
        let (mut x, mut line) = (left, 0);
        for (word, colour) in words {
            let length = (word.chars().count() as u32 + 1) * letter;
            if x + length > right && x > left {
                (x, line) = (left, line + 1);
            }
            if line == lines {
                self.text("..", (right, top + (lines - 1) * height), WHITE);
                break;
            }
            self.text(word, (x, top + line * height), colour);
            x += length;
        }
    }

    /// Writes the picture as a PNG.
    ///
    /// # Errors
    /// If the picture has no pixels, or the file cannot be written.
    pub fn write(self, path: &Path) -> Result<()> {
        let png = encode_png(&self.image.into(), path)?;
        Ok(atomic::write(path, |file| file.write_all(&png))?)
    }
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        Size::new(self.image.width(), self.image.height())
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
            let position = u32::try_from(x).ok().zip(u32::try_from(y).ok());
            let pixel = position.and_then(|(x, y)| self.image.get_pixel_mut_checked(x, y));
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
    fn a_mask_is_tinted_inside_and_drawn_at_its_edge() {
        let mut picture = Picture::new(7, 7, Letters::Small);
        let mut mask = Film::filled(5, 5, SET);
        mask.pixels[0] = 0;
        picture.film(&Film::filled(5, 5, 100), (1, 1));
        picture.mask(&mask, (1, 1), colour(1));
        let at = |x, y| picture.image.get_pixel(x, y).0;
        assert_eq!(at(0, 0), [0; 3], "beside the film");
        assert_eq!(at(1, 1), [100; 3], "not set");
        // 86, 180, 233 by 0.15 and by 0.9.
        assert_eq!(at(3, 3), [97, 112, 119]);
        assert_eq!(at(5, 5), [87, 172, 219]);
    }

    #[test]
    fn drawings_are_cut_off_at_the_edges() {
        let mut picture = Picture::new(20, 40, Letters::Small);
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
        let lit = |(x, y): (u32, u32)| picture.image.get_pixel(x, y).0 != [0; 3];
        assert!((0..20).any(|x| (0..13).any(|y| lit((x, y)))));
        assert!(lit((19, 39)));
    }
}
