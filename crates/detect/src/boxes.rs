//! Decodes the network's outputs into boxes.

use mflag_head::{Error, Result};
use mflag_metrics::detection::{MAX_PREDICTIONS, Rect, iou};
use tch::{Kind, Tensor};

use crate::anchors::{Anchors, PER_GRID};
use crate::config::Rules;
use crate::yolo::{BEFORE_CLASSES, STRIDES};

/// A predicted box, in pixels of the view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictedBox {
    /// Index of the box's class.
    pub class: usize,
    /// Confidence from 0 to 1: objectness, multiplied by the probability of the class if there are
    /// several classes.
    pub score: f32,
    /// The edges of the box, cut at the edges of the view.
    pub rect: Rect,
    /// The edges before the cut.
    pub uncut: Rect,
}

/// Which boxes are predicted.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The lowest score of a predicted box.
    pub confidence: f64,
    /// The greatest IoU of a predicted box with a more confident box of its class.
    pub overlap: f64,
    /// How this IoU is computed, and whether it may be equal to `overlap`.
    pub rules: Rules,
}

impl Limits {
    /// Whether one of two boxes is a duplicate.
    fn overlap(&self, a: &PredictedBox, b: &PredictedBox) -> bool {
        if a.class != b.class {
            return false;
        }
        match self.rules {
            Rules::Strict => iou(&a.rect, &b.rect) > self.overlap,
            Rules::Mgca => iou(&pixel_longer(&a.uncut), &pixel_longer(&b.uncut)) >= self.overlap,
        }
    }
}

/// A box whose width and height are one pixel longer.
fn pixel_longer(rect: &Rect) -> Rect {
    Rect {
        width: rect.width + 1.0,
        height: rect.height + 1.0,
        ..*rect
    }
}

/// Reshapes the output of a grid, `[B, 3 · (5 + classes), g, g]`, so that each cell and anchor has
/// a row: `[B · 3 · g · g, 5 + classes]`, in the order of film, anchor, row and column of the grid.
///
/// # Errors
/// If the output does not have four dimensions.
pub fn rows(output: &Tensor) -> Result<Tensor> {
    let [films, channels, height, width] = output.size()[..] else {
        return Err(Error::Data("outputs have four dimensions".into()));
    };
    let anchors = PER_GRID as i64;
    let split = output.f_view([films, anchors, channels / anchors, height, width])?;
    Ok(split
        .f_permute([0, 1, 3, 4, 2])?
        .f_reshape([-1, channels / anchors])?)
}

/// Decodes the boxes of each film, cuts them at the edges of the view of `side` pixels, and
/// suppresses duplicates by the rules of `limits`. The most confident box comes first; a film has
/// at most [`MAX_PREDICTIONS`].
///
/// # Errors
/// If the outputs are not those of [`Yolo::forward`](crate::yolo::Yolo::forward), or are NaN.
pub fn decode(
    outputs: &[Tensor],
    anchors: &Anchors,
    side: u32,
    limits: Limits,
) -> Result<Vec<Vec<PredictedBox>>> {
    let films = outputs.first().map_or(0, |output| output.size()[0]) as usize;
    let mut boxes: Vec<Vec<PredictedBox>> = vec![Vec::new(); films];
    for ((output, anchors), stride) in outputs.iter().zip(anchors).zip(STRIDES) {
        let grid = output.size()[2..].iter().product::<i64>() as usize;
        let columns = output.size()[3] as usize;
        let (cells, width) = activate(output)?;
        for (row, cell) in cells.chunks_exact(width).enumerate() {
            let (film, anchor, index) =
                (row / (PER_GRID * grid), row / grid % PER_GRID, row % grid);
            let corner = [(index % columns) as f64, (index / columns) as f64];
            let (class, score) = best_class(cell)?;
            if f64::from(score) >= limits.confidence
                && let uncut = rect(cell, corner, anchors[anchor], stride as f64)
                && let Some(rect) = cut(&uncut, side)
            {
                boxes[film].push(PredictedBox {
                    class,
                    score,
                    rect,
                    uncut,
                });
            }
        }
    }
    Ok(boxes
        .into_iter()
        .map(|boxes| suppress(boxes, &limits, MAX_PREDICTIONS))
        .collect())
}

/// The [`rows`] of an output and their width. The sigmoid is applied to all values except the sizes
/// of boxes.
fn activate(output: &Tensor) -> Result<(Vec<f64>, usize)> {
    let rows = rows(output)?;
    let width = rows.size()[1];
    let columns = |from: i64, to: i64| rows.f_narrow(1, from, to - from);
    let cells = Tensor::f_cat(
        &[
            columns(0, 2)?.f_sigmoid()?,
            columns(2, 4)?,
            columns(4, width)?.f_sigmoid()?,
        ],
        1,
    )?;
    let cells = cells.f_to_kind(Kind::Double)?.f_flatten(0, -1)?;
    Ok((cells.try_into()?, width as usize))
}

/// The most likely class of a cell, and its score.
fn best_class(cell: &[f64]) -> Result<(usize, f32)> {
    if cell.iter().any(|value| value.is_nan()) {
        let reason =
            "the network's output is NaN: its weights are damaged, or the training diverged";
        return Err(Error::Data(reason.into()));
    }
    let (before, classes) = cell.split_at(BEFORE_CLASSES as usize);
    let objectness = before[4];
    if classes.len() < 2 {
        return Ok((0, objectness as f32));
    }
    let mut best = 0;
    for class in 1..classes.len() {
        if classes[class] > classes[best] {
            best = class;
        }
    }
    Ok((best, (objectness * classes[best]) as f32))
}

/// The box of a cell.
fn rect(cell: &[f64], corner: [f64; 2], anchor: [f64; 2], stride: f64) -> Rect {
    let start_and_length = |axis: usize| {
        let centre = (corner[axis] + cell[axis]) * stride;
        let length = cell[2 + axis].exp() * anchor[axis];
        (centre - length / 2.0, length)
    };
    let ((x, width), (y, height)) = (start_and_length(0), start_and_length(1));
    Rect {
        x,
        y,
        width,
        height,
    }
}

/// The part of a box in a view of `side` pixels; `None` if nothing remains.
fn cut(rect: &Rect, side: u32) -> Option<Rect> {
    let start_and_length = |start: f64, length: f64| {
        let end = (start + length).min(f64::from(side));
        (start.max(0.0), end - start.max(0.0))
    };
    let (x, width) = start_and_length(rect.x, rect.width);
    let (y, height) = start_and_length(rect.y, rect.height);
    (width > 0.0 && height > 0.0).then_some(Rect {
        x,
        y,
        width,
        height,
    })
}

/// Non-maximum suppression within each class: removes boxes that overlap a more confident box by
/// more than `limits` allow, and keeps the `max` most confident of the rest. Boxes of equal score
/// keep their order.
pub fn suppress(mut boxes: Vec<PredictedBox>, limits: &Limits, max: usize) -> Vec<PredictedBox> {
    boxes.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<PredictedBox> = Vec::new();
    for candidate in boxes {
        if kept.len() == max {
            break;
        }
        if !kept.iter().any(|other| limits.overlap(other, &candidate)) {
            kept.push(candidate);
        }
    }
    kept
}
