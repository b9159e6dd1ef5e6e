//! Converts points between the body (centimetres) and the film (pixels), and draws strokes on the
//! film.

use super::stroke::{Node, Stroke};

/// Half of the width of the thinnest line that is drawn, in pixels.
const THINNEST: f32 = 0.6;

/// The similarity transform between the body (centimetres) and the film (pixels).
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// Columns of the film.
    pub(crate) width: usize,
    /// Rows of the film.
    pub(crate) height: usize,
    /// Pixels per centimetre.
    pub(crate) scale: f32,
    cos: f32,
    sin: f32,
    centre: (f32, f32),
}

impl View {
    /// A film of `width` x `height` pixels whose middle shows the body's point `centre`, rotated by
    /// `angle` radians.
    pub(crate) fn new(
        width: usize,
        height: usize,
        scale: f32,
        angle: f64,
        centre: (f32, f32),
    ) -> Self {
        Self {
            width,
            height,
            scale,
            cos: angle.cos() as f32,
            sin: angle.sin() as f32,
            centre,
        }
    }

    /// The position on the film, in pixels, of a point of the body.
    fn to_film(self, x: f32, y: f32) -> (f32, f32) {
        let (dx, dy) = (
            (x - self.centre.0) * self.scale,
            (y - self.centre.1) * self.scale,
        );
        (
            self.cos * dx - self.sin * dy + self.width as f32 * 0.5,
            self.sin * dx + self.cos * dy + self.height as f32 * 0.5,
        )
    }

    /// The point of the body at the centre of the pixel with this row-major index.
    pub(crate) fn to_body(self, index: usize) -> (f32, f32) {
        let (column, row) = (index % self.width, index / self.width);
        let dx = (column as f32 + 0.5 - self.width as f32 * 0.5) / self.scale;
        let dy = (row as f32 + 0.5 - self.height as f32 * 0.5) / self.scale;
        (
            self.cos * dx + self.sin * dy + self.centre.0,
            self.cos * dy - self.sin * dx + self.centre.1,
        )
    }

    /// The film's width and height in centimetres.
    pub(crate) fn size(self) -> (f32, f32) {
        (
            self.width as f32 / self.scale,
            self.height as f32 / self.scale,
        )
    }

    /// The size of a pixel in centimetres.
    pub(crate) fn pixel(self) -> f32 {
        1.0 / self.scale
    }

    /// Draws a stroke: calls `put(index, attenuation)` once for each pixel that it covers. Where
    /// segments overlap, the stronger one counts. A line thinner than a pixel gets wider and
    /// fainter, so that it keeps its total attenuation.
    pub(crate) fn draw(self, stroke: &Stroke, mut put: impl FnMut(usize, f32)) {
        let nodes = stroke.nodes.iter().map(|node| self.node_in_pixels(node));
        let nodes: Vec<Node> = nodes.collect();
        let Some(frame) = self.frame(&nodes) else {
            return;
        };
        let mut strongest = vec![0.0f32; frame.width() * frame.height()];
        for pair in nodes.windows(2) {
            self.draw_segment(pair[0], pair[1], stroke, &frame, &mut strongest);
        }
        for row in frame.top..frame.bottom {
            let line = &strongest[(row - frame.top) * frame.width()..][..frame.width()];
            for (offset, &value) in line.iter().enumerate() {
                if value > 0.0 {
                    put(row * self.width + frame.left + offset, value);
                }
            }
        }
    }

    fn node_in_pixels(self, node: &Node) -> Node {
        let (x, y) = self.to_film(node.x, node.y);
        let half = node.half * self.scale;
        let drawn = half.max(THINNEST);
        Node {
            x,
            y,
            half: drawn,
            amp: node.amp * half / drawn,
        }
    }

    /// Draws one segment (nodes in pixels) into `strongest`, a buffer for the pixels of `frame`.
    fn draw_segment(self, a: Node, b: Node, stroke: &Stroke, frame: &Frame, strongest: &mut [f32]) {
        let Some(window) = self.frame(&[a, b]) else {
            return;
        };
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let length2 = (dx * dx + dy * dy).max(1e-6);
        for row in window.top..window.bottom {
            let line = &mut strongest[(row - frame.top) * frame.width()..][..frame.width()];
            let py = row as f32 + 0.5 - a.y;
            for column in window.left..window.right {
                let px = column as f32 + 0.5 - a.x;
                let along = ((px * dx + py * dy) / length2).clamp(0.0, 1.0);
                let (ex, ey) = (px - along * dx, py - along * dy);
                let half = a.half + along * (b.half - a.half);
                let d2 = ex * ex + ey * ey;
                if d2 < half * half {
                    let across = stroke.profile.at(d2.sqrt() / half);
                    let value = (a.amp + along * (b.amp - a.amp)) * across;
                    let cell = &mut line[column - frame.left];
                    *cell = cell.max(value);
                }
            }
        }
    }

    /// The part of the film around nodes (in pixels); `None` if they are outside of the film.
    fn frame(self, nodes: &[Node]) -> Option<Frame> {
        let clip = |v: f32, most: usize| v.clamp(0.0, most as f32) as usize;
        let (mut left, mut top) = (f32::MAX, f32::MAX);
        let (mut right, mut bottom) = (f32::MIN, f32::MIN);
        for node in nodes {
            left = left.min(node.x - node.half);
            top = top.min(node.y - node.half);
            right = right.max(node.x + node.half);
            bottom = bottom.max(node.y + node.half);
        }
        let frame = Frame {
            left: clip(left.floor(), self.width),
            top: clip(top.floor(), self.height),
            right: clip(right.ceil(), self.width),
            bottom: clip(bottom.ceil(), self.height),
        };
        (frame.left < frame.right && frame.top < frame.bottom).then_some(frame)
    }
}

/// A rectangle of pixels. `right` and `bottom` are excluded.
struct Frame {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

impl Frame {
    fn width(&self) -> usize {
        self.right - self.left
    }

    fn height(&self) -> usize {
        self.bottom - self.top
    }
}
