//! What validation measures: how well films and reports find each other, and the shape of the latent space.

use mflag_metrics::{latent, retrieval};
use ndarray::Array2;
use tch::{Kind, Tensor};

use crate::error::Result;
use crate::loss::{full, unit_rows};
use crate::model::Latents;

/// The k of recall@k.
const KS: [usize; 3] = [1, 5, 10];

/// The validation metric that chooses the best checkpoint.
pub const MONITORED: &str = "recall_mean";

/// Points of a spectrum that are kept, at most.
const KEPT: usize = 64;
/// Singular values below this share of the largest are noise of f32, and told as 0.
const NOISE: f64 = 1e-6;

/// What validation pairs say of the latent space.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// Metrics by name.
    pub metrics: Vec<(String, f64)>,
    /// Singular values of the encoder's pooled output, centred: rank from 1, and value as a share of the largest; the further down the
    /// wider apart. Empty if one is not a number.
    pub spectrum: Vec<[f64; 2]>,
}

/// Metrics of validation pairs by name, and the spectrum. `groups[i]` is the same number for pairs with the same text.
///
/// - `film_to_report@k`, `report_to_film@k`: recall, see [`retrieval::recall`]; `recall_mean`: the mean of all six.
/// - `alignment` (0 to 4, lower is better), `uniformity` of the projected films (0 or lower, lower is rounder).
/// - `rank`: effective rank of the encoder's pooled output, centred; `rank_projected`: of the projected films.
/// - `mean_cosine`: between different projected films; near 1 the space has collapsed.
///
/// A metric that is undefined is left out; recall of latents that are not numbers is 0.
///
/// # Errors
/// libtorch's own.
pub fn describe(latents: &Latents, groups: &[u32]) -> Result<Described> {
    let films = to_array(&unit_rows(&full(&latents.films)))?;
    let reports = to_array(&unit_rows(&full(&latents.reports)))?;
    let mut metrics: Vec<(String, f64)> = Vec::new();
    let mut recalls = Vec::new();
    for (name, queries, gallery) in [
        ("film_to_report", &films, &reports),
        ("report_to_film", &reports, &films),
    ] {
        let recall = retrieval::recall(queries.view(), gallery.view(), groups, groups, &KS);
        for (k, value) in KS.iter().zip(recall.unwrap_or_default()) {
            metrics.push((format!("{name}@{k}"), value));
            recalls.push(value);
        }
    }
    let spectrum = singular_values(&latents.pooled)?;
    let projected = singular_values(&latents.films)?;
    let mean = (!recalls.is_empty()).then(|| recalls.iter().sum::<f64>() / recalls.len() as f64);
    let geometry = [
        (MONITORED, mean),
        ("alignment", latent::alignment(films.view(), reports.view())),
        ("uniformity", latent::uniformity(films.view())),
        ("mean_cosine", latent::mean_cosine(films.view())),
        ("rank", latent::effective_rank(&spectrum)),
        ("rank_projected", latent::effective_rank(&projected)),
    ];
    metrics.extend(
        geometry
            .into_iter()
            .filter_map(|(name, v)| Some((name.to_owned(), v?))),
    );
    Ok(Described {
        metrics,
        spectrum: thinned(&spectrum),
    })
}

/// Singular values of the rows of `x`, `[n, d]`, about their mean, the largest first; none if a value is not finite.
fn singular_values(x: &Tensor) -> Result<Vec<f64>> {
    let x = x.to_kind(Kind::Double);
    if !bool::try_from(x.isfinite().all())? {
        return Ok(Vec::new());
    }
    let centred = &x - x.f_mean_dim([0i64].as_slice(), true, Kind::Double)?;
    Ok(Vec::<f64>::try_from(centred.f_svd(true, false)?.1)?)
}

/// A spectrum at up to [`KEPT`] ranks whose ratios are about equal, in four digits.
fn thinned(values: &[f64]) -> Vec<[f64; 2]> {
    let largest = values.first().copied().unwrap_or(0.0);
    if largest <= 0.0 {
        return Vec::new();
    }
    let rank = |place: usize| {
        let share = place as f64 / (KEPT - 1) as f64;
        (values.len() as f64).powf(share).round() as usize
    };
    let mut ranks: Vec<usize> = (0..KEPT).map(rank).collect();
    ranks.dedup();
    let point = |rank: usize| {
        let share = values[rank - 1] / largest;
        // Through text: the nearest number of so few digits.
        let digits = format!("{share:.3e}").parse().unwrap_or(share);
        [rank as f64, if share < NOISE { 0.0 } else { digits }]
    };
    ranks.into_iter().map(point).collect()
}

fn to_array(x: &Tensor) -> Result<Array2<f32>> {
    let x = x
        .to_device(tch::Device::Cpu)
        .to_kind(Kind::Float)
        .contiguous();
    let (n, d) = x.size2()?;
    let values = Vec::<f32>::try_from(x.flatten(0, 1))?;
    Array2::from_shape_vec((n as usize, d as usize), values)
        .map_err(|e| crate::error::Error::Data(format!("latents of an impossible shape: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spectrum_is_that_of_the_centred_rows() {
        // Rows ±3 e1, ±4 e2 about (5, 5): singular values 4√2 and 3√2.
        let rows = [[8.0, 5.0], [2.0, 5.0], [5.0, 9.0], [5.0, 1.0]];
        let values = singular_values(&Tensor::from_slice2(&rows)).unwrap();
        let expected = [4.0 * 2f64.sqrt(), 3.0 * 2f64.sqrt()];
        let near = values
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near && values.len() == 2, "{values:?}");
        assert_eq!(thinned(&values), [[1.0, 1.0], [2.0, 0.75]]);
        assert_eq!(thinned(&[2.0, 1e-9]), [[1.0, 1.0], [2.0, 0.0]]);
        let torn = singular_values(&Tensor::from_slice2(&[[f64::NAN, 1.0], [0.0, 1.0]])).unwrap();
        assert!(torn.is_empty() && thinned(&torn).is_empty());
    }

    #[test]
    fn a_long_spectrum_keeps_its_ends() {
        let values: Vec<f64> = (1..=2048).map(|i| 1.0 / f64::from(i)).collect();
        let kept = thinned(&values);
        assert!(kept.len() <= KEPT && kept.len() > 40, "{}", kept.len());
        assert_eq!(
            (kept[0], kept[kept.len() - 1]),
            ([1.0, 1.0], [2048.0, 0.000_488_3])
        );
        assert!(kept.windows(2).all(|w| w[0][0] < w[1][0]));
    }
}
