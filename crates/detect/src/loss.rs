//! YOLOv3's loss with MGCA's weights. Every grid must predict every box, by the cell of the box's
//! centre and the anchor nearest in shape.
//!
//! [`Rules`] chooses between the assignment of the formulas and that of MGCA's code.

use std::collections::BTreeMap;

use mflag_head::Result;
use mflag_train::upload;
use tch::{Device, Kind, Reduction, Tensor};

use crate::anchors::{Anchors, PER_GRID, nearest, shape_iou};
use crate::boxes::rows;
use crate::config::Rules;
use crate::target::TrueBox;
use crate::yolo::{BEFORE_CLASSES, STRIDES};

/// Weight of the box's centre.
const CENTRE: f64 = 2.5;
/// Weight of the box's size.
const SIZE: f64 = 2.5;
/// Weight of cells without a box in the loss of the objectness.
const EMPTY: f64 = 0.5;
/// A cell whose anchor has a greater IoU than this with a box need not predict "no box", even if
/// another anchor is nearer to the box.
const SIMILAR: f64 = 0.5;

/// What a grid must predict for a batch, by the index of the row in [`rows`].
#[derive(Debug, Default, PartialEq)]
pub struct Assignment {
    /// Rows with a box.
    pub boxes: BTreeMap<i64, CellTarget>,
    /// Rows that need not predict "no box".
    pub not_empty: Vec<i64>,
}

/// What a cell and anchor must predict.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct CellTarget {
    /// The box's centre within the cell, each from 0 to 1.
    pub centre: [f64; 2],
    /// Logarithms of the box's width and height divided by those of the anchor.
    pub size: [f64; 2],
    /// The box's class. If several boxes share the cell and anchor, centre and size are those of
    /// the last box, and the classes are those of all.
    pub classes: Vec<usize>,
}

/// The parts of a loss, each a scalar.
#[derive(Debug)]
pub struct Parts {
    /// Binary cross-entropy of the centres.
    pub centre: Tensor,
    /// Squared error of the sizes.
    pub size: Tensor,
    /// Binary cross-entropy of the objectness.
    pub objectness: Tensor,
    /// Binary cross-entropy of the classes.
    pub class: Tensor,
}

impl Parts {
    /// The loss.
    pub fn sum(&self) -> Tensor {
        &self.centre + &self.size + &self.objectness + &self.class
    }
}

/// Assigns the boxes of a batch to the cells and anchors of a grid of `columns` × `columns`.
/// `anchors` and `stride` are in pixels.
///
/// By [`Rules::Mgca`], sides are a cell longer where shapes are compared, and a row with a box
/// must predict "no box", too, unless its anchor is similar to a box.
pub fn assign(
    targets: &[impl AsRef<[TrueBox]>],
    anchors: &[[f64; 2]; PER_GRID],
    stride: f64,
    columns: i64,
    rules: Rules,
) -> Assignment {
    let compared = |shape: [f64; 2]| match rules {
        Rules::Strict => shape,
        Rules::Mgca => shape.map(|length| length / stride + 1.0),
    };
    let compared_anchors = anchors.map(compared);
    let mut assignment = Assignment::default();
    for (film, boxes) in (0i64..).zip(targets) {
        for TrueBox { class, rect } in boxes.as_ref() {
            let centre = [rect.x + rect.width / 2.0, rect.y + rect.height / 2.0];
            let centre = centre.map(|pixels| pixels / stride);
            // The centre of a box at the edge of the view may be beyond the last cell.
            let cell = centre.map(|position| (position as i64).clamp(0, columns - 1));
            let row = |anchor: usize| {
                ((film * PER_GRID as i64 + anchor as i64) * columns + cell[1]) * columns + cell[0]
            };
            let shape = [rect.width, rect.height];
            let iou = |anchor: usize| shape_iou(compared_anchors[anchor], compared(shape));
            let similar = (0..PER_GRID).filter(|anchor| iou(*anchor) > SIMILAR);
            assignment.not_empty.extend(similar.map(row));
            let best = nearest(&compared_anchors, compared(shape));
            if rules == Rules::Strict {
                assignment.not_empty.push(row(best));
            }
            let target = assignment.boxes.entry(row(best)).or_default();
            target.centre = [0, 1].map(|axis| centre[axis] - cell[axis] as f64);
            target.size = [0, 1].map(|axis| (shape[axis] / anchors[best][axis]).ln());
            target.classes.push(*class);
        }
    }
    assignment
}

/// Computes the weighted parts of the loss of a batch, each summed over the three grids. On a grid,
/// each part is a mean over cells and anchors.
///
/// # Errors
/// If the outputs are not those of [`Yolo::forward`](crate::yolo::Yolo::forward).
pub fn loss(
    outputs: &[Tensor],
    targets: &[impl AsRef<[TrueBox]>],
    anchors: &Anchors,
    rules: Rules,
) -> Result<Parts> {
    let like = outputs.first().map_or((Kind::Float, Device::Cpu), |first| {
        (first.kind(), first.device())
    });
    let zero = || Tensor::f_zeros([0i64; 0], like);
    let mut sum = Parts {
        centre: zero()?,
        size: zero()?,
        objectness: zero()?,
        class: zero()?,
    };
    for ((output, anchors), stride) in outputs.iter().zip(anchors).zip(STRIDES) {
        let assignment = assign(targets, anchors, stride as f64, output.size()[3], rules);
        let grid = grid_loss(&rows(output)?, &assignment)?;
        sum.centre += grid.centre;
        sum.size += grid.size;
        sum.objectness += grid.objectness;
        sum.class += grid.class;
    }
    Ok(sum)
}

/// The loss of a grid, given its [`rows`].
fn grid_loss(rows: &Tensor, assignment: &Assignment) -> Result<Parts> {
    let (kind, device) = (rows.kind(), rows.device());
    let [number, width] = rows.size()[..] else {
        return Err(mflag_head::Error::Data("rows have two dimensions".into()));
    };
    let boxes = &assignment.boxes;
    let tensor = |values: &[f64], columns: i64| -> Result<Tensor> {
        let values = Tensor::f_from_slice(values)?.f_to_kind(kind)?;
        Ok(upload(values.f_view([-1, columns])?, device)?)
    };
    let indices: Vec<i64> = boxes.keys().copied().collect();
    let indices = upload(Tensor::f_from_slice(&indices)?, device)?;
    let box_rows = rows.f_index_select(0, &indices)?;
    let columns = |from: i64, number: i64| box_rows.f_narrow(1, from, number);

    let centres: Vec<f64> = boxes.values().flat_map(|cell| cell.centre).collect();
    let sizes: Vec<f64> = boxes.values().flat_map(|cell| cell.size).collect();
    let centre = bce(&columns(0, 2)?, &tensor(&centres, 2)?)?;
    let size = (columns(2, 2)? - tensor(&sizes, 2)?)
        .f_square()?
        .f_sum(kind)?;

    let classes = width - BEFORE_CLASSES;
    let one_hot = tensor(&one_hot_classes(boxes, classes as usize), classes)?;
    let class = bce(&columns(BEFORE_CLASSES, classes)?, &one_hot)?;

    let objectness = rows.f_narrow(1, 4, 1)?;
    let empty = tensor(&empty_rows(assignment, number as usize), 1)?;
    // softplus(x) is the binary cross-entropy of a target 0, softplus(−x) that of a target 1.
    let empty_loss = (objectness.f_softplus()? * empty).f_sum(kind)?;
    let box_loss = (-columns(4, 1)?).f_softplus()?.f_sum(kind)?;

    let mean = number as f64;
    Ok(Parts {
        centre: centre * (CENTRE / mean),
        size: size * (SIZE / mean),
        objectness: (box_loss + empty_loss * EMPTY) / mean,
        class: class / (mean * classes as f64),
    })
}

/// For each row with a box, 1 for its classes and 0 for all others.
fn one_hot_classes(boxes: &BTreeMap<i64, CellTarget>, classes: usize) -> Vec<f64> {
    let mut one_hot = vec![0.0; boxes.len() * classes];
    for (cell, row) in boxes.values().zip(one_hot.chunks_exact_mut(classes)) {
        cell.classes.iter().for_each(|class| row[*class] = 1.0);
    }
    one_hot
}

/// 1 for each row that must predict "no box", 0 for the others.
fn empty_rows(assignment: &Assignment, rows: usize) -> Vec<f64> {
    let mut empty = vec![1.0; rows];
    for row in &assignment.not_empty {
        empty[*row as usize] = 0.0;
    }
    empty
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
