//! The drawing floor of the phantom: the affine view from body to film, strokes, tabulated curves and lattice noise.
//!
//! Lengths of the body are centimetres; x runs to the right of the film (the patient's left), y runs down.

/// A point of a stroke: place and half width in centimetres, and its strength there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) half: f32,
    pub(crate) amp: f32,
}

impl Node {
    pub(crate) fn new(x: f32, y: f32, half: f32, amp: f32) -> Self {
        Self { x, y, half, amp }
    }
}

/// How the strength of a stroke runs across its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// A solid cylinder: strongest at the axis.
    Round,
    /// A hollow bone: the two cortical rims are brighter than the marrow.
    Cortical,
    /// The same strength all across.
    Flat,
}

impl Profile {
    fn at(self, q: f32) -> f32 {
        let q2 = q * q;
        match self {
            Self::Round => 1.0 - q2,
            Self::Cortical => (0.55 + 0.9 * q2 * q2) * ((1.0 - q2) * 3.2).min(1.0),
            Self::Flat => ((1.0 - q) * 4.0).min(1.0),
        }
    }
}

/// The similarity between the body (centimetres) and the film (pixels).
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Pixels a centimetre.
    pub(crate) scale: f32,
    cos: f32,
    sin: f32,
    centre: (f32, f32),
}

impl View {
    /// A film of `width` x `height` pixels, whose middle shows the body's point `centre`, turned by `angle` radians.
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

    /// The film's pixel (not rounded) that shows the body's point.
    pub(crate) fn to_film(self, x: f32, y: f32) -> (f32, f32) {
        let (dx, dy) = (
            (x - self.centre.0) * self.scale,
            (y - self.centre.1) * self.scale,
        );
        (
            self.cos * dx - self.sin * dy + self.width as f32 * 0.5,
            self.sin * dx + self.cos * dy + self.height as f32 * 0.5,
        )
    }

    /// The body's point at the middle of a pixel.
    pub(crate) fn to_body(self, column: usize, row: usize) -> (f32, f32) {
        let dx = (column as f32 + 0.5 - self.width as f32 * 0.5) / self.scale;
        let dy = (row as f32 + 0.5 - self.height as f32 * 0.5) / self.scale;
        (
            self.cos * dx + self.sin * dy + self.centre.0,
            self.cos * dy - self.sin * dx + self.centre.1,
        )
    }

    /// The size of a pixel in centimetres.
    pub(crate) fn pixel(self) -> f32 {
        1.0 / self.scale
    }

    /// Draws a polyline of varying width: `put(index, strength)` is called once for each pixel that it touches.
    /// Where segments overlap, the stronger one counts. Strokes thinner than a pixel keep their area.
    pub(crate) fn stroke(self, nodes: &[Node], profile: Profile, mut put: impl FnMut(usize, f32)) {
        let points: Vec<Node> = nodes
            .iter()
            .map(|n| {
                let (x, y) = self.to_film(n.x, n.y);
                let half = n.half * self.scale;
                let drawn = half.max(0.6);
                Node {
                    x,
                    y,
                    half: drawn,
                    amp: n.amp * half / drawn,
                }
            })
            .collect();
        let Some(frame) = self.frame(&points) else {
            return;
        };
        let mut best = vec![0.0f32; frame.width() * frame.height()];
        for pair in points.windows(2) {
            self.segment(pair[0], pair[1], profile, &frame, &mut best);
        }
        for row in frame.top..frame.bottom {
            let line = &best[(row - frame.top) * frame.width()..][..frame.width()];
            for (offset, &value) in line.iter().enumerate() {
                if value > 0.0 {
                    put(row * self.width + frame.left + offset, value);
                }
            }
        }
    }

    fn segment(self, a: Node, b: Node, profile: Profile, frame: &Frame, best: &mut [f32]) {
        let Some(window) = self.frame(&[a, b]) else {
            return;
        };
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let length2 = (dx * dx + dy * dy).max(1e-6);
        for row in window.top..window.bottom {
            let line = &mut best[(row - frame.top) * frame.width()..][..frame.width()];
            let py = row as f32 + 0.5 - a.y;
            for column in window.left..window.right {
                let px = column as f32 + 0.5 - a.x;
                let along = ((px * dx + py * dy) / length2).clamp(0.0, 1.0);
                let (ex, ey) = (px - along * dx, py - along * dy);
                let half = a.half + along * (b.half - a.half);
                let d2 = ex * ex + ey * ey;
                if d2 < half * half {
                    let value = (a.amp + along * (b.amp - a.amp)) * profile.at(d2.sqrt() / half);
                    let cell = &mut line[column - frame.left];
                    *cell = cell.max(value);
                }
            }
        }
    }

    /// The part of the film that a stroke's points touch, or none.
    fn frame(self, points: &[Node]) -> Option<Frame> {
        let clip = |v: f32, most: usize| v.clamp(0.0, most as f32) as usize;
        let mut bounds = (f32::MAX, f32::MAX, f32::MIN, f32::MIN);
        for p in points {
            bounds.0 = bounds.0.min(p.x - p.half);
            bounds.1 = bounds.1.min(p.y - p.half);
            bounds.2 = bounds.2.max(p.x + p.half);
            bounds.3 = bounds.3.max(p.y + p.half);
        }
        let frame = Frame {
            left: clip(bounds.0.floor(), self.width),
            top: clip(bounds.1.floor(), self.height),
            right: clip(bounds.2.ceil(), self.width),
            bottom: clip(bounds.3.ceil(), self.height),
        };
        (frame.left < frame.right && frame.top < frame.bottom).then_some(frame)
    }
}

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

/// A smooth curve through control points, tabulated over [0, 1].
#[derive(Debug, Clone)]
pub(crate) struct Curve(Vec<f32>);

impl Curve {
    const STEPS: usize = 256;

    /// A cubic Hermite (finite difference) curve through `points`, whose abscissae rise from 0 to 1.
    pub(crate) fn through(points: &[(f32, f32)]) -> Self {
        let slope = |i: usize| {
            let (a, b) = (
                points[i.saturating_sub(1)],
                points[(i + 1).min(points.len() - 1)],
            );
            (b.1 - a.1) / (b.0 - a.0)
        };
        let mut at = 0;
        let values = (0..=Self::STEPS).map(|step| {
            let t = step as f32 / Self::STEPS as f32;
            while at + 2 < points.len() && t > points[at + 1].0 {
                at += 1;
            }
            let ((x0, y0), (x1, y1)) = (points[at], points[at + 1]);
            let (h, u) = (x1 - x0, ((t - x0) / (x1 - x0)).clamp(0.0, 1.0));
            let (u2, u3) = (u * u, u * u * u);
            y0 * (2.0 * u3 - 3.0 * u2 + 1.0)
                + y1 * (3.0 * u2 - 2.0 * u3)
                + h * slope(at) * (u3 - 2.0 * u2 + u)
                + h * slope(at + 1) * (u3 - u2)
        });
        Self(values.collect())
    }

    /// The value at `t`, held constant outside [0, 1].
    pub(crate) fn at(&self, t: f32) -> f32 {
        let place = t.clamp(0.0, 1.0) * Self::STEPS as f32;
        let index = (place as usize).min(Self::STEPS - 1);
        let part = place - index as f32;
        self.0[index] + part * (self.0[index + 1] - self.0[index])
    }
}

/// 0 below -`soft`, 1 above `soft`, smooth between.
pub(crate) fn edge(distance: f32, soft: f32) -> f32 {
    let t = (distance / soft * 0.5 + 0.5).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// `sqrt(1 - u^3)` inside, 0 outside: the depth of a body with a flat middle and round flanks.
pub(crate) fn flank(u: f32) -> f32 {
    let u = u.abs();
    (1.0 - u * u * u).max(0.0).sqrt()
}

/// The depth of an ellipsoid of unit depth at a point of its projection, 0 outside.
pub(crate) fn ellipsoid(x: f32, y: f32, centre: (f32, f32), axes: (f32, f32)) -> f32 {
    let (u, v) = ((x - centre.0) / axes.0, (y - centre.1) / axes.1);
    (1.0 - u * u - v * v).max(0.0).sqrt()
}

fn hash(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x85eb_ca6b) ^ (y as u32).wrapping_mul(0xc2b2_ae35) ^ seed;
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    (h ^ (h >> 15)) as f32 * (1.0 / 4_294_967_296.0)
}

/// Smooth lattice noise in [-1, 1] with a grain of one unit.
pub(crate) fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as i32, fy as i32);
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (u, v) = (ease(x - fx), ease(y - fy));
    let mix = |a: f32, b: f32, t: f32| a + t * (b - a);
    let top = mix(hash(ix, iy, seed), hash(ix + 1, iy, seed), u);
    let low = mix(hash(ix, iy + 1, seed), hash(ix + 1, iy + 1, seed), u);
    mix(top, low, v) * 2.0 - 1.0
}
