//! YOLOv3's loss as MGCA weighs it. Every grid is to find every box, by the cell of the box's centre and the anchor nearest in shape.
//!
//! Two details of MGCA's code are left: it takes a box for a pixel wider and higher where it compares shapes in cells of the grid, and it
//! teaches a cell both to see and not to see a box whose nearest shape has an IoU below one half.

use std::collections::BTreeMap;

use mflag_head::Result;
use mflag_metrics::detection::Rect;
use mflag_train::upload;
use tch::{Device, Kind, Reduction, Tensor};

use crate::anchors::{Anchors, EACH, nearest, shape_iou};
use crate::boxes::rows;
use crate::yolo::{BEFORE_CLASSES, STRIDES};

/// Weight of the box's place.
const PLACE: f64 = 2.5;
/// Weight of its size.
const SIZE: f64 = 2.5;
/// Weight of cells without a box in the objectness.
const EMPTY: f64 = 0.5;
/// An anchor with a greater IoU than this with a box is no empty one, even if another is nearer.
const IGNORED: f64 = 0.5;

/// A box to find, in pixels of the view.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Place of its class among the names.
    pub class: usize,
    /// Where; width and height above 0.
    pub place: Rect,
}

/// What a grid is to say of the boxes of a batch, by row of [`rows`].
#[derive(Debug, Default, PartialEq)]
pub struct Assigned {
    /// Rows with a box.
    pub boxes: BTreeMap<i64, Cell>,
    /// Rows that have none, and need not say so.
    pub ignored: Vec<i64>,
}

/// What a cell and anchor are to say of a box.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Cell {
    /// Its centre in the cell, each from 0 to 1.
    pub centre: [f64; 2],
    /// Logarithms of its width and height in those of the anchor.
    pub size: [f64; 2],
    /// Its class. Of several boxes of one cell and anchor the last counts, but the classes of all.
    pub classes: Vec<usize>,
}

/// The parts of a loss; each is a scalar.
#[derive(Debug)]
pub struct Parts {
    /// Binary cross-entropy of the centres.
    pub place: Tensor,
    /// Squared error of the sizes.
    pub size: Tensor,
    /// Binary cross-entropy of the objectness.
    pub objectness: Tensor,
    /// Binary cross-entropy of the classes.
    pub class: Tensor,
}

impl Parts {
    /// The loss itself.
    pub fn sum(&self) -> Tensor {
        &self.place + &self.size + &self.objectness + &self.class
    }
}

/// Tells which cells and anchors of a grid of `columns` × `columns` are to find the boxes of a batch; `shapes` and `stride` in pixels.
pub fn assign(
    targets: &[impl AsRef<[Truth]>],
    shapes: &[[f64; 2]; EACH],
    stride: f64,
    columns: i64,
) -> Assigned {
    let mut assigned = Assigned::default();
    for (film, truths) in (0i64..).zip(targets) {
        for Truth { class, place } in truths.as_ref() {
            let Rect {
                x,
                y,
                width,
                height,
            } = *place;
            let centre = [x + width / 2.0, y + height / 2.0].map(|at| at / stride);
            // A box may end where the view does; its centre is then in the last cell at the latest.
            let cell = centre.map(|at| (at as i64).clamp(0, columns - 1));
            let row = |anchor: usize| {
                ((film * EACH as i64 + anchor as i64) * columns + cell[1]) * columns + cell[0]
            };
            let shape = [width, height];
            let alike = (0..EACH).filter(|anchor| shape_iou(shapes[*anchor], shape) > IGNORED);
            assigned.ignored.extend(alike.map(row));
            let best = nearest(shapes, shape);
            let found = assigned.boxes.entry(row(best)).or_default();
            found.centre = [0, 1].map(|along| centre[along] - cell[along] as f64);
            found.size = [0, 1].map(|along| (shape[along] / shapes[best][along]).ln());
            found.classes.push(*class);
        }
    }
    assigned
        .ignored
        .retain(|row| !assigned.boxes.contains_key(row));
    assigned
}

/// The loss of a batch over its three grids, its parts weighed; each is a mean over the cells and anchors of a grid.
///
/// # Errors
/// If the outputs are not those of [`Yolo::forward`](crate::yolo::Yolo::forward).
pub fn loss(
    outputs: &[Tensor],
    targets: &[impl AsRef<[Truth]>],
    anchors: &Anchors,
) -> Result<Parts> {
    let like = outputs.first().map_or((Kind::Float, Device::Cpu), |first| {
        (first.kind(), first.device())
    });
    let zero = || Tensor::f_zeros([0i64; 0], like);
    let mut sum = Parts {
        place: zero()?,
        size: zero()?,
        objectness: zero()?,
        class: zero()?,
    };
    for ((output, shapes), stride) in outputs.iter().zip(anchors).zip(STRIDES) {
        let assigned = assign(targets, shapes, stride as f64, output.size()[3]);
        let of_grid = of_grid(&rows(output)?, &assigned)?;
        sum.place += of_grid.place;
        sum.size += of_grid.size;
        sum.objectness += of_grid.objectness;
        sum.class += of_grid.class;
    }
    Ok(sum)
}

/// The loss of a grid's [`rows`].
fn of_grid(said: &Tensor, Assigned { boxes, ignored }: &Assigned) -> Result<Parts> {
    let (kind, device) = (said.kind(), said.device());
    let [number, width] = said.size()[..] else {
        return Err(mflag_head::Error::Data("rows have two dimensions".into()));
    };
    let tensor = |values: &[f64], columns: i64| -> Result<Tensor> {
        let values = Tensor::f_from_slice(values)?.f_to_kind(kind)?;
        Ok(upload(values.f_view([-1, columns])?, device)?)
    };
    let index: Vec<i64> = boxes.keys().copied().collect();
    let index = upload(Tensor::f_from_slice(&index)?, device)?;
    let found = said.f_index_select(0, &index)?;
    let part = |from: i64, columns: i64| found.f_narrow(1, from, columns);

    let centres: Vec<f64> = boxes.values().flat_map(|cell| cell.centre).collect();
    let sizes: Vec<f64> = boxes.values().flat_map(|cell| cell.size).collect();
    let place = bce(&part(0, 2)?, &tensor(&centres, 2)?)?;
    let size = (part(2, 2)? - tensor(&sizes, 2)?).f_square()?.f_sum(kind)?;

    let classes = width - BEFORE_CLASSES;
    let mut wanted = vec![0.0; boxes.len() * classes as usize];
    for (cell, wanted) in boxes
        .values()
        .zip(wanted.chunks_exact_mut(classes as usize))
    {
        cell.classes.iter().for_each(|class| wanted[*class] = 1.0);
    }
    let class = bce(&part(BEFORE_CLASSES, classes)?, &tensor(&wanted, classes)?)?;

    let mut empty = vec![1.0; number as usize];
    for row in boxes.keys().chain(ignored) {
        empty[*row as usize] = 0.0;
    }
    let objectness = said.f_narrow(1, 4, 1)?;
    // Binary cross-entropy of 0 and of 1.
    let of_empty = (objectness.f_softplus()? * tensor(&empty, 1)?).f_sum(kind)?;
    let of_boxes = (-part(4, 1)?).f_softplus()?.f_sum(kind)?;

    let mean = number as f64;
    Ok(Parts {
        place: place * (PLACE / mean),
        size: size * (SIZE / mean),
        objectness: (of_boxes + of_empty * EMPTY) / mean,
        class: class / (mean * classes as f64),
    })
}

/// Sum of the binary cross-entropy.
fn bce(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let none = None::<Tensor>;
    Ok(logits.f_binary_cross_entropy_with_logits(
        targets,
        none.as_ref(),
        none.as_ref(),
        Reduction::Sum,
    )?)
}
