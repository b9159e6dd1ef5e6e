//! The mask of a film: in the resized square, and in a view of it.

use mflag_film::{Film, ViewGeometry};
use mflag_head::Result;
use mflag_store::augment::View;
use mflag_store::{Record, Store, mask, rle};

use crate::config::{SegmentationConfig, Truth};

/// A mask in a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The pixels of the view: 255 where the mask is set, else 0.
    pub pixels: Vec<u8>,
    /// Pixels of the mask that the view does not show, in pixels of the view. No prediction can
    /// find them.
    pub hidden: u64,
}

/// A mask in the resized square, as runs, which take less memory than pixels.
#[derive(Debug)]
pub struct SquareMask {
    side: u32,
    runs: Vec<[u32; 2]>,
    /// Pixels of the mask that the square does not show.
    outside: u64,
}

impl SquareMask {
    /// The mask of the film with index `film`; empty if it has none.
    pub(crate) fn new(
        settings: &SegmentationConfig,
        store: &Store,
        view: ViewGeometry,
        film: usize,
    ) -> Result<SquareMask> {
        let (record, squaring) = (&store.records()[film], store.squaring());
        let size = record.size.unwrap_or([squaring.side; 2]);
        let placement = squaring.placement(size).map_err(mflag_store::Error::from)?;
        let film_mask = match settings.truth {
            Truth::Mask => record.mask.clone(),
            Truth::Boxes => Some(mask::from_boxes(&record.boxes, size[0], size[1])),
        };
        let side = view.resize();
        let Some(film_mask) = film_mask else {
            return Ok(SquareMask {
                side,
                runs: Vec::new(),
                outside: 0,
            });
        };
        let pixels = mask::to_pixels(&film_mask, size[0], size[1])?;
        let square = mask::to_resized_square(&pixels, &placement, view);
        Ok(SquareMask {
            side,
            runs: rle::mask_to_runs(&square.pixels, side),
            outside: mask::outside_square(&pixels, &placement, view),
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
        Target { pixels, hidden }
    }
}

/// Whether a film has a mask or a box.
pub(crate) fn is_marked(settings: &SegmentationConfig, record: &Record) -> bool {
    match settings.truth {
        Truth::Mask => record.mask.is_some(),
        Truth::Boxes => !record.boxes.is_empty(),
    }
}
