//! Anchors: the shapes that predicted boxes start from. Each grid has a few widths and heights, in
//! pixels of the view.

/// Number of grids.
pub const LEVELS: usize = 3;
/// Number of anchors of a grid.
pub const PER_GRID: usize = 3;

/// Width and height in pixels of the anchors of each grid; the coarsest grid comes first.
pub type Anchors = [[[f64; 2]; PER_GRID]; LEVELS];

/// YOLOv3's anchors for COCO, for films of [`COCO_SIDE`] pixels.
const COCO: Anchors = [
    [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]],
    [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]],
    [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]],
];
const COCO_SIDE: f64 = 416.0;

/// Maximum number of passes of k-means. It ends earlier once no box changes its cluster.
const MAX_PASSES: usize = 1000;

/// YOLOv3's anchors for COCO, scaled to views of `side` pixels.
pub fn coco(side: u32) -> Anchors {
    COCO.map(|grid| grid.map(|shape| shape.map(|length| length * f64::from(side) / COCO_SIDE)))
}

/// Intersection over union of two shapes with one centre. Widths and heights are above 0.
pub fn shape_iou(a: [f64; 2], b: [f64; 2]) -> f64 {
    let intersection = a[0].min(b[0]) * a[1].min(b[1]);
    intersection / (a[0] * a[1] + b[0] * b[1] - intersection)
}

/// The index of the anchor with the greatest IoU with `shape`; the first of equal ones.
pub fn nearest(anchors: &[[f64; 2]], shape: [f64; 2]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (index, anchor) in anchors.iter().enumerate() {
        let iou = shape_iou(*anchor, shape);
        if iou > best.1 {
            best = (index, iou);
        }
    }
    best.0
}

/// Clusters the shapes of boxes into nine anchors by k-means with the distance 1 − IoU (Redmon &
/// Farhadi, CVPR 2017). The largest anchors belong to the coarsest grid. `None` without boxes. The
/// first centres are boxes at even steps of area, so the result depends on nothing but the boxes.
pub fn kmeans(shapes: &[[f64; 2]]) -> Option<Anchors> {
    let mut shapes = shapes.to_vec();
    sort_by_area(&mut shapes);
    let number = LEVELS * PER_GRID;
    let start = |k: usize| {
        shapes
            .get((2 * k + 1) * shapes.len() / (2 * number))
            .copied()
    };
    let mut centres: Vec<[f64; 2]> = (0..number).map(start).collect::<Option<_>>()?;
    let mut clusters: Vec<usize> = Vec::new();
    for _ in 0..MAX_PASSES {
        let next: Vec<usize> = shapes.iter().map(|s| nearest(&centres, *s)).collect();
        if next == clusters {
            break;
        }
        clusters = next;
        move_centres(&mut centres, &shapes, &clusters);
    }
    sort_by_area(&mut centres);
    let mut anchors = [[[0.0; 2]; PER_GRID]; LEVELS];
    for (grid, centres) in anchors.iter_mut().rev().zip(centres.chunks_exact(PER_GRID)) {
        grid.copy_from_slice(centres);
    }
    Some(anchors)
}

/// Moves each centre to the mean of its cluster. A centre without members stays.
fn move_centres(centres: &mut [[f64; 2]], shapes: &[[f64; 2]], clusters: &[usize]) {
    for (index, centre) in centres.iter_mut().enumerate() {
        let members = shapes.iter().zip(clusters).filter(|(_, c)| **c == index);
        if let Some(mean) = mean(members.map(|(shape, _)| *shape)) {
            *centre = mean;
        }
    }
}

fn mean(shapes: impl Iterator<Item = [f64; 2]>) -> Option<[f64; 2]> {
    let (mut sum, mut number) = ([0.0; 2], 0u32);
    for shape in shapes {
        sum = [sum[0] + shape[0], sum[1] + shape[1]];
        number += 1;
    }
    (number > 0).then(|| sum.map(|length| length / f64::from(number)))
}

/// Sorts by area; of equal areas, the narrower shape comes first, so the order of the films is
/// irrelevant.
fn sort_by_area(shapes: &mut [[f64; 2]]) {
    shapes.sort_by(|a, b| {
        let areas = (a[0] * a[1]).total_cmp(&(b[0] * b[1]));
        areas.then(a[0].total_cmp(&b[0]))
    });
}
