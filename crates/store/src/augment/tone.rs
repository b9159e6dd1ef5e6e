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
    let changed = |value: f32| P::floor(change(value).clamp(0.0, P::WHITE));
    if P::WHITE <= 255.0 {
        // Fewer values than pixels: each is changed once.
        let table: [P; 256] = std::array::from_fn(|value| changed(value as f32));
        for pixel in view {
            let value: u16 = (*pixel).into();
            *pixel = table[usize::from(value)];
        }
        return;
    }
    for pixel in view {
        *pixel = changed((*pixel).into());
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
    let value = |pixel: &P| u64::from(Into::<u16>::into(*pixel));
    let sum: u64 = view.iter().map(value).sum();
    let mean = (sum as f64 / view.len() as f64) as f32;
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

    let mut values: Vec<f32> = view.iter().map(|pixel| (*pixel).into()).collect();
    let mut line = vec![0.0; side + 2 * reach];
    let mut sum = vec![0.0; side];
    for row in values.chunks_exact_mut(side) {
        for (index, padded) in line.iter_mut().enumerate() {
            *padded = row[mirrored(index, reach, side)];
        }
        let shifted = |by: usize| &line[by..][..side];
        let pair = |distance: usize| (shifted(reach - distance), shifted(reach + distance));
        weigh(&weights, shifted(reach), pair, &mut sum);
        row.copy_from_slice(&sum);
    }
    for (row, pixels) in view.chunks_exact_mut(side).enumerate() {
        let at = |index: usize| &values[mirrored(index, reach, side) * side..][..side];
        let middle = row + reach;
        let pair = |distance: usize| (at(middle - distance), at(middle + distance));
        weigh(&weights, at(middle), pair, &mut sum);
        for (pixel, value) in pixels.iter_mut().zip(&sum) {
            *pixel = P::rounded(value.min(P::WHITE));
        }
    }
}

/// The index in a line of `side` values of a place in the line that is mirrored at both ends, where
/// `reach` places come before the first value.
fn mirrored(place: usize, reach: usize, side: usize) -> usize {
    let from_first = place.abs_diff(reach);
    from_first.min((2 * (side - 1)).saturating_sub(from_first))
}

/// Writes the weighted sum of `middle` and of the two lines at each distance from it into `sum`.
fn weigh<'a>(
    weights: &[f32],
    middle: &[f32],
    pair: impl Fn(usize) -> (&'a [f32], &'a [f32]),
    sum: &mut [f32],
) {
    sum.fill(0.0);
    for (distance, weight) in weights.iter().enumerate().skip(1) {
        let (before, after) = pair(distance);
        for ((sum, before), after) in sum.iter_mut().zip(before).zip(after) {
            *sum += weight * (before + after);
        }
    }
    for (sum, value) in sum.iter_mut().zip(middle) {
        *sum += weights[0] * value;
    }
}
