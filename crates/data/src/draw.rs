//! Drawing over films: contact sheets, and what a head found beside what is true.

use std::convert::Infallible;
use std::io::Cursor;
use std::path::Path;

use embedded_graphics::mono_font::{MonoFont, MonoTextStyleBuilder};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};
use image::{ImageFormat, Rgb, RgbImage};
use mflag_core::atomic;
use mflag_film::Film;

use crate::mask::SET;
use crate::{Error, Result};

/// A colour of the screen.
pub type Colour = Rgb888;

/// What is true, where two things are drawn: Okabe and Ito's orange.
pub const TRUTH: Colour = Rgb888::new(230, 159, 0);
/// What was found: their sky blue, which nobody takes for orange.
pub const FOUND: Colour = Rgb888::new(86, 180, 233);

/// Pixels to draw on, black at first.
#[derive(Debug, Clone)]
pub struct Canvas(RgbImage);

impl Canvas {
    /// A black canvas.
    pub fn new(width: u32, height: u32) -> Canvas {
        Canvas(RgbImage::new(width, height))
    }

    /// Writes it as PNG.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut png = Cursor::new(Vec::new());
        self.0
            .write_to(&mut png, ImageFormat::Png)
            .map_err(|e| Error::file(path, format!("cannot be encoded: {e}")))?;
        Ok(atomic::write(path, |file| file.write_all(png.get_ref()))?)
    }

    pub(crate) fn text(
        &mut self,
        text: &str,
        (x, y): (u32, u32),
        font: MonoFont<'_>,
        colour: Rgb888,
    ) {
        let style = MonoTextStyleBuilder::new()
            .font(&font)
            .text_color(colour)
            .background_color(Rgb888::BLACK)
            .build();
        let place = Point::new(x as i32, y as i32);
        let Ok(_) = Text::with_baseline(text, place, style, Baseline::Top).draw(self);
    }

    /// Puts a film with its left upper corner there.
    pub fn film(&mut self, film: &Film, (left, top): (u32, u32)) {
        for (place, &grey) in (0..).zip(&film.pixels) {
            let (x, y) = (place % film.width, place / film.width);
            self.0.put_pixel(left + x, top + y, Rgb([grey, grey, grey]));
        }
    }

    /// Tints what is set, and draws its edge.
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
                let pixel = self.0.get_pixel_mut(left + x, top + y);
                let tint = [colour.r(), colour.g(), colour.b()];
                for (value, tint) in pixel.0.iter_mut().zip(tint) {
                    *value = (f32::from(*value) * (1.0 - part) + f32::from(tint) * part) as u8;
                }
            }
        }
    }

    /// Outlines a rectangle, given by its left upper corner and its size, two pixels wide.
    pub fn outline(&mut self, corner: (i32, i32), size: (u32, u32), colour: Colour) {
        let place = Rectangle::new(Point::new(corner.0, corner.1), Size::new(size.0, size.1));
        let outline = place.into_styled(PrimitiveStyle::with_stroke(colour, 2));
        let Ok(()) = outline.draw(self);
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas {
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
