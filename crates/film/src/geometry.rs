//! Where a film lies in its square: points and boxes from film to square and back.
//!
//! Positions are in pixels from the upper left corner, of the film or of the square. The first
//! pixel reaches from 0 to 1.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a film that is not square becomes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The longer side fills the square; black bars fill the rest beside the shorter side.
    #[default]
    Pad,
    /// The shorter side fills the square; the longer side is cut off equally at both ends.
    Crop,
    /// Both sides fill the square, so the film's shape is lost. Resampled bilinearly without a
    /// filter (OpenCV's `INTER_LINEAR`), as MGCA does for segmentation and detection.
    Squeeze,
    /// As M-FLAG's authors prepare films: black borders are cut off, the greys are stretched from
    /// black to white, and the rest is squeezed as with `squeeze`, rounded down.
    Official,
}

/// An upright rectangle in pixels. Its edges may lie within pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Area {
    /// The area of whole pixels: left and upper edge, columns and rows.
    fn of_pixels(pixels: [u32; 4]) -> Area {
        let [left, top, width, height] = pixels.map(f64::from);
        Area {
            left,
            top,
            width,
            height,
        }
    }

    /// The same area of a picture that was resized by the factor `by`.
    pub(crate) fn scaled(self, by: f64) -> Area {
        Area {
            left: self.left * by,
            top: self.top * by,
            width: self.width * by,
            height: self.height * by,
        }
    }

    /// The area with its corners mapped by `map`, cut to a picture of this size; `None` if nothing
    /// is left.
    fn mapped(
        &self,
        map: impl Fn((f64, f64)) -> (f64, f64),
        [width, height]: [u32; 2],
    ) -> Option<Area> {
        let end = (f64::from(width), f64::from(height));
        self.mapped_within(map, (0.0, 0.0), end)
    }

    /// The area with its corners mapped by `map`, cut to the rectangle from `start` to `end`;
    /// `None` if nothing is left.
    fn mapped_within(
        &self,
        map: impl Fn((f64, f64)) -> (f64, f64),
        start: (f64, f64),
        end: (f64, f64),
    ) -> Option<Area> {
        let (left, top) = map((self.left, self.top));
        let (right, bottom) = map((self.left + self.width, self.top + self.height));
        let (left, top) = (left.max(start.0), top.max(start.1));
        let width = right.min(end.0) - left;
        let height = bottom.min(end.1) - top;
        (width > 0.0 && height > 0.0).then_some(Area {
            left,
            top,
            width,
            height,
        })
    }
}

/// Pixels before the centre part of `inner` pixels in a row of `outer` pixels; `inner` is at most
/// `outer`. If an odd number of pixels remains, the larger half lies after the centre part.
pub fn centre_start(outer: u32, inner: u32) -> u32 {
    (outer - inner) / 2
}

/// Where a film lies in the square that [`square`](crate::square) makes of it.
///
/// ```
/// use mflag_film::{Fit, Placement};
///
/// // A film of 1000×500 px padded to 200×200 px: bars of 50 px above and below.
/// let placement = Placement::new(1000, 500, 200, Fit::Pad)?;
/// assert_eq!(placement.to_square((0.0, 0.0)), (0.0, 50.0));
/// assert_eq!(placement.to_film((100.0, 100.0)), (500.0, 250.0));
/// # Ok::<(), mflag_film::Error>(())
/// ```
///
/// Boxes map in the same way as pixels. The film's size in the square is rounded to whole pixels,
/// so the scales across and down may differ a little.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    film: [u32; 2],
    side: u32,
    fit: Fit,
    part: Area,
    across: Axis,
    down: Axis,
}

/// The map of positions in one direction: square = film × scale + shift.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    /// Pixels of the square before the film.
    start: u32,
    /// Pixels of the square that the film covers.
    length: u32,
    scale: f64,
    shift: f64,
}

impl Axis {
    /// The map between the `film_length` pixels of the film that begin at `film_start` and the
    /// `length` pixels of the square that begin at `start`.
    fn new(film_start: f64, film_length: f64, start: u32, length: u32) -> Axis {
        let scale = f64::from(length) / film_length;
        Axis {
            start,
            length,
            scale,
            shift: f64::from(start) - film_start * scale,
        }
    }

    fn to_square(self, position: f64) -> f64 {
        position * self.scale + self.shift
    }

    fn to_film(self, position: f64) -> f64 {
        (position - self.shift) / self.scale
    }
}

impl Placement {
    /// Places a film of `width` × `height` pixels in a square of `side` pixels.
    ///
    /// # Errors
    /// If `width`, `height` or `side` is 0.
    pub fn new(width: u32, height: u32, side: u32, fit: Fit) -> Result<Placement> {
        if width == 0 || height == 0 || side == 0 {
            return Err(Error::Size {
                width,
                height,
                side,
            });
        }
        Ok(Placement::of_nonzero(width, height, side, fit))
    }

    /// The same film, of which the square shows only `part`: left and upper edge, columns and rows.
    /// For [`Fit::Official`], where the film's content decides what is shown.
    ///
    /// # Errors
    /// If `part` is empty, or does not lie on the film.
    pub fn with_part(self, part: [u32; 4]) -> Result<Placement> {
        let [left, top, width, height] = part;
        let inside = |start: u32, length: u32, all: u32| {
            length > 0 && u64::from(start) + u64::from(length) <= u64::from(all)
        };
        if !(inside(left, width, self.film[0]) && inside(top, height, self.film[1])) {
            return Err(Error::Part {
                part,
                film: self.film,
            });
        }
        let part = Area::of_pixels(part);
        Ok(Placement {
            part,
            across: Axis::new(part.left, part.width, 0, self.side),
            down: Axis::new(part.top, part.height, 0, self.side),
            ..self
        })
    }

    /// As [`Placement::new`], for sizes that are known to be at least 1.
    pub(crate) fn of_nonzero(width: u32, height: u32, side: u32, fit: Fit) -> Placement {
        let (columns, rows) = (f64::from(width), f64::from(height));
        let whole = Area::of_pixels([0, 0, width, height]);
        let (part, [square_width, square_height]) = match fit {
            Fit::Pad => {
                let longest = columns.max(rows);
                let scaled = |a: f64| ((a * f64::from(side) / longest).round() as u32).max(1);
                (whole, [scaled(columns), scaled(rows)])
            }
            Fit::Squeeze | Fit::Official => (whole, [side, side]),
            Fit::Crop => {
                let shortest = width.min(height);
                let centre = Area {
                    left: centre_start(width, shortest).into(),
                    top: centre_start(height, shortest).into(),
                    width: shortest.into(),
                    height: shortest.into(),
                };
                (centre, [side, side])
            }
        };
        let (left, top) = (
            centre_start(side, square_width),
            centre_start(side, square_height),
        );
        Placement {
            film: [width, height],
            side,
            fit,
            part,
            across: Axis::new(part.left, part.width, left, square_width),
            down: Axis::new(part.top, part.height, top, square_height),
        }
    }

    /// Columns and rows of the film.
    pub fn film_size(&self) -> [u32; 2] {
        self.film
    }

    /// Side of the square in pixels.
    pub fn side(&self) -> u32 {
        self.side
    }

    /// How the film became a square.
    pub fn fit(&self) -> Fit {
        self.fit
    }

    /// The part of the film that the square shows, in whole pixels.
    pub fn part(&self) -> Area {
        self.part
    }

    /// Pixels of the square for each pixel of the film, across and down.
    pub fn scales(&self) -> [f64; 2] {
        [self.across.scale, self.down.scale]
    }

    /// Left and upper edge of the film in the square.
    pub(crate) fn start(&self) -> [u32; 2] {
        [self.across.start, self.down.start]
    }

    /// Columns and rows of the film in the square.
    pub(crate) fn size_in_square(&self) -> [u32; 2] {
        [self.across.length, self.down.length]
    }

    /// The position in the square of the point (x, y) of the film. It lies outside of the square if
    /// that part of the film was cut off.
    pub fn to_square(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.across.to_square(x), self.down.to_square(y))
    }

    /// The position on the film of the point (x, y) of the square. It lies outside of the film if
    /// the point is in the bars.
    pub fn to_film(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.across.to_film(x), self.down.to_film(y))
    }

    /// A box of the film in the square, cut at the square's edges; `None` if it lies outside.
    pub fn box_to_square(&self, on_film: &Area) -> Option<Area> {
        on_film.mapped(|point| self.to_square(point), [self.side; 2])
    }

    /// A box of the film in pixels of the square, cut only where both the film and the square end:
    /// with [`Fit::Crop`] and [`Fit::Official`] it may reach beyond the square. `None` if it lies
    /// outside of both.
    pub fn whole_box_to_square(&self, on_film: &Area) -> Option<Area> {
        let side = f64::from(self.side);
        let (left, top) = self.to_square((0.0, 0.0));
        let [width, height] = self.film.map(f64::from);
        let (right, bottom) = self.to_square((width, height));
        let (start, end) = (
            (left.min(0.0), top.min(0.0)),
            (right.max(side), bottom.max(side)),
        );
        on_film.mapped_within(|point| self.to_square(point), start, end)
    }

    /// A box of the square on the film, cut at the film's edges; `None` if it lies in the bars.
    pub fn box_to_film(&self, in_square: &Area) -> Option<Area> {
        in_square.mapped(|point| self.to_film(point), self.film)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn area(left: f64, top: f64, width: f64, height: f64) -> Area {
        Area {
            left,
            top,
            width,
            height,
        }
    }

    #[test]
    fn golden_positions() {
        // 1000 × 500 padded to 200: a fifth of the size, with bars of 50 above and below.
        let padded = Placement::new(1000, 500, 200, Fit::Pad).unwrap();
        assert_eq!(padded.to_square((0.0, 0.0)), (0.0, 50.0));
        assert_eq!(padded.to_square((1000.0, 500.0)), (200.0, 150.0));
        assert_eq!(padded.to_film((100.0, 100.0)), (500.0, 250.0));
        // Cropped: 250 columns are cut off on each side.
        let cropped = Placement::new(1000, 500, 200, Fit::Crop).unwrap();
        assert_eq!(cropped.to_square((250.0, 0.0)), (0.0, 0.0));
        assert_eq!(cropped.to_square((0.0, 500.0)), (-100.0, 200.0));
        assert_eq!(
            cropped.box_to_square(&area(200.0, 100.0, 100.0, 100.0)),
            Some(area(0.0, 40.0, 20.0, 40.0))
        );
        assert_eq!(cropped.box_to_square(&area(0.0, 0.0, 250.0, 500.0)), None);
        // Squeezed: a fifth across, two fifths down.
        let squeezed = Placement::new(1000, 500, 200, Fit::Squeeze).unwrap();
        assert_eq!(squeezed.to_square((500.0, 500.0)), (100.0, 200.0));
        assert_eq!(squeezed.scales(), [0.2, 0.4]);
        // A part: 400 columns from 100 on, 250 rows from 200 on.
        let part = Placement::new(1000, 500, 200, Fit::Official).unwrap();
        let part = part.with_part([100, 200, 400, 250]).unwrap();
        assert_eq!(part.to_square((300.0, 325.0)), (100.0, 100.0));
        assert_eq!(
            part.box_to_square(&area(0.0, 0.0, 200.0, 250.0)),
            Some(area(0.0, 0.0, 50.0, 40.0))
        );
        assert_eq!(
            part.whole_box_to_square(&area(0.0, 0.0, 200.0, 250.0)),
            Some(area(-50.0, -160.0, 100.0, 200.0))
        );
    }

    #[test]
    fn parts_beyond_the_film_are_refused() {
        let film = Placement::new(10, 5, 4, Fit::Official).unwrap();
        for part in [
            [0, 0, 11, 5],
            [9, 0, 2, 5],
            [0, 0, 0, 5],
            [u32::MAX, 0, 1, 1],
        ] {
            assert!(film.with_part(part).is_err(), "{part:?}");
        }
        let error = film.with_part([9, 0, 2, 5]).unwrap_err().to_string();
        let expected =
            "a part of 2×5 px from column 9 and row 0 on does not lie on a film of 10×5 px";
        assert_eq!(error, expected);
    }

    #[test]
    fn empty_films_and_squares_are_refused() {
        for (width, height, side) in [(3, 0, 4), (0, 3, 4), (3, 3, 0)] {
            assert!(Placement::new(width, height, side, Fit::Pad).is_err());
        }
        let error = Placement::new(3, 0, 4, Fit::Pad).unwrap_err().to_string();
        assert_eq!(
            error,
            "a film of 3×0 px in a square of 4 px: every side must be at least 1 px"
        );
    }

    proptest! {
        #[test]
        fn points_return_to_where_they_were(
            (width, height, side) in (1u32..4000, 1u32..4000, 1u32..600),
            crop: bool,
            point in (-10.0..4000.0, -10.0..4000.0),
        ) {
            let fit = if crop { Fit::Crop } else { Fit::Pad };
            let placement = Placement::new(width, height, side, fit).unwrap();
            let (x, y) = placement.to_film(placement.to_square(point));
            prop_assert!((x - point.0).abs() < 1e-6 && (y - point.1).abs() < 1e-6, "{x}, {y}");
        }
    }
}
