//! From a square to the view that a network sees.

use std::borrow::Cow;

use crate::film::{Film, Grey, Greys};
use crate::geometry::{Area, Fit, Placement, centre_start};
use crate::square::square_part;

/// How a square becomes a view: torchvision's `Resize`, then `CenterCrop`.
///
/// The square of `square` pixels a side is resized to `resize` pixels a side, and its centre of
/// `side` pixels a side is the view. If `resize` equals `side`, nothing is cut off, and the view
/// shows the whole square. Augmentation may cut the view from another place.
///
/// ```
/// use mflag_film::ViewGeometry;
///
/// // The whole square at half its size.
/// let whole = ViewGeometry::new(4, 2, 2)?;
/// assert_eq!(whole.view(&[10_u8, 20, 0, 0, 30, 40, 0, 0, 0, 0, 9, 9, 0, 0, 9, 9]), [25, 0, 0, 9]);
/// // The centre of the square at its full size.
/// let centre = ViewGeometry::new(4, 4, 2)?;
/// assert_eq!(centre.to_view((1.0, 3.0)), (0.0, 2.0));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewGeometry {
    square: u32,
    resize: u32,
    side: u32,
}

impl ViewGeometry {
    /// A view of `side` pixels, of a square of `square` pixels that is resized to `resize` pixels.
    ///
    /// # Errors
    /// If not 1 ≤ `side` ≤ `resize` ≤ `square`. Squares are never enlarged: that would add pixels,
    /// but no detail.
    pub fn new(square: u32, resize: u32, side: u32) -> Result<ViewGeometry, String> {
        if side == 0 || side > resize {
            return Err(format!(
                "the view ({side} px) must be from 1 px to the resized square ({resize} px)"
            ));
        }
        if resize > square {
            return Err(format!(
                "the resized square ({resize} px) must be at most the square ({square} px)"
            ));
        }
        Ok(ViewGeometry {
            square,
            resize,
            side,
        })
    }

    /// The view that is the whole square of `square` pixels, which is at least 1, as it is.
    pub fn whole(square: u32) -> ViewGeometry {
        ViewGeometry {
            square,
            resize: square,
            side: square,
        }
    }

    /// Side of the square in pixels.
    pub fn square(&self) -> u32 {
        self.square
    }

    /// Side of the resized square in pixels.
    pub fn resize(&self) -> u32 {
        self.resize
    }

    /// Side of the view in pixels.
    pub fn side(&self) -> u32 {
        self.side
    }

    /// Whether the view shows the whole square.
    pub fn is_whole(&self) -> bool {
        self.side == self.resize
    }

    /// Pixels of the resized square for each pixel of the square, in one direction.
    pub fn scale(&self) -> f64 {
        f64::from(self.resize) / f64::from(self.square)
    }

    /// The position in the resized square of the point (x, y) of the square.
    pub fn to_resized(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let scale = self.scale();
        (x * scale, y * scale)
    }

    /// The position in the view of the point (x, y) of the square. It lies outside of the view if
    /// that part of the square is cut off.
    pub fn to_view(&self, point: (f64, f64)) -> (f64, f64) {
        let (x, y) = self.to_resized(point);
        (x - self.start(), y - self.start())
    }

    /// The position in the square of the point (x, y) of the view.
    pub fn to_square(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let scale = self.scale();
        ((x + self.start()) / scale, (y + self.start()) / scale)
    }

    /// The part of the square that the view shows, in pixels of the square.
    pub fn part(&self) -> Area {
        let (left, top) = self.to_square((0.0, 0.0));
        let length = f64::from(self.side) / self.scale();
        Area {
            left,
            top,
            width: length,
            height: length,
        }
    }

    /// The share of a film's area that the view shows, from 0 to 1. `placement` is that of the film
    /// in the square.
    pub fn shown(&self, placement: &Placement) -> f64 {
        let [width, height] = placement.film_size();
        let area = |area: Area| area.width * area.height;
        let shown = placement.box_to_film(&self.part()).map_or(0.0, area);
        shown / (f64::from(width) * f64::from(height))
    }

    /// The resized square of `square`, which has `square · square` pixels. Each pixel is the mean of
    /// the area that it covers, as in [`square`](crate::square()).
    pub fn resized<'a, P: Grey>(&self, square: &'a [P]) -> Cow<'a, [P]> {
        if self.resize == self.square {
            return Cow::Borrowed(square);
        }
        let placement = Placement::of_nonzero(self.square, self.square, self.resize, Fit::Pad);
        let part = placement.part();
        let resized = square_part(square, self.square, |pixel| pixel, part, &placement);
        Cow::Owned(resized.pixels)
    }

    /// The view of `square`, which has `square · square` pixels: `side · side` pixels, row by row.
    pub fn view<P: Grey>(&self, square: &[P]) -> Vec<P> {
        self.centre(&self.resized(square))
    }

    /// The centre of a resized square, which has `resize · resize` pixels: `side · side` pixels.
    pub fn centre<P: Grey>(&self, resized: &[P]) -> Vec<P> {
        let (resize, side) = (self.resize as usize, self.side as usize);
        let start = centre_start(self.resize, self.side) as usize;
        let rows = resized.chunks_exact(resize).skip(start).take(side);
        rows.flat_map(|row| &row[start..start + side])
            .copied()
            .collect()
    }

    /// The resized square of `greys` in 8 bits. Pixels of 16 bits are resized in 16 bits, and
    /// rounded last.
    pub fn resized_film(&self, greys: Greys) -> Film {
        let pixels = match greys {
            Greys::Eight(square) if self.resize == self.square => square,
            Greys::Eight(square) => self.resized(&square).into_owned(),
            Greys::Sixteen(square) => {
                let resized = self.resized(&square);
                resized.iter().map(|grey| grey.to_eight()).collect()
            }
        };
        Film {
            width: self.resize,
            height: self.resize,
            pixels,
        }
    }

    /// Pixels of the resized square before the view, in both directions.
    fn start(&self) -> f64 {
        centre_start(self.resize, self.side).into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn geometry() -> impl Strategy<Value = ViewGeometry> {
        let sides = (1u32..60, 0u32..30, 0u32..30);
        sides.prop_map(|(side, crop, shrink)| {
            ViewGeometry::new(side + crop + shrink, side + crop, side).unwrap()
        })
    }

    #[test]
    fn views_that_would_enlarge_the_square_are_refused() {
        let refusal = |square, resize, side| ViewGeometry::new(square, resize, side).unwrap_err();
        assert!(refusal(256, 224, 225).contains("the view (225 px)"));
        assert!(refusal(256, 224, 0).contains("the view (0 px)"));
        assert!(refusal(256, 257, 224).contains("at most the square (256 px)"));
    }

    #[test]
    fn the_share_of_a_film_that_is_shown_does_not_count_the_bars() {
        let shown = |width, height, fit, view: ViewGeometry| {
            view.shown(&Placement::new(width, height, view.square(), fit).unwrap())
        };
        let near = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        };
        let whole = ViewGeometry::new(256, 128, 128).unwrap();
        near(shown(300, 300, Fit::Pad, whole), 1.0);
        near(shown(300, 500, Fit::Pad, whole), 1.0);
        near(shown(300, 600, Fit::Crop, whole), 0.5);
        let middle = ViewGeometry::new(256, 256, 128).unwrap();
        near(shown(256, 256, Fit::Pad, middle), 0.25);
        // The film covers half of the square's columns, and these are all shown.
        near(shown(128, 256, Fit::Pad, middle), 0.5);
    }

    proptest! {
        #[test]
        fn the_whole_square_at_its_own_size_is_unchanged(side in 1u32..40, seed: u8) {
            let square: Vec<u8> = (0..side * side).map(|i| (i as u8).wrapping_mul(seed)).collect();
            let view = ViewGeometry::new(side, side, side).unwrap();
            prop_assert_eq!(view.view(&square), square);
        }

        #[test]
        fn points_return_to_where_they_were(view in geometry(), x in 0.0..90.0, y in 0.0..90.0) {
            let (u, v) = view.to_square(view.to_view((x, y)));
            prop_assert!((u - x).abs() < 1e-9 && (v - y).abs() < 1e-9, "{u} {v}");
        }

        /// A view shows what its part of the square has: the mean grey is the same, but for
        /// rounding and for the shares of pixels at the edge.
        #[test]
        fn a_whole_view_keeps_the_mean_grey(side in 4u32..40, shrink in 0u32..40, seed: u64) {
            let from = side + shrink;
            let grey = |i: u32| (u64::from(i).wrapping_mul(seed | 1) >> 13) as u16;
            let square: Vec<u16> = (0..from * from).map(grey).collect();
            let view = ViewGeometry::new(from, side, side).unwrap().view(&square);
            let mean = |pixels: &[u16]| {
                pixels.iter().map(|p| f64::from(*p)).sum::<f64>() / pixels.len() as f64
            };
            prop_assert_eq!(view.len(), (side * side) as usize);
            prop_assert!((mean(&view) - mean(&square)).abs() < 1.0);
        }
    }
}
