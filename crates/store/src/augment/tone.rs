//! Changes of grey values. They move nothing, so masks and boxes stay as they are.

use mflag_film::Grey;

/// Changes of a view's grey values, in this order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tone {
    /// Whether the values are stretched to the full range.
    pub(super) stretched: bool,
    /// Factor of the values.
    pub(super) brightness: f32,
    /// Factor of the values' distances to their mean.
    pub(super) contrast: f32,
    /// Whether contrast comes before brightness.
    pub(super) contrast_first: bool,
    /// Standard deviation of the blur in pixels; 0: none.
    pub(super) sigma: f32,
}

impl Tone {
    pub(super) const NONE: Tone = Tone {
        stretched: false,
        brightness: 1.0,
        contrast: 1.0,
        contrast_first: false,
        sigma: 0.0,
    };

    /// Changes a view of `side` pixels.
    pub(super) fn apply<P: Grey>(&self, view: &mut [P], side: usize) {
        if self.stretched {
            autocontrast(view);
        }
        if self.contrast_first {
            contrast(view, self.contrast);
        }
        if self.brightness != 1.0 {
            change_pixels(view, |value| value * self.brightness);
        }
        if !self.contrast_first {
            contrast(view, self.contrast);
        }
        if self.sigma > 0.0 {
            blur(view, side, self.sigma);
        }
    }
}

/// Changes each pixel. The result is clamped to black and white and rounded down, as in
/// torchvision.
fn change_pixels<P: Grey>(view: &mut [P], change: impl Fn(f32) -> f32) {
    for pixel in view {
        *pixel = P::floor(change((*pixel).into()).clamp(0.0, P::WHITE));
    }
}

/// Stretches the values so that the least becomes black and the largest white.
pub(super) fn autocontrast<P: Grey>(view: &mut [P]) {
    let (Some(&least), Some(&most)) = (view.iter().min(), view.iter().max()) else {
        return;
    };
    if most > least {
        let (least, most): (f32, f32) = (least.into(), most.into());
        let scale = P::WHITE / (most - least);
        change_pixels(view, |value| (value - least) * scale);
    }
}

fn contrast<P: Grey>(view: &mut [P], factor: f32) {
    if factor == 1.0 {
        return;
    }
    let value = |pixel: &P| f64::from(Into::<f32>::into(*pixel));
    let mean = (view.iter().map(value).sum::<f64>() / view.len() as f64) as f32;
    change_pixels(view, |value| factor * value + (1.0 - factor) * mean);
}

/// Blurs by a Gaussian of three standard deviations to each side. Beyond its edges the view is
/// mirrored, without repeating the edge.
fn blur<P: Grey>(view: &mut [P], side: usize, sigma: f32) {
    let reach = ((3.0 * sigma).ceil() as usize).min(side - 1);
    let weight = |distance: usize| (-0.5 * (distance as f32 / sigma).powi(2)).exp();
    let weights: Vec<f32> = (0..=reach).map(weight).collect();
    let total = weights[0] + 2.0 * weights[1..].iter().sum::<f32>();
    let weights: Vec<f32> = weights.iter().map(|w| w / total).collect();
    let mut line = vec![0.0; side + 2 * reach];
    // Blurs a line of values that lie `step` apart, from `start` on.
    let mut blur_line = |values: &mut [f32], start: usize, step: usize| {
        for (index, padded) in line.iter_mut().enumerate() {
            let from_edge = index.abs_diff(reach);
            let mirrored = from_edge.min((2 * (side - 1)).saturating_sub(from_edge));
            *padded = values[start + mirrored * step];
        }
        for index in 0..side {
            let middle = index + reach;
            let pairs = (1..=reach).map(|d| weights[d] * (line[middle - d] + line[middle + d]));
            values[start + index * step] = weights[0] * line[middle] + pairs.sum::<f32>();
        }
    };
    let mut values: Vec<f32> = view.iter().map(|pixel| (*pixel).into()).collect();
    for row in 0..side {
        blur_line(&mut values, row * side, 1);
    }
    for column in 0..side {
        blur_line(&mut values, column, side);
    }
    for (pixel, value) in view.iter_mut().zip(values) {
        *pixel = P::rounded(value.min(P::WHITE));
    }
}
