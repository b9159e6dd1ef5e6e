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
    /// The pixels of the view: 255 where the mask is set, else 0.
    pub pixels: Vec<u8>,
    /// Pixels of the mask that the view does not show, in pixels of the view. No prediction can
    /// find them.
    pub hidden: u64,
    /// Columns and rows of the view that show the film. Beside them are the bars of a film that is
    /// not square: no prediction is written there.
    film: [Range<usize>; 2],
}

impl Target {
    /// The probabilities of a view, with 0 beside the film. NaN stays.
    pub(crate) fn on_film(&self, probabilities: &[f32]) -> Vec<f32> {
        let side = self.pixels.len().isqrt().max(1);
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

/// A mask in the resized square, as runs, which take less memory than pixels.
#[derive(Debug)]
pub struct SquareMask {
    side: u32,
    runs: Vec<[u32; 2]>,
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
                outside: 0,
                film,
            });
        };
        let pixels = mask::to_pixels(&film_mask, size[0], size[1])?;
        let square = mask::to_resized_square(&pixels, &placement, view);
        Ok(SquareMask {
            side,
            runs: rle::mask_to_runs(&square.pixels, side),
            outside: mask::outside_square(&pixels, &placement, view),
            film,
        })
    }

    /// The mask in a view.
    pub(crate) fn target(&self, view: &View) -> Target {
        let mut pixels = vec![0; view.pixels()];
        let mut hidden = self.outside;
        if !self.runs.is_empty() {
            let mut square = Film::filled(self.side, self.side, 0);
            rle::runs_to_mask(&self.runs, &mut square.pixels, self.side, mask::SET);
            view.mask(&square.pixels, &mut pixels);
            hidden += view.hidden(&square.pixels, &pixels);
        }
        Target {
            pixels,
            hidden,
            film: pixels_in(view.bounding_box(&self.film)),
        }
    }
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
