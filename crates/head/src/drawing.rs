//! A view of a film, enlarged, with masks and boxes drawn on it.

use std::path::Path;

use mflag_film::Film;
use mflag_metrics::detection::Rect;
use mflag_store::BoundingBox;
use mflag_store::mask::SET;
use mflag_store::picture::{Colour, Letters, Picture, colour};

use crate::error::Result;

/// Largest side in pixels of an enlarged view. A view is enlarged by a whole factor.
const SIDE: u32 = 320;

/// A view of a film to draw on.
#[derive(Debug, Clone)]
pub struct Drawing {
    picture: Picture,
    side: u32,
    scale: u32,
}

/// What a drawn mask or box shows; this decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The target, in orange.
    Target,
    /// The prediction, in blue.
    Prediction,
}

impl Mark {
    fn colour(self) -> Colour {
        match self {
            Mark::Target => colour(0),
            Mark::Prediction => colour(1),
        }
    }
}

impl Drawing {
    pub(crate) fn new(view: &Film) -> Drawing {
        let side = view.width;
        let scale = (SIDE / side).max(1);
        let mut picture = Picture::new(side * scale, side * scale, Letters::Small);
        picture.film(&enlarged(side, scale, |i| view.pixels[i]), (0, 0));
        Drawing {
            picture,
            side,
            scale,
        }
    }

    /// Draws a mask. `is_set` tells whether a pixel of the view, by its index row by row, is set.
    pub fn mask(&mut self, is_set: impl Fn(usize) -> bool, mark: Mark) {
        let pixel = |i| if is_set(i) { SET } else { 0 };
        let mask = enlarged(self.side, self.scale, pixel);
        self.picture.mask(&mask, (0, 0), mark.colour());
    }

    /// Outlines a box, given in pixels of the view.
    pub fn rect(&mut self, rect: &Rect, mark: Mark) {
        let scale = f64::from(self.scale);
        let enlarged = BoundingBox {
            label: String::new(),
            x: rect.x * scale,
            y: rect.y * scale,
            width: rect.width * scale,
            height: rect.height * scale,
        };
        let width = self.side * self.scale;
        self.picture
            .outline(&enlarged, "", (0, 0), width, mark.colour());
    }

    pub(crate) fn write(self, path: &Path) -> Result<()> {
        Ok(self.picture.write(path)?)
    }
}

/// A square of `side` pixels with each pixel repeated `scale` times in both directions.
fn enlarged(side: u32, scale: u32, pixel: impl Fn(usize) -> u8) -> Film {
    let mut film = Film::filled(side * scale, side * scale, 0);
    for (index, value) in (0..).zip(&mut film.pixels) {
        let (x, y) = (index % film.width, index / film.width);
        *value = pixel((y / scale * side + x / scale) as usize);
    }
    film
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_enlarged_and_has_target_and_prediction() {
        let mut view = Film::filled(64, 64, 10);
        view.pixels[0] = 200;
        let mut drawing = Drawing::new(&view);
        assert_eq!((drawing.scale, drawing.side), (5, 64));
        let rect = Rect {
            x: 8.0,
            y: 16.0,
            width: 20.0,
            height: 10.0,
        };
        drawing.mask(|i| i == 64 * 40 + 40, Mark::Target);
        drawing.rect(&rect, Mark::Prediction);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.png");
        drawing.write(&file).unwrap();
        let drawn = image::open(&file).unwrap().into_rgb8();
        let at = |x: u32, y: u32| drawn.get_pixel(x, y).0;
        assert_eq!(drawn.dimensions(), (320, 320));
        // A pixel of the view is five pixels wide.
        assert_eq!([at(4, 4), at(5, 5)], [[200; 3], [10; 3]]);
        // The edge of a box has its colour, a mask nearly its colour.
        assert_eq!(at(40, 100), [86, 180, 233]);
        let [red, _, blue] = at(200, 200);
        assert!(red > 200 && blue < 10, "{red} {blue}");
    }
}
