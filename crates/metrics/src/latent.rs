//! Geometry of a latent space: how round it is, and whether it has collapsed.

use ndarray::{ArrayView2, Axis};

/// Effective rank of a spectrum: `exp(H(p))` with `p_i = s_i / Σ s` the normalised singular values
/// (Roy & Vetterli, "The effective rank", EUSIPCO 2007). 1 for a single direction, `n` for `n` equal ones.
///
/// `None` if no value is positive or one is not finite: a space of identical points has no rank.
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

/// Alignment of pairs: the mean squared distance of row `i` of `a` to row `i` of `b`, both `[n, d]` with unit rows
/// (Wang & Isola, ICML 2020, α = 2). 0 is perfect, 4 the worst. `None` without rows.
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

/// Uniformity on the sphere: `ln mean_{i<j} exp(−2 ‖x_i − x_j‖²)` over the unit rows of `x`, `[n, d]`
/// (Wang & Isola, ICML 2020, t = 2). 0 when all points coincide, lower is rounder. `None` with fewer than two rows.
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

/// Mean cosine of all pairs of different unit rows of `x`, `[n, d]`: 1 when all points coincide, near 0 for a round
/// cloud. Linear in `n`, since `Σ_ij x_i·x_j = ‖Σ x_i‖²`. `None` with fewer than two rows.
pub fn mean_cosine(x: ArrayView2<'_, f32>) -> Option<f64> {
    let n = x.nrows() as f64;
    if x.nrows() < 2 {
        return None;
    }
    let sum = x.mapv(f64::from).sum_axis(Axis(0));
    let own: f64 = x.iter().map(|v| f64::from(*v).powi(2)).sum();
    Some((sum.dot(&sum) - own) / (n * (n - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn rank_of_equal_values_is_their_number() {
        assert!((effective_rank(&[2.0; 7]).unwrap() - 7.0).abs() < 1e-12);
        assert!((effective_rank(&[5.0, 0.0, 0.0]).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(effective_rank(&[0.0, 0.0]), None);
        assert_eq!(effective_rank(&[f64::NAN]), None);
    }

    #[test]
    fn a_collapsed_space_is_seen() {
        let x: Array2<f32> = array![[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]];
        assert_eq!(uniformity(x.view()), Some(0.0));
        assert_eq!(mean_cosine(x.view()), Some(1.0));
        assert_eq!(alignment(x.view(), x.view()), Some(0.0));
        assert_eq!(uniformity(x.slice(ndarray::s![..1, ..])), None);
    }
}
