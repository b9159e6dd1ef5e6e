//! Curves for reports: few points that look like all of them.

/// A point of a curve.
///
/// A curve is thinned by its length, not by its number of scores: kept are both ends and, in between, about one point each time that
/// the curve has gone one part of its length (in |Δx| + |Δy|). All kept points are points of the whole curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// What has this score or a higher one is called positive; infinite where nothing is.
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

/// The curve from `start` through `points`, in at most `most` points, but never fewer than its two ends; `None` without `points`.
pub(super) fn thinned(start: Point, points: Vec<Point>, most: usize) -> Option<Vec<Point>> {
    let end = *points.last()?;
    let mut curve = vec![start];
    if points.len() < most {
        curve.extend(points);
        return Some(curve);
    }
    let mut before = start;
    let length: f64 = points
        .iter()
        .map(|p| p.distance(std::mem::replace(&mut before, *p)))
        .sum();
    let part = length / most.saturating_sub(1).max(1) as f64;
    let (mut before, mut gone) = (start, 0.0);
    for point in &points[..points.len() - 1] {
        gone += point.distance(std::mem::replace(&mut before, *point));
        if gone >= part * curve.len() as f64 && curve.len() + 1 < most {
            curve.push(*point);
        }
    }
    curve.push(end);
    Some(curve)
}
