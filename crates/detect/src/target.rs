//! The labelled boxes of a film: in the stored square, and in a view of it.

use mflag_head::Result;
use mflag_metrics::detection::Rect;
use mflag_store::augment::View;
use mflag_store::{BoundingBox, Record, Store};

use crate::config::DetectionConfig;

/// Smallest width and height in pixels of a box in a view. Smaller boxes are left out.
const MIN_SIDE: f64 = 1.0;

/// A box of a film, in pixels of the stored square.
#[derive(Debug, Clone)]
pub struct SquareBox {
    /// Index of the box's class.
    class: usize,
    rect: BoundingBox,
}

/// A box of a film, in pixels of a view.
#[derive(Debug, Clone, PartialEq)]
pub struct TrueBox {
    /// Index of the box's class.
    pub class: usize,
    /// The edges of the box; width and height are above 0.
    pub rect: Rect,
}

impl SquareBox {
    /// The boxes of the film with index `film`.
    pub(crate) fn read(
        settings: &DetectionConfig,
        store: &Store,
        film: usize,
    ) -> Result<Vec<SquareBox>> {
        let (record, squaring) = (&store.records()[film], store.squaring());
        let size = record.size.unwrap_or([squaring.side; 2]);
        let placement = squaring.placement(size).map_err(mflag_store::Error::from)?;
        let boxes = labelled(settings, record).filter_map(|(class, film_box)| {
            let rect = film_box.to_square(&placement)?;
            Some(SquareBox { class, rect })
        });
        Ok(boxes.collect())
    }

    /// Width and height.
    pub(crate) fn shape(&self) -> [f64; 2] {
        [self.rect.width, self.rect.height]
    }

    /// The box in a view; `None` if too little of it remains.
    pub(crate) fn in_view(&self, view: &View) -> Option<TrueBox> {
        let BoundingBox {
            x,
            y,
            width,
            height,
            ..
        } = view.bounding_box(&self.rect)?;
        let rect = Rect {
            x,
            y,
            width,
            height,
        };
        (width >= MIN_SIDE && height >= MIN_SIDE).then_some(TrueBox {
            class: self.class,
            rect,
        })
    }
}

/// The boxes of a film that have one of the classes, in the film's pixels, each with the index of
/// its class.
pub(crate) fn labelled<'a>(
    settings: &'a DetectionConfig,
    record: &'a Record,
) -> impl Iterator<Item = (usize, &'a BoundingBox)> {
    let boxes = record.boxes.iter();
    boxes.filter_map(|film_box| Some((settings.class_of(&film_box.label)?, film_box)))
}
