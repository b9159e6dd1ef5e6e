//! The shapes that boxes are told from: on each grid a few widths and heights, in pixels of the view.

/// Grids, the coarsest first.
pub const LEVELS: usize = 3;
/// Shapes of a grid.
pub const EACH: usize = 3;

/// Width and height in pixels of each shape of each grid, those of the coarsest first.
pub type Anchors = [[[f64; 2]; EACH]; LEVELS];

/// YOLOv3's for COCO, in films of [`COCO_SIDE`] pixels.
const COCO: Anchors = [
    [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]],
    [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]],
    [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]],
];
const COCO_SIDE: f64 = 416.0;

/// Passes of k-means, at most; it ends earlier, once no box changes its shape.
const PASSES: usize = 1000;

/// YOLOv3's for COCO in views of `side` pixels.
pub fn coco(side: u32) -> Anchors {
    COCO.map(|grid| grid.map(|shape| shape.map(|length| length * f64::from(side) / COCO_SIDE)))
}

/// Intersection over union of two shapes, width and height above 0, with one centre.
pub fn shape_iou(a: [f64; 2], b: [f64; 2]) -> f64 {
    let both = a[0].min(b[0]) * a[1].min(b[1]);
    both / (a[0] * a[1] + b[0] * b[1] - both)
}

/// The place of the shape nearest to `shape`, of equal ones the first.
pub fn nearest(shapes: &[[f64; 2]], shape: [f64; 2]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (place, anchor) in shapes.iter().enumerate() {
        let iou = shape_iou(*anchor, shape);
        if iou > best.1 {
            best = (place, iou);
        }
    }
    best.0
}

/// Nine shapes by k-means with the distance 1 − IoU (Redmon & Farhadi, CVPR 2017), the greatest for the coarsest grid; `None` without
/// boxes. It starts from boxes at even steps of area, so that the same boxes give the same shapes.
pub fn kmeans(boxes: &[[f64; 2]]) -> Option<Anchors> {
    let mut boxes = boxes.to_vec();
    sort_by_area(&mut boxes);
    let number = LEVELS * EACH;
    let start = |k: usize| boxes.get((2 * k + 1) * boxes.len() / (2 * number)).copied();
    let mut centres: Vec<[f64; 2]> = (0..number).map(start).collect::<Option<_>>()?;
    let mut of: Vec<usize> = Vec::new();
    for _ in 0..PASSES {
        let now: Vec<usize> = boxes.iter().map(|b| nearest(&centres, *b)).collect();
        if now == of {
            break;
        }
        of = now;
        for (k, centre) in centres.iter_mut().enumerate() {
            let members = boxes.iter().zip(&of).filter(|(_, of)| **of == k);
            if let Some(mean) = mean(members.map(|(shape, _)| *shape)) {
                *centre = mean;
            }
        }
    }
    sort_by_area(&mut centres);
    let mut anchors = [[[0.0; 2]; EACH]; LEVELS];
    for (grid, shapes) in anchors.iter_mut().rev().zip(centres.chunks_exact(EACH)) {
        grid.copy_from_slice(shapes);
    }
    Some(anchors)
}

fn mean(shapes: impl Iterator<Item = [f64; 2]>) -> Option<[f64; 2]> {
    let (mut sum, mut number) = ([0.0; 2], 0u32);
    for shape in shapes {
        sum = [sum[0] + shape[0], sum[1] + shape[1]];
        number += 1;
    }
    (number > 0).then(|| sum.map(|length| length / f64::from(number)))
}

fn sort_by_area(shapes: &mut [[f64; 2]]) {
    // Of equal areas the narrower first: the order of the films must not matter.
    shapes.sort_by(|a, b| {
        let areas = (a[0] * a[1]).total_cmp(&(b[0] * b[1]));
        areas.then(a[0].total_cmp(&b[0]))
    });
}
