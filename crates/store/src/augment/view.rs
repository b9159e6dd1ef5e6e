//! Views: the part of a resized square that the network sees. Film, mask and boxes are mapped in
//! the same way.

use mflag_film::{Grey, centre_start};

use super::bilinear::resample;
use super::homography::Homography;
use super::official::Steps;
use super::tone::Tone;
use crate::BoundingBox;

/// Maps a resized square of `from` pixels a side to a view of `to` pixels a side.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Maps positions in the view to positions in the square.
    pub(super) map: Homography,
    /// How the film is resampled instead of by `map` alone.
    pub(super) official: Option<Steps>,
    pub(super) from: u32,
    pub(super) to: u32,
    /// Changes of the grey values, after the mapping.
    pub(super) tone: Tone,
}

impl View {
    /// The unchanged centre of the square. `to` is at most `from`.
    pub fn centre(from: u32, to: u32) -> View {
        let start = f64::from(centre_start(from, to));
        View {
            map: Homography::shift(start, start),
            official: None,
            from,
            to,
            tone: Tone::NONE,
        }
    }

    /// Number of pixels of the view.
    pub fn pixels(&self) -> usize {
        (self.to as usize).pow(2)
    }

    /// Writes the view of the square `film` into `view`, resampled bilinearly, or as
    /// [`Resampling`](super::Resampling) says. Pixels outside of the square are black.
    pub fn film<P: Grey>(&self, film: &[P], view: &mut [P]) {
        match &self.official {
            Some(steps) => steps.resample(film, self.from, view, self.to),
            None => self.resample(film, view),
        }
        self.tone.apply(view, self.to as usize);
    }

    /// Writes the view of the square `mask`, whose pixels are 0 or 255, into `view`. It is
    /// resampled like the film; then values above 127 become 255, and all others 0.
    pub fn mask(&self, mask: &[u8], view: &mut [u8]) {
        self.resample(mask, view);
        for pixel in view {
            *pixel = if *pixel > 127 { 255 } else { 0 };
        }
    }

    /// The number of pixels that are set in the square `mask`, but lie outside of the view. `shown`
    /// is the mask in the view ([`View::mask`]). Counted for views that only cut, which evaluation
    /// and prediction use; 0 for views that are moved or bent at random, which only training uses.
    pub fn hidden(&self, mask: &[u8], shown: &[u8]) -> u64 {
        let count = |pixels: &[u8]| pixels.iter().filter(|pixel| **pixel != 0).count() as u64;
        if self.whole_shift().is_none() {
            return 0;
        }
        count(mask) - count(shown)
    }

    /// The upright box around a box of the square, in the view and cut at its edges; `None` if
    /// nothing of the box is visible.
    pub fn bounding_box(&self, in_square: &BoundingBox) -> Option<BoundingBox> {
        let side = f64::from(self.to);
        let cut = |(low, high): (f64, f64)| (low.max(0.0), high.min(side));
        let [across, down] = self.ranges(in_square)?.map(cut);
        let visible = across.1 > across.0 && down.1 > down.0;
        visible.then(|| with_ranges(in_square, across, down))
    }

    /// The upright box around a box of the square, in pixels of the view. It may reach beyond the
    /// view, or lie outside. `None` for a view that bends the square to a line.
    pub fn whole_box(&self, in_square: &BoundingBox) -> Option<BoundingBox> {
        let [across, down] = self.ranges(in_square)?;
        Some(with_ranges(in_square, across, down))
    }

    /// The lowest and the highest x, and then y, of a box's corners in the view.
    fn ranges(&self, in_square: &BoundingBox) -> Option<[(f64, f64); 2]> {
        let to_view = self.map.inverse()?;
        let (left, top) = (in_square.x, in_square.y);
        let (right, bottom) = (left + in_square.width, top + in_square.height);
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
        let corners = corners.map(|corner| to_view.apply(corner));
        let range = |coordinate: fn(&(f64, f64)) -> f64| {
            let values = corners.iter().map(coordinate);
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
                (low.min(v), high.max(v))
            })
        };
        Some([range(|c| c.0), range(|c| c.1)])
    }

    /// Left and upper edge of the view in the square, if the view is only cut out of it.
    fn whole_shift(&self) -> Option<(u32, u32)> {
        let inside = |&(x, y): &(u32, u32)| x.max(y) + self.to <= self.from;
        self.map.whole_shift().filter(inside)
    }

    fn resample<P: Grey>(&self, square: &[P], view: &mut [P]) {
        match self.whole_shift() {
            Some(shift) => copy(square, self.from, view, self.to, shift),
            None => resample(square, self.from, view, self.to, &self.map),
        }
    }
}

/// A box with these edges and the label of `labelled`.
fn with_ranges(labelled: &BoundingBox, across: (f64, f64), down: (f64, f64)) -> BoundingBox {
    BoundingBox {
        label: labelled.label.clone(),
        x: across.0,
        y: down.0,
        width: across.1 - across.0,
        height: down.1 - down.0,
    }
}

/// Copies the part of `square` that begins at (left, top).
fn copy<P: Grey>(square: &[P], from: u32, view: &mut [P], to: u32, (left, top): (u32, u32)) {
    let (from, to) = (from as usize, to as usize);
    let first = top as usize * from + left as usize;
    for (row, line) in view.chunks_exact_mut(to).enumerate() {
        let begin = first + row * from;
        line.copy_from_slice(&square[begin..begin + to]);
    }
}
