//! Functions of position from which anatomy and findings are built: smooth curves, soft edges,
//! depths of round bodies, noise.

/// A smooth curve through given points, as a table over [0, 1].
#[derive(Debug, Clone)]
pub(crate) struct Curve(Vec<f32>);

impl Curve {
    const STEPS: usize = 256;

    /// A cubic Hermite curve through points (t, value), with slopes by finite differences; t rises
    /// from 0 to 1.
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

    /// The curve through `steps + 1` samples of a function over [0, 1].
    pub(crate) fn sampled(steps: usize, function: impl Fn(f32) -> f32) -> Self {
        let sample = |i| {
            let t = i as f32 / steps as f32;
            (t, function(t))
        };
        Self::through(&(0..=steps).map(sample).collect::<Vec<_>>())
    }

    /// The value at `t`, interpolated linearly; constant outside [0, 1].
    pub(crate) fn at(&self, t: f32) -> f32 {
        let position = t.clamp(0.0, 1.0) * Self::STEPS as f32;
        let index = (position as usize).min(Self::STEPS - 1);
        let part = position - index as f32;
        self.0[index] + part * (self.0[index + 1] - self.0[index])
    }
}

/// A soft step: 0 below -`soft`, 1 above `soft`, smooth in between.
pub(crate) fn edge(distance: f32, soft: f32) -> f32 {
    let t = (distance / soft * 0.5 + 0.5).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The depth of a body with a flat middle and round flanks, `sqrt(1 - |u|^3)`; 0 outside [-1, 1].
pub(crate) fn flank(u: f32) -> f32 {
    let u = u.abs();
    (1.0 - u * u * u).max(0.0).sqrt()
}

/// The depth of an ellipsoid at a point of its projection, with depth 1 at its centre; 0 outside.
pub(crate) fn ellipsoid(x: f32, y: f32, centre: (f32, f32), axes: (f32, f32)) -> f32 {
    let (u, v) = ((x - centre.0) / axes.0, (y - centre.1) / axes.1);
    (1.0 - u * u - v * v).max(0.0).sqrt()
}

/// Smooth noise in [-1, 1]: random values at integer positions, interpolated in between.
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

/// A random value in [0, 1] for an integer position.
fn hash(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x85eb_ca6b) ^ (y as u32).wrapping_mul(0xc2b2_ae35) ^ seed;
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    (h ^ (h >> 15)) as f32 * (1.0 / 4_294_967_296.0)
}
