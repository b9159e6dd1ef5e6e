//! The mask of a film: in the stored square, and in a view of it.

use mflag_film::Film;
use mflag_head::Result;
use mflag_store::augment::View;
use mflag_store::{Record, Store, mask, rle};

use crate::config::{SegmentationConfig, Truth};

/// A mask in the pixels of a view: 255 where it is set, else 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(pub Vec<u8>);

/// A mask in the stored square, as runs, which take less memory than pixels.
#[derive(Debug)]
pub struct SquareMask {
    side: u32,
    runs: Vec<[u32; 2]>,
}

impl SquareMask {
    /// The mask of the film with index `film`; empty if it has none.
    pub(crate) fn new(
        settings: &SegmentationConfig,
        store: &Store,
        film: usize,
    ) -> Result<SquareMask> {
        let (record, squaring) = (&store.records()[film], store.squaring());
        let side = squaring.side;
        let size = record.size.unwrap_or([side; 2]);
        let placement = squaring.placement(size).map_err(mflag_store::Error::from)?;
        let film_mask = match settings.truth {
            Truth::Mask => record.mask.clone(),
            Truth::Boxes => Some(mask::from_boxes(&record.boxes, size[0], size[1])),
        };
        let square = film_mask
            .map(|mask| mask::to_square(&mask, &placement))
            .transpose()?;
        let runs = square.map_or(Vec::new(), |square| rle::mask_to_runs(&square.pixels, side));
        Ok(SquareMask { side, runs })
    }

    /// The mask in a view.
    pub(crate) fn target(&self, view: &View) -> Target {
        let mut pixels = vec![0; view.pixels()];
        if !self.runs.is_empty() {
            let mut square = Film::filled(self.side, self.side, 0);
            rle::runs_to_mask(&self.runs, &mut square.pixels, self.side, mask::SET);
            view.mask(&square.pixels, &mut pixels);
        }
        Target(pixels)
    }
}

/// Whether a film has a mask or a box.
pub(crate) fn is_marked(settings: &SegmentationConfig, record: &Record) -> bool {
    match settings.truth {
        Truth::Mask => record.mask.is_some(),
        Truth::Boxes => !record.boxes.is_empty(),
    }
}
