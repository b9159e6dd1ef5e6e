//! Boxes and their overlap.

use crate::{Error, Result};

/// A box by its upper left corner and size, all in one unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Distance from the left to the right edge, 0 or more.
    pub width: f64,
    /// Distance from the upper to the lower edge, 0 or more.
    pub height: f64,
}

impl Rect {
    fn area(&self) -> f64 {
        self.width * self.height
    }

    /// Fails if a value is not finite, or a size is negative.
    pub(super) fn check(&self) -> Result<()> {
        for (what, value) in [("the box's x", self.x), ("the box's y", self.y)] {
            Error::check_value(what, value, value.is_finite(), "finite")?;
        }
        for (what, value) in [
            ("the box's width", self.width),
            ("the box's height", self.height),
        ] {
            let valid = value.is_finite() && value >= 0.0;
            Error::check_value(what, value, valid, "finite and not negative")?;
        }
        Ok(())
    }
}

/// Intersection over union of two boxes, from 0 to 1; 0 if one has no area. Edges are lines, not
/// pixels: a box from 0 to 1 is 1 wide.
pub fn iou(a: &Rect, b: &Rect) -> f64 {
    let width = (a.x + a.width).min(b.x + b.width) - a.x.max(b.x);
    let height = (a.y + a.height).min(b.y + b.height) - a.y.max(b.y);
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let intersection = width * height;
    intersection / (a.area() + b.area() - intersection)
}
