//! From what the network says of its grids to boxes.

use mflag_head::{Error, Result};
use mflag_metrics::detection::{MAX_PREDICTIONS, Rect, iou};
use tch::{Kind, Tensor};

use crate::anchors::{Anchors, EACH};
use crate::yolo::{BEFORE_CLASSES, STRIDES};

/// A predicted box, in pixels of the view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Place of its class among the names.
    pub class: usize,
    /// How confident, 0 to 1: objectness, and where there are several classes, times the probability of this one.
    pub score: f32,
    /// Where.
    pub place: Rect,
}

/// Which boxes count.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The least score.
    pub confidence: f64,
    /// The greatest IoU with a more confident box of the class.
    pub overlap: f64,
}

/// The output of a grid, `[B, 3 · (5 + classes), g, g]`, with a row for each cell and anchor: `[B · 3 · g · g, 5 + classes]`, by film,
/// anchor, row and column of the grid.
///
/// # Errors
/// If the shape is another.
pub fn rows(output: &Tensor) -> Result<Tensor> {
    let [films, channels, height, width] = output.size()[..] else {
        return Err(Error::Data("outputs have four dimensions".into()));
    };
    let each = EACH as i64;
    let split = output.f_view([films, each, channels / each, height, width])?;
    Ok(split
        .f_permute([0, 1, 3, 4, 2])?
        .f_reshape([-1, channels / each])?)
}

/// The boxes of each film, the most confident first, at most [`MAX_PREDICTIONS`]; each cut at the edges of the view of `side` pixels.
///
/// # Errors
/// If the outputs are not those of [`Yolo::forward`](crate::yolo::Yolo::forward), or no numbers.
pub fn of_outputs(
    outputs: &[Tensor],
    anchors: &Anchors,
    side: u32,
    limits: Limits,
) -> Result<Vec<Vec<Found>>> {
    let films = outputs.first().map_or(0, |output| output.size()[0]) as usize;
    let mut found: Vec<Vec<Found>> = vec![Vec::new(); films];
    for ((output, shapes), stride) in outputs.iter().zip(anchors).zip(STRIDES) {
        let grid = output.size()[2..].iter().product::<i64>() as usize;
        let columns = output.size()[3] as usize;
        let rows = rows(output)?;
        let width = rows.size()[1] as usize;
        // Sizes as they are, all else between 0 and 1.
        let of = |from: i64, to: i64| rows.f_narrow(1, from, to - from);
        let cells = Tensor::f_cat(
            &[
                of(0, 2)?.f_sigmoid()?,
                of(2, 4)?,
                of(4, width as i64)?.f_sigmoid()?,
            ],
            1,
        )?;
        let cells: Vec<f64> = cells
            .f_to_kind(Kind::Double)?
            .f_flatten(0, -1)?
            .try_into()?;
        for (row, cell) in cells.chunks_exact(width).enumerate() {
            let (film, anchor, at) = (row / (EACH * grid), row / grid % EACH, row % grid);
            let corner = [(at % columns) as f64, (at / columns) as f64];
            let (class, score) = best(cell)?;
            if f64::from(score) >= limits.confidence
                && let Some(place) = place(cell, corner, shapes[anchor], stride as f64, side)
            {
                found[film].push(Found {
                    class,
                    score,
                    place,
                });
            }
        }
    }
    Ok(found
        .into_iter()
        .map(|found| without_doubles(found, limits.overlap, MAX_PREDICTIONS))
        .collect())
}

/// The likeliest class of a cell, and its score.
fn best(cell: &[f64]) -> Result<(usize, f32)> {
    if cell.iter().any(|value| value.is_nan()) {
        let told =
            "the network says what is no number: its weights are damaged, or training diverged";
        return Err(Error::Data(told.into()));
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

/// The box of a cell, cut at the edges of the view; `None` if nothing is left.
fn place(cell: &[f64], corner: [f64; 2], anchor: [f64; 2], stride: f64, side: u32) -> Option<Rect> {
    let ends = |along: usize| {
        let centre = (corner[along] + cell[along]) * stride;
        let half = cell[2 + along].exp() * anchor[along] / 2.0;
        let low = (centre - half).max(0.0);
        (low, (centre + half).min(f64::from(side)) - low)
    };
    let ((x, width), (y, height)) = (ends(0), ends(1));
    (width > 0.0 && height > 0.0).then_some(Rect {
        x,
        y,
        width,
        height,
    })
}

/// Non-maximum suppression within each class: the `most` confident boxes, but for those that overlap a more confident one of their
/// class by an IoU above `overlap`. Of equal scores the first stays first.
pub fn without_doubles(mut found: Vec<Found>, overlap: f64, most: usize) -> Vec<Found> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Found> = Vec::new();
    for one in found {
        if kept.len() == most {
            break;
        }
        let double =
            |other: &Found| other.class == one.class && iou(&other.place, &one.place) > overlap;
        if !kept.iter().any(double) {
            kept.push(one);
        }
    }
    kept
}
