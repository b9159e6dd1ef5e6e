//! From attenuation to grey values: quantum noise, the display curve, collimation and the side marker.

use mflag_film::Film;
use rand::Rng;

use super::canvas::{Node, Profile, View, noise};
use super::cohort::Projection;

/// How one film was taken and displayed.
#[derive(Debug, Clone)]
pub(crate) struct Exposure {
    quanta: f32,
    mottle: f32,
    gamma: f64,
    low: f32,
    high: f32,
    equalised: f32,
    black: f32,
    white: f32,
    /// Margins that the collimator leaves dark, in centimetres of the film: left, top, right, bottom.
    margins: [f32; 4],
    tilt: f32,
    marker: Marker,
    seed: u32,
}

#[derive(Debug, Clone)]
struct Marker {
    text: String,
    left: bool,
    down: f32,
    inset: f32,
    size: f32,
}

impl Exposure {
    pub(crate) fn draw(projection: Projection, rng: &mut impl Rng) -> Self {
        let bedside = projection == Projection::Ap;
        let collimated = rng.random_bool(0.35);
        let margin = |rng: &mut _| {
            if collimated {
                Rng::random_range(rng, -0.8f32..1.3).max(0.0)
            } else {
                0.0
            }
        };
        let left = rng.random_bool(0.6);
        let letter = if left { "L" } else { "R" };
        let text = match rng.random_range(0..4) {
            0 if bedside => format!("{letter} AP"),
            1 if bedside => format!("{letter} PORT"),
            2 if bedside => format!("{letter} ERECT"),
            _ => letter.to_owned(),
        };
        Self {
            quanta: rng.random_range(0.012..0.040) * if bedside { 1.4 } else { 1.0 },
            mottle: rng.random_range(0.008..0.022),
            gamma: rng.random_range(0.75..1.35),
            low: rng.random_range(0.002..0.03),
            high: rng.random_range(0.965..0.998),
            equalised: rng.random_range(0.0f32..0.75).min(0.55),
            black: rng.random_range(0.0..22.0),
            white: rng.random_range(228.0..255.0),
            margins: [margin(rng), margin(rng), margin(rng), margin(rng)],
            tilt: rng.random_range(-0.02..0.02),
            marker: Marker {
                text,
                left,
                down: rng.random_range(0.03..0.16),
                inset: rng.random_range(1.2..3.2),
                size: rng.random_range(0.9..1.7),
            },
            seed: rng.random(),
        }
    }

    /// Whether a pixel lies in the beam.
    pub(crate) fn lit(&self, view: View, column: usize, row: usize) -> bool {
        let (x, y) = (column as f32 / view.scale, row as f32 / view.scale);
        let (w, h) = (
            view.width as f32 / view.scale,
            view.height as f32 / view.scale,
        );
        let [left, top, right, bottom] = self.margins;
        let collimated = left + top + right + bottom > 0.0;
        let skew = if collimated { self.tilt } else { 0.0 };
        let (dx, dy) = (skew * (y - 0.5 * h), skew * (x - 0.5 * w));
        x + dx >= left && x + dx <= w - right && y - dy >= top && y - dy <= h - bottom
    }

    /// Develops the attenuation (row-major, `view`'s size) into a film.
    pub(crate) fn develop(
        &self,
        view: View,
        mut attenuation: Vec<f32>,
        rng: &mut impl Rng,
    ) -> Film {
        self.add_noise(view, &mut attenuation, rng);
        let tone = self.tone(&attenuation);
        let mut pixels = vec![0u8; attenuation.len()];
        for (row, line) in pixels.chunks_exact_mut(view.width).enumerate() {
            for (column, pixel) in line.iter_mut().enumerate() {
                if self.lit(view, column, row) {
                    *pixel = tone.at(attenuation[row * view.width + column]);
                }
            }
        }
        self.marker.print(view, &mut pixels);
        Film {
            width: view.width as u32,
            height: view.height as u32,
            pixels,
        }
    }

    /// White noise that grows where few quanta arrive, and a mottle of a few millimetres.
    fn add_noise(&self, view: View, attenuation: &mut [f32], rng: &mut impl Rng) {
        let fine = (0.13 * view.scale).sqrt();
        let pixel = view.pixel();
        let mut random = vec![0u8; view.width * 4];
        for (row, line) in attenuation.chunks_exact_mut(view.width).enumerate() {
            rng.fill_bytes(&mut random);
            let y = row as f32 * pixel;
            for (column, value) in line.iter_mut().enumerate() {
                // The sum of four uniform bytes is normal enough, and the same on every machine.
                let sum: i32 = random[column * 4..][..4]
                    .iter()
                    .map(|&b| i32::from(b))
                    .sum();
                let normal = (sum - 510) as f32 * (1.0 / 147.8);
                let few = 0.45 + 0.3 * value.clamp(0.0, 4.0);
                let x = column as f32 * pixel;
                *value += self.quanta * fine * few * normal
                    + self.mottle * noise(x * 3.1, y * 3.1, self.seed);
            }
        }
    }

    fn tone(&self, attenuation: &[f32]) -> Tone {
        let mut counts = [0u32; Tone::BINS];
        let mut total = 0;
        for &value in attenuation.iter().filter(|&&v| v > 0.35) {
            counts[Tone::bin(value)] += 1;
            total += 1;
        }
        let mut sums = [0.0f32; Tone::BINS];
        let mut sum = 0;
        for (bin, count) in counts.iter().enumerate() {
            sum += count;
            sums[bin] = sum as f32 / total.max(1) as f32;
        }
        let place = |part: f32| {
            sums.iter()
                .position(|&s| s >= part)
                .unwrap_or(Tone::BINS - 1)
        };
        let (low, high) = (place(self.low), place(self.high));
        let span = (high.max(low + 1) - low) as f32;
        let grey = |bin: usize| {
            let linear = ((bin as f32 - low as f32) / span).clamp(0.0, 1.0);
            let curved = f64::from(linear).powf(self.gamma) as f32;
            let mixed = curved + self.equalised * (sums[bin] - curved);
            if bin < low {
                self.black * 0.5
            } else {
                self.black + mixed * (self.white - self.black)
            }
        };
        Tone((0..Tone::BINS).map(grey).collect())
    }
}

/// The display curve as a table.
struct Tone(Vec<f32>);

impl Tone {
    const BINS: usize = 2048;
    const SPAN: f32 = 6.0;

    fn bin(value: f32) -> usize {
        ((value / Self::SPAN * Self::BINS as f32).max(0.0) as usize).min(Self::BINS - 1)
    }

    fn at(&self, value: f32) -> u8 {
        (self.0[Self::bin(value)] + 0.5) as u8
    }
}

impl Marker {
    /// Lead letters near the upper corner of their side.
    fn print(&self, view: View, pixels: &mut [u8]) {
        let (w, h) = (
            view.width as f32 / view.scale,
            view.height as f32 / view.scale,
        );
        let flat = View::new(view.width, view.height, view.scale, 0.0, (0.5 * w, 0.5 * h));
        let advance = self.size * 0.85;
        let wide = advance * self.text.len() as f32;
        let start = if self.left {
            w - self.inset - wide
        } else {
            self.inset
        };
        let top = self.down * h;
        for (place, letter) in self.text.chars().enumerate() {
            for points in glyph(letter) {
                let node = |&(x, y): &(f32, f32)| {
                    let x = start + place as f32 * advance + x * self.size * 0.6;
                    Node::new(x, top + y * self.size, 0.07 * self.size, 255.0)
                };
                let nodes: Vec<_> = points.iter().map(node).collect();
                flat.stroke(&nodes, Profile::Flat, |i, v| {
                    pixels[i] = pixels[i].max(v as u8);
                });
            }
        }
    }
}

/// The strokes of a letter in the unit square.
fn glyph(letter: char) -> &'static [&'static [(f32, f32)]] {
    match letter {
        'L' => &[&[(0.0, 0.0), (0.0, 1.0), (0.9, 1.0)]],
        'R' => &[
            &[
                (0.0, 1.0),
                (0.0, 0.0),
                (0.7, 0.0),
                (0.95, 0.25),
                (0.7, 0.5),
                (0.0, 0.5),
            ],
            &[(0.45, 0.5), (0.95, 1.0)],
        ],
        'P' => &[&[
            (0.0, 1.0),
            (0.0, 0.0),
            (0.7, 0.0),
            (0.95, 0.25),
            (0.7, 0.5),
            (0.0, 0.5),
        ]],
        'A' => &[
            &[(0.0, 1.0), (0.5, 0.0), (1.0, 1.0)],
            &[(0.2, 0.6), (0.8, 0.6)],
        ],
        'O' => &[&[
            (0.2, 0.0),
            (0.8, 0.0),
            (1.0, 0.5),
            (0.8, 1.0),
            (0.2, 1.0),
            (0.0, 0.5),
            (0.2, 0.0),
        ]],
        'T' => &[&[(0.0, 0.0), (1.0, 0.0)], &[(0.5, 0.0), (0.5, 1.0)]],
        'E' => &[
            &[(0.9, 0.0), (0.0, 0.0), (0.0, 1.0), (0.9, 1.0)],
            &[(0.0, 0.5), (0.7, 0.5)],
        ],
        'C' => &[&[(0.95, 0.1), (0.4, 0.0), (0.0, 0.5), (0.4, 1.0), (0.95, 0.9)]],
        _ => &[],
    }
}
