//! Points of ROC and precision-recall curves, few enough for a chart.

/// A point of a curve.
///
/// Curves are thinned by length, not by the number of scores: both ends stay, and in between about
/// one point per equal part of the length (in |Δx| + |Δy|). All points are points of the full
/// curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Samples with this score or a higher one are positive. Infinite where no sample is positive.
    pub threshold: f32,
    /// From 0 to 1.
    pub x: f64,
    /// From 0 to 1.
    pub y: f64,
}

impl Point {
    pub(super) fn new(threshold: f32, x: f64, y: f64) -> Point {
        Point { threshold, x, y }
    }

    fn distance(self, other: Point) -> f64 {
        (self.x - other.x).abs() + (self.y - other.y).abs()
    }
}

/// The curve from `start` through `points`, thinned to `most` points. It keeps at least its two
/// ends. `None` without `points`.
pub(super) fn thin_by_length(start: Point, points: Vec<Point>, most: usize) -> Option<Vec<Point>> {
    let end = *points.last()?;
    let mut curve = vec![start];
    if points.len() < most {
        curve.extend(points);
        return Some(curve);
    }
    let mut previous = start;
    let length: f64 = points
        .iter()
        .map(|p| p.distance(std::mem::replace(&mut previous, *p)))
        .sum();
    let part = length / most.saturating_sub(1).max(1) as f64;
    let (mut previous, mut covered) = (start, 0.0);
    for point in &points[..points.len() - 1] {
        covered += point.distance(std::mem::replace(&mut previous, *point));
        if covered >= part * curve.len() as f64 && curve.len() + 1 < most {
            curve.push(*point);
        }
    }
    curve.push(end);
    Some(curve)
}
