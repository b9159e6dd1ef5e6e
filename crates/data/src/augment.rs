//! Random views of a film: crop, rotation and perspective in one resampling, then contrast.

use mflag_core::config;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random changes of the training films; the defaults are those of M-FLAG's code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Cut the view from a random place of the stored square; else from its middle.
    pub crop: bool,
    /// Rotation in degrees, drawn evenly between these two; positive turns the film anticlockwise.
    pub rotation: Degrees,
    /// Random perspective.
    pub perspective: Perspective,
    /// How often the view's darkest and brightest pixel are stretched to black and white.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub autocontrast: f64,
}

/// A range of angles in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Degrees {
    /// The least.
    #[schemars(range(min = -180.0, max = 180.0))]
    pub from: f64,
    /// The most.
    #[schemars(range(min = -180.0, max = 180.0))]
    pub to: f64,
}

impl Default for Degrees {
    fn default() -> Self {
        Degrees {
            from: 0.0,
            to: 90.0,
        }
    }
}

/// Random perspective: each corner moves inwards by up to half the side times the distortion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Perspective {
    /// How far, as a part of half the side.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub distortion: f64,
    /// How often.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
}

impl Default for Perspective {
    fn default() -> Self {
        Perspective {
            distortion: 0.5,
            probability: 0.5,
        }
    }
}

impl Default for Augment {
    fn default() -> Self {
        Augment {
            crop: true,
            rotation: Degrees::default(),
            perspective: Perspective::default(),
            autocontrast: 0.5,
        }
    }
}

impl config::Config for Augment {
    fn check(&self) -> Vec<String> {
        let Degrees { from, to } = self.rotation;
        let wrong = || format!("augment.rotation: from ({from}) is above to ({to})");
        if from > to { vec![wrong()] } else { vec![] }
    }
}

impl Augment {
    /// A random view of the square `film` of side `from` into `view`, a square of side `to` ≤ `from`.
    pub fn view(&self, film: &[u8], from: u32, view: &mut [u8], to: u32, rng: &mut impl Rng) {
        let room = f64::from(from - to);
        let place = |random: f64| {
            if self.crop {
                (random * (room + 1.0)).floor()
            } else {
                room / 2.0
            }
        };
        // Drawn in any case, so that switching one change off leaves the others as they are.
        let (left, top) = (place(rng.random()), place(rng.random()));
        let Degrees {
            from: least,
            to: most,
        } = self.rotation;
        let angle = least + (most - least) * rng.random::<f64>();
        let bent = rng.random_bool(self.perspective.probability);
        let corners = random_corners(to, self.perspective.distortion, rng);
        let stretched = rng.random_bool(self.autocontrast);

        let mut map = Homography::shift(left, top).after(&Homography::rotation(angle, to));
        if bent {
            map = map.after(&Homography::perspective(to, &corners));
        }
        resample(film, from, view, to, &map);
        if stretched {
            autocontrast(view);
        }
    }
}

/// The middle of the square `film` of side `from` into `view`, a square of side `to` ≤ `from`.
pub fn centre(film: &[u8], from: u32, view: &mut [u8], to: u32) {
    let (from, to) = (from as usize, to as usize);
    let start = (from - to) / 2;
    for (y, row) in view.chunks_exact_mut(to).enumerate() {
        let begin = (start + y) * from + start;
        row.copy_from_slice(&film[begin..begin + to]);
    }
}

/// Where the corners (top left, top right, bottom right, bottom left) of a view of `side` pixels go.
fn random_corners(side: u32, distortion: f64, rng: &mut impl Rng) -> [(f64, f64); 4] {
    let reach = (distortion * f64::from(side / 2)).floor();
    let end = f64::from(side - 1);
    let mut inwards = || (rng.random::<f64>() * (reach + 1.0)).floor();
    [
        (inwards(), inwards()),
        (end - inwards(), inwards()),
        (end - inwards(), end - inwards()),
        (inwards(), end - inwards()),
    ]
}

/// A projective map of the plane, from the view to the film, in pixels with centres at halves.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Homography([f64; 9]);

impl Homography {
    fn shift(x: f64, y: f64) -> Homography {
        Homography([1.0, 0.0, x, 0.0, 1.0, y, 0.0, 0.0, 1.0])
    }

    /// What turns a view of `side` pixels anticlockwise about its middle.
    fn rotation(degrees: f64, side: u32) -> Homography {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let c = f64::from(side) / 2.0;
        Homography([
            cos,
            -sin,
            c - cos * c + sin * c,
            sin,
            cos,
            c - sin * c - cos * c,
            0.0,
            0.0,
            1.0,
        ])
    }

    /// What moves the corners of a view of `side` pixels to `corners`.
    fn perspective(side: u32, corners: &[(f64, f64); 4]) -> Homography {
        let end = f64::from(side - 1);
        let starts = [(0.0, 0.0), (end, 0.0), (end, end), (0.0, end)];
        let mut rows = [[0.0; 9]; 8];
        for (i, ((x, y), (u, v))) in corners.iter().zip(starts).enumerate() {
            rows[2 * i] = [*x, *y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
            rows[2 * i + 1] = [0.0, 0.0, 0.0, *x, *y, 1.0, -v * x, -v * y, v];
        }
        solve(rows).map_or(Homography::shift(0.0, 0.0), |a| {
            Homography([a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], 1.0])
        })
    }

    /// First `inner`, then this.
    fn after(&self, inner: &Homography) -> Homography {
        let (a, b) = (&self.0, &inner.0);
        Homography(std::array::from_fn(|i| {
            (0..3).map(|k| a[i / 3 * 3 + k] * b[k * 3 + i % 3]).sum()
        }))
    }
}

/// Solves eight equations for eight unknowns by elimination with pivots; `None` for corners on one line.
fn solve(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let pivot =
            (column..8).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        if rows[pivot][column].abs() < 1e-9 {
            return None;
        }
        rows.swap(column, pivot);
        let lead = rows[column];
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != column) {
            let factor = row[column] / lead[column];
            for (value, of_lead) in row.iter_mut().zip(lead) {
                *value -= factor * of_lead;
            }
        }
    }
    Some(std::array::from_fn(|i| rows[i][8] / rows[i][i]))
}

/// Bilinear; what lies outside the film is black.
fn resample(film: &[u8], from: u32, view: &mut [u8], to: u32, map: &Homography) {
    let m = map.0.map(|v| v as f32);
    let side = from as i32;
    let at = |x: i32, y: i32| {
        let inside = x >= 0 && y >= 0 && x < side && y < side;
        if inside {
            f32::from(film[(y * side + x) as usize])
        } else {
            0.0
        }
    };
    for (row, line) in view.chunks_exact_mut(to as usize).enumerate() {
        let y = row as f32 + 0.5;
        for (column, pixel) in line.iter_mut().enumerate() {
            let x = column as f32 + 0.5;
            let depth = m[6] * x + m[7] * y + m[8];
            let u = (m[0] * x + m[1] * y + m[2]) / depth - 0.5;
            let v = (m[3] * x + m[4] * y + m[5]) / depth - 0.5;
            let (left, top) = (u.floor(), v.floor());
            let (right_share, lower_share) = (u - left, v - top);
            let (left, top) = (left as i32, top as i32);
            let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
            let upper = mix(at(left, top), at(left.saturating_add(1), top), right_share);
            let below = top.saturating_add(1);
            let lower = mix(
                at(left, below),
                at(left.saturating_add(1), below),
                right_share,
            );
            *pixel = (mix(upper, lower, lower_share) + 0.5) as u8;
        }
    }
}

/// Stretches the values so that the least is 0 and the greatest 255.
fn autocontrast(view: &mut [u8]) {
    let (Some(&least), Some(&most)) = (view.iter().min(), view.iter().max()) else {
        return;
    };
    if most > least {
        let scale = 255.0 / f32::from(most - least);
        view.iter_mut()
            .for_each(|v| *v = (f32::from(*v - least) * scale) as u8);
    }
}

#[cfg(test)]
mod tests;
