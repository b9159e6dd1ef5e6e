//! Turns attenuation into grey levels: noise, display curve, collimation and side marker.

use mflag_film::Film;
use rand::Rng;

use super::canvas::View;
use super::functions::noise;
use super::marker::Marker;
use crate::cohort::Projection;

/// Attenuation below this is air around the body; the display curve ignores it.
const BODY: f32 = 0.35;

/// How one film was exposed and displayed.
#[derive(Debug, Clone)]
pub(crate) struct Exposure {
    /// Standard deviation of the quantum noise, for pixels of 1.3 mm and an attenuation of 1.8.
    quanta: f32,
    /// Amplitude of the mottle, a coarse noise.
    mottle: f32,
    /// Exponent of the display curve.
    gamma: f64,
    /// Quantiles of attenuation that become black and white.
    low: f32,
    high: f32,
    /// How much of the display curve is histogram equalisation, in [0, 1].
    equalised: f32,
    /// Grey levels of black and white.
    black: f32,
    white: f32,
    /// Margins that the collimator leaves dark, in centimetres of the film: left, top, right,
    /// bottom.
    margins: [f32; 4],
    /// Rotation of the collimator, in radians.
    tilt: f32,
    marker: Marker,
    /// Seed of the mottle.
    seed: u32,
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
        let text = Marker::draw_text(bedside, rng);
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
            marker: Marker::draw(text, rng),
            seed: rng.random(),
        }
    }

    /// Whether the beam reaches the pixel with this row-major index.
    pub(crate) fn is_exposed(&self, view: View, index: usize) -> bool {
        let (column, row) = (index % view.width, index / view.width);
        let (x, y) = (column as f32 / view.scale, row as f32 / view.scale);
        let (w, h) = view.size();
        let [left, top, right, bottom] = self.margins;
        let collimated = left + top + right + bottom > 0.0;
        let skew = if collimated { self.tilt } else { 0.0 };
        let (dx, dy) = (skew * (y - 0.5 * h), skew * (x - 0.5 * w));
        x + dx >= left && x + dx <= w - right && y - dy >= top && y - dy <= h - bottom
    }

    /// Makes a film from the attenuation of each pixel (row-major).
    pub(crate) fn develop(
        &self,
        view: View,
        mut attenuation: Vec<f32>,
        rng: &mut impl Rng,
    ) -> Film {
        self.add_noise(view, &mut attenuation, rng);
        let curve = self.display_curve(&attenuation);
        let mut pixels = vec![0u8; attenuation.len()];
        for (index, (pixel, value)) in pixels.iter_mut().zip(attenuation).enumerate() {
            if self.is_exposed(view, index) {
                *pixel = curve.grey(value);
            }
        }
        self.marker.print(view, &mut pixels);
        Film {
            width: view.width as u32,
            height: view.height as u32,
            pixels,
        }
    }

    /// Adds quantum noise (white noise, stronger where few quanta arrive) and mottle (with a grain
    /// of about 3 mm).
    fn add_noise(&self, view: View, attenuation: &mut [f32], rng: &mut impl Rng) {
        // Noise per area is constant: a smaller pixel is noisier.
        let of_pixel = (0.13 * view.scale).sqrt();
        let pixel = view.pixel();
        let mut random = vec![0u8; view.width * 4];
        for (row, line) in attenuation.chunks_exact_mut(view.width).enumerate() {
            rng.fill_bytes(&mut random);
            let y = row as f32 * pixel;
            for (column, value) in line.iter_mut().enumerate() {
                let few_quanta = 0.45 + 0.3 * value.clamp(0.0, 4.0);
                let x = column as f32 * pixel;
                *value += self.quanta * of_pixel * few_quanta * normal(&random[column * 4..][..4])
                    + self.mottle * noise(x * 3.1, y * 3.1, self.seed);
            }
        }
    }

    /// The curve from attenuation to grey levels. Between the two quantiles, it is a gamma curve
    /// mixed with histogram equalisation.
    fn display_curve(&self, attenuation: &[f32]) -> DisplayCurve {
        let cumulated = cumulated_histogram(attenuation);
        let quantile = |part: f32| {
            cumulated
                .iter()
                .position(|&share| share >= part)
                .unwrap_or(DisplayCurve::BINS - 1)
        };
        let (low, high) = (quantile(self.low), quantile(self.high));
        let span = (high.max(low + 1) - low) as f32;
        let grey = |bin: usize| {
            let linear = ((bin as f32 - low as f32) / span).clamp(0.0, 1.0);
            let curved = f64::from(linear).powf(self.gamma) as f32;
            let mixed = curved + self.equalised * (cumulated[bin] - curved);
            if bin < low {
                self.black * 0.5
            } else {
                self.black + mixed * (self.white - self.black)
            }
        };
        DisplayCurve((0..DisplayCurve::BINS).map(grey).collect())
    }
}

/// A value that is about normally distributed, with standard deviation 1, from four random bytes. A
/// sum of bytes is the same on every machine; a logarithm or a cosine may differ.
fn normal(bytes: &[u8]) -> f32 {
    const MEAN: i32 = 4 * 255 / 2;
    const DEVIATION: f32 = 147.8;
    let sum: i32 = bytes.iter().map(|&b| i32::from(b)).sum();
    (sum - MEAN) as f32 * (1.0 / DEVIATION)
}

/// For each bin of the display curve, the share of the body's pixels in this bin or below.
fn cumulated_histogram(attenuation: &[f32]) -> Vec<f32> {
    let mut counts = [0u32; DisplayCurve::BINS];
    let mut total = 0u32;
    for &value in attenuation.iter().filter(|&&v| v > BODY) {
        counts[DisplayCurve::bin(value)] += 1;
        total += 1;
    }
    let mut sum = 0u32;
    let share = |count: &u32| {
        sum += count;
        sum as f32 / total.max(1) as f32
    };
    counts.iter().map(share).collect()
}

/// The display curve as a table of grey levels over attenuation.
struct DisplayCurve(Vec<f32>);

impl DisplayCurve {
    const BINS: usize = 2048;
    /// The attenuation at the table's end.
    const SPAN: f32 = 6.0;

    fn bin(value: f32) -> usize {
        ((value / Self::SPAN * Self::BINS as f32).max(0.0) as usize).min(Self::BINS - 1)
    }

    fn grey(&self, value: f32) -> u8 {
        (self.0[Self::bin(value)] + 0.5) as u8
    }
}
