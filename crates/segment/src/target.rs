//! The mask of a film: in the resized square, and in a view of it.

use std::ops::Range;

use mflag_film::{Area, Film, Placement, ViewGeometry};
use mflag_head::Result;
use mflag_store::augment::View;
use mflag_store::{BoundingBox, Record, Store, mask, rle};

use crate::config::{SegmentationConfig, Truth};

/// A mask in a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How much of each pixel of the view the mask covers; 255 is all of it. Without
    /// `head.soft_targets`, 0 or 255.
    pub cover: Vec<u8>,
    /// Pixels of the mask that the view does not show, in pixels of the view. No prediction can
    /// find them.
    pub hidden: u64,
    /// Columns and rows of the view that show the film. Beside them are the bars of a film that is
    /// not square: no prediction is written there.
    film: [Range<usize>; 2],
}

impl Target {
    /// Whether a pixel of the view belongs to the mask.
    pub(crate) fn is_set(&self, pixel: usize) -> bool {
        is_half(self.cover[pixel])
    }

    /// The mask that metrics compare with: 255 where it is set, else 0.
    pub(crate) fn mask(&self) -> Vec<u8> {
        set(&self.cover)
    }

    /// The probabilities of a view, with 0 beside the film. NaN stays.
    pub(crate) fn on_film(&self, probabilities: &[f32]) -> Vec<f32> {
        let side = self.cover.len().isqrt().max(1);
        let [columns, rows] = &self.film;
        let value = |(at, probability): (usize, &f32)| {
            let shows_film = columns.contains(&(at % side)) && rows.contains(&(at / side));
            if shows_film || probability.is_nan() {
                *probability
            } else {
                0.0
            }
        };
        probabilities.iter().enumerate().map(value).collect()
    }
}

/// Whether a pixel is covered at least by half.
fn is_half(cover: u8) -> bool {
    cover > u8::MAX / 2
}

/// 255 for the pixels that are covered at least by half, else 0.
fn set(cover: &[u8]) -> Vec<u8> {
    let pixel = |cover: &u8| if is_half(*cover) { mask::SET } else { 0 };
    cover.iter().map(pixel).collect()
}

/// A mask in the resized square, as runs, which take less memory than pixels.
#[derive(Debug)]
pub struct SquareMask {
    side: u32,
    /// The pixels that the mask covers wholly.
    runs: Vec<[u32; 2]>,
    /// The pixels that it covers in part, counted row by row, each with its cover. Only for soft
    /// targets.
    partly: Option<Vec<(u32, u8)>>,
    /// Pixels of the mask that the square does not show.
    outside: u64,
    /// The film in the resized square.
    film: BoundingBox,
}

impl SquareMask {
    /// The mask of the film with index `film`; empty if it has none.
    pub(crate) fn new(
        settings: &SegmentationConfig,
        store: &Store,
        view: ViewGeometry,
        film: usize,
    ) -> Result<SquareMask> {
        let record = &store.records()[film];
        let placement = record.placement(&store.squaring())?;
        let size = placement.film_size();
        let film_mask = match settings.truth {
            Truth::Mask => record.mask.clone(),
            Truth::Boxes => Some(mask::from_boxes(&record.boxes, size[0], size[1])),
        };
        let side = view.resize();
        let film = film_in(&placement, view);
        let Some(film_mask) = film_mask else {
            return Ok(SquareMask {
                side,
                runs: Vec::new(),
                partly: None,
                outside: 0,
                film,
            });
        };
        let pixels = mask::to_pixels(&film_mask, size[0], size[1])?;
        let (square, partly) = if settings.soft_targets {
            let (square, partly) = divided(&mask::cover(&pixels, &placement, view));
            (square, Some(partly))
        } else {
            let square = mask::to_resized_square(&pixels, &placement, view);
            (square.pixels, None)
        };
        Ok(SquareMask {
            side,
            runs: rle::mask_to_runs(&square, side),
            partly,
            outside: mask::outside_square(&pixels, &placement, view),
            film,
        })
    }

    /// The mask in a view.
    pub(crate) fn target(&self, view: &View) -> Target {
        let mut cover = vec![0; view.pixels()];
        let mut hidden = self.outside;
        let partly = self.partly.as_deref().unwrap_or_default();
        if !(self.runs.is_empty() && partly.is_empty()) {
            let mut square = Film::filled(self.side, self.side, 0);
            rle::runs_to_mask(&self.runs, &mut square.pixels, self.side, mask::SET);
            if self.partly.is_none() {
                view.mask(&square.pixels, &mut cover);
                hidden += view.hidden(&square.pixels, &cover);
            } else {
                for (pixel, share) in partly {
                    square.pixels[*pixel as usize] = *share;
                }
                view.soft_mask(&square.pixels, &mut cover);
                hidden += view.hidden(&set(&square.pixels), &set(&cover));
            }
        }
        Target {
            cover,
            hidden,
            film: pixels_in(view.bounding_box(&self.film)),
        }
    }
}

/// The pixels that are covered wholly, 255 each and all others 0, and those that are covered in
/// part.
fn divided(cover: &[u8]) -> (Vec<u8>, Vec<(u32, u8)>) {
    let whole = |cover: &u8| if *cover == mask::SET { mask::SET } else { 0 };
    let partly = cover.iter().zip(0..).filter_map(|(cover, pixel)| {
        let in_part = *cover > 0 && *cover < mask::SET;
        in_part.then_some((pixel, *cover))
    });
    (cover.iter().map(whole).collect(), partly.collect())
}

/// The part of the resized square that shows the film.
fn film_in(placement: &Placement, view: ViewGeometry) -> BoundingBox {
    let [width, height] = placement.film_size().map(f64::from);
    let film = Area {
        left: 0.0,
        top: 0.0,
        width,
        height,
    };
    let side = f64::from(placement.side());
    let whole = Area {
        left: 0.0,
        top: 0.0,
        width: side,
        height: side,
    };
    let film = placement.box_to_square(&film).unwrap_or(whole);
    let (x, y) = view.to_resized((film.left, film.top));
    let (width, height) = view.to_resized((film.width, film.height));
    BoundingBox {
        label: String::new(),
        x,
        y,
        width,
        height,
    }
}

/// Columns and rows of the pixels whose centres lie in a box; none without a box.
fn pixels_in(shown: Option<BoundingBox>) -> [Range<usize>; 2] {
    let Some(shown) = shown else {
        return [0..0, 0..0];
    };
    let pixel = |edge: f64| (edge - 0.5).ceil().max(0.0) as usize;
    let between = |start: f64, length: f64| pixel(start)..pixel(start + length);
    [
        between(shown.x, shown.width),
        between(shown.y, shown.height),
    ]
}

/// Whether a film has a mask or a box.
pub(crate) fn is_marked(settings: &SegmentationConfig, record: &Record) -> bool {
    match settings.truth {
        Truth::Mask => record.mask.is_some(),
        Truth::Boxes => !record.boxes.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square_mask(cover: &[u8], soft: bool) -> SquareMask {
        let side = cover.len().isqrt() as u32;
        let (square, partly) = divided(cover);
        SquareMask {
            side,
            runs: rle::mask_to_runs(&square, side),
            partly: soft.then_some(partly),
            outside: 3,
            film: BoundingBox {
                label: String::new(),
                x: 0.0,
                y: 0.0,
                width: side.into(),
                height: side.into(),
            },
        }
    }

    #[test]
    fn soft_targets_keep_the_share_of_each_pixel() {
        #[rustfmt::skip]
        let cover = [
            255, 0,   0,   130,
            0,   255, 127, 0,
            9,   128, 0,   0,
            0,   0,   0,   120,
        ];
        let whole = square_mask(&cover, true).target(&View::centre(4, 4));
        assert_eq!((&whole.cover[..], whole.hidden), (&cover[..], 3));
        let half = [0, 5, 3, 9].map(|pixel| whole.is_set(pixel));
        assert_eq!(half, [true, true, true, true]);
        assert_eq!(whole.mask().iter().filter(|pixel| **pixel != 0).count(), 4);
        // Of the four pixels that are set, the middle shows two.
        let middle = square_mask(&cover, true).target(&View::centre(4, 2));
        assert_eq!(
            (&middle.cover[..], middle.hidden),
            (&[255, 127, 128, 0][..], 5)
        );
        assert_eq!(middle.mask(), [255, 0, 255, 0]);
        let binary = square_mask(&cover, false).target(&View::centre(4, 2));
        assert_eq!((&binary.cover[..], binary.hidden), (&[255, 0, 0, 0][..], 4));
    }
}
