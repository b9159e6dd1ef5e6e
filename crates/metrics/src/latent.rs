//! Geometry of a latent space: how evenly points fill it, and whether it has collapsed.

use ndarray::{ArrayView2, Axis};

/// The largest number of points of a thinned spectrum.
const SPECTRUM_POINTS: usize = 64;
/// Singular values below this share of the largest are rounding noise of f32, and become 0.
const NOISE: f64 = 1e-6;

/// Effective rank of a spectrum: `exp(H(p))`, where `p_i = s_i / Σ s` are the normalised singular
/// values (Roy & Vetterli, "The effective rank", EUSIPCO 2007). It is 1 for a single direction and
/// `n` for `n` equal ones.
///
/// `None` if no value is positive (all points are identical), or a value is not finite.
pub fn effective_rank(singular_values: &[f64]) -> Option<f64> {
    let total: f64 = singular_values.iter().sum();
    if !total.is_finite() || total <= 0.0 {
        return None;
    }
    let entropy: f64 = singular_values
        .iter()
        .map(|s| s / total)
        .filter(|p| *p > 0.0)
        .map(|p| -p * p.ln())
        .sum();
    Some(entropy.exp())
}

/// Alignment of pairs: the mean squared distance of row `i` of `a` to row `i` of `b`, both `[n, d]`
/// with unit rows (Wang & Isola, ICML 2020, α = 2). From 0, the best, to 4. `None` without rows, or
/// if the shapes differ.
pub fn alignment(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Option<f64> {
    if a.nrows() == 0 || a.dim() != b.dim() {
        return None;
    }
    let total: f64 = a
        .axis_iter(Axis(0))
        .zip(b.axis_iter(Axis(0)))
        .map(|(x, y)| 2.0 - 2.0 * f64::from(x.dot(&y)))
        .sum();
    Some(total / a.nrows() as f64)
}

/// Uniformity on the sphere: `ln mean_{i<j} exp(−2 ‖x_i − x_j‖²)` over the unit rows of `x`, `[n,
/// d]` (Wang & Isola, ICML 2020, t = 2). It is 0 if all points coincide; the lower it is, the more
/// evenly the points cover the sphere. `None` for fewer than two rows.
pub fn uniformity(x: ArrayView2<'_, f32>) -> Option<f64> {
    let n = x.nrows();
    if n < 2 {
        return None;
    }
    let similarity = x.dot(&x.t());
    let mut total = 0.0;
    for i in 0..n {
        for j in i + 1..n {
            total += (-2.0 * (2.0 - 2.0 * f64::from(similarity[[i, j]]))).exp();
        }
    }
    Some((total / (n * (n - 1) / 2) as f64).ln())
}

/// Mean cosine of all pairs of different unit rows of `x`, `[n, d]`. It is 1 if all points
/// coincide, and near 0 if they cover the sphere evenly. The cost is linear in `n`, since `Σ_ij
/// x_i·x_j = ‖Σ x_i‖²`. `None` for fewer than two rows.
pub fn mean_cosine(x: ArrayView2<'_, f32>) -> Option<f64> {
    let n = x.nrows() as f64;
    if x.nrows() < 2 {
        return None;
    }
    let sum = x.mapv(f64::from).sum_axis(Axis(0));
    let own: f64 = x.iter().map(|v| f64::from(*v).powi(2)).sum();
    Some((sum.dot(&sum) - own) / (n * (n - 1.0)))
}

/// A spectrum for a chart: rank, counted from 1, and singular value as a share of the largest, with
/// four digits. The largest value is the first. Of a long spectrum up to 64 ranks are kept, with
/// about equal ratios between them. Empty if no value is positive.
pub fn thin_spectrum(singular_values: &[f64]) -> Vec<[f64; 2]> {
    let largest = singular_values.first().copied().unwrap_or(0.0);
    if largest.is_nan() || largest <= 0.0 {
        return Vec::new();
    }
    let rank = |point: usize| {
        let exponent = point as f64 / (SPECTRUM_POINTS - 1) as f64;
        (singular_values.len() as f64).powf(exponent).round() as usize
    };
    let mut ranks: Vec<usize> = (0..SPECTRUM_POINTS).map(rank).collect();
    ranks.dedup();
    let point = |rank: usize| {
        let share = singular_values[rank - 1] / largest;
        // Formatted and parsed again, which gives the nearest number with four digits.
        let rounded = format!("{share:.3e}").parse().unwrap_or(share);
        [rank as f64, if share < NOISE { 0.0 } else { rounded }]
    };
    ranks.into_iter().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn the_rank_of_equal_values_is_their_number() {
        assert!((effective_rank(&[2.0; 7]).unwrap() - 7.0).abs() < 1e-12);
        assert!((effective_rank(&[5.0, 0.0, 0.0]).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(effective_rank(&[0.0, 0.0]), None);
        assert_eq!(effective_rank(&[f64::NAN]), None);
    }

    #[test]
    fn a_collapsed_space_has_extreme_values() {
        let x: Array2<f32> = array![[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]];
        assert_eq!(uniformity(x.view()), Some(0.0));
        assert_eq!(mean_cosine(x.view()), Some(1.0));
        assert_eq!(alignment(x.view(), x.view()), Some(0.0));
        assert_eq!(uniformity(x.slice(ndarray::s![..1, ..])), None);
    }

    #[test]
    fn a_thinned_spectrum_keeps_its_ends() {
        assert_eq!(thin_spectrum(&[8.0, 6.0]), [[1.0, 1.0], [2.0, 0.75]]);
        assert_eq!(thin_spectrum(&[2.0, 1e-9]), [[1.0, 1.0], [2.0, 0.0]]);
        assert!(thin_spectrum(&[]).is_empty() && thin_spectrum(&[f64::NAN]).is_empty());
        let values: Vec<f64> = (1..=2048).map(|i| 1.0 / f64::from(i)).collect();
        let kept = thin_spectrum(&values);
        assert!(
            (41..=SPECTRUM_POINTS).contains(&kept.len()),
            "{}",
            kept.len()
        );
        assert_eq!(kept[0], [1.0, 1.0]);
        assert_eq!(kept[kept.len() - 1], [2048.0, 0.000_488_3]);
        assert!(kept.windows(2).all(|w| w[0][0] < w[1][0]));
    }
}
