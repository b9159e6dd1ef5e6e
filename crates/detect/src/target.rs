//! The labelled boxes of a film: in the resized square, and in a view of it.

use mflag_head::{Result, ViewGeometry};
use mflag_metrics::detection::Rect;
use mflag_store::augment::View;
use mflag_store::{BoundingBox, Record, Store};

use crate::config::DetectionConfig;

/// Smallest width and height in pixels of the visible part of a box. The network does not learn
/// smaller ones.
const MIN_SIDE: f64 = 1.0;

/// A box of a film, in pixels of the resized square.
#[derive(Debug, Clone)]
pub struct SquareBox {
    /// Index of the box's class.
    class: usize,
    /// The part in the square; `None` if the square does not show the box.
    visible: Option<BoundingBox>,
    /// The whole box, which may reach beyond the square.
    whole: BoundingBox,
}

/// A box of a film, in pixels of a view.
#[derive(Debug, Clone, PartialEq)]
pub struct TrueBox {
    /// Index of the box's class.
    pub class: usize,
    /// The edges of the box; width and height are above 0.
    pub rect: Rect,
}

/// The boxes of a film, in pixels of a view.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The parts of the boxes that the view shows: what the network can learn. Boxes of which less
    /// than a pixel is visible are left out.
    pub visible: Vec<TrueBox>,
    /// All boxes, whole, even if they reach beyond the view or lie outside of it: what predictions
    /// are compared with. So a box that the view does not show counts as missed.
    pub whole: Vec<TrueBox>,
}

impl AsRef<[TrueBox]> for Target {
    fn as_ref(&self) -> &[TrueBox] {
        &self.visible
    }
}

impl Target {
    /// The boxes of a film in a view.
    pub(crate) fn new(boxes: &[SquareBox], view: &View) -> Target {
        let whole = boxes.iter().filter_map(|b| {
            let whole = view.whole_box(&b.whole)?;
            Some(true_box(b.class, &whole))
        });
        Target {
            visible: boxes.iter().filter_map(|b| b.visible_in(view)).collect(),
            whole: whole.collect(),
        }
    }
}

impl SquareBox {
    /// The boxes of the film with index `film`.
    pub(crate) fn read(
        settings: &DetectionConfig,
        store: &Store,
        view: ViewGeometry,
        film: usize,
    ) -> Result<Vec<SquareBox>> {
        let record = &store.records()[film];
        let placement = record.placement(&store.squaring())?;
        let boxes = labelled(settings, record).filter_map(|(class, film_box)| {
            let visible = film_box.to_square(&placement);
            let whole = film_box.to_whole_square(&placement)?;
            Some(SquareBox {
                class,
                visible: visible.map(|visible| resized(&visible, view)),
                whole: resized(&whole, view),
            })
        });
        Ok(boxes.collect())
    }

    /// Width and height of the part in the square.
    pub(crate) fn shape(&self) -> Option<[f64; 2]> {
        let visible = self.visible.as_ref()?;
        Some([visible.width, visible.height])
    }

    /// The part of the box in a view; `None` if too little of it is visible.
    fn visible_in(&self, view: &View) -> Option<TrueBox> {
        let visible = view.bounding_box(self.visible.as_ref()?)?;
        let learned = visible.width >= MIN_SIDE && visible.height >= MIN_SIDE;
        learned.then(|| true_box(self.class, &visible))
    }
}

fn true_box(class: usize, edges: &BoundingBox) -> TrueBox {
    TrueBox {
        class,
        rect: Rect {
            x: edges.x,
            y: edges.y,
            width: edges.width,
            height: edges.height,
        },
    }
}

/// A box of the stored square, in the resized square.
fn resized(in_square: &BoundingBox, view: ViewGeometry) -> BoundingBox {
    let (x, y) = view.to_resized((in_square.x, in_square.y));
    let (width, height) = view.to_resized((in_square.width, in_square.height));
    BoundingBox {
        label: in_square.label.clone(),
        x,
        y,
        width,
        height,
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
