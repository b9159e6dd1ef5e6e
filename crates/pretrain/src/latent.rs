//! The validation metrics: how well films and reports retrieve each other, and the shape of the
//! latent space.

use mflag_metrics::catalogue::{
    ALIGNMENT, FILM_TO_REPORT, MEAN_COSINE, RANK, RANK_PROJECTED, RECALL_MEAN, REPORT_TO_FILM,
    UNIFORMITY,
};
use mflag_metrics::{latent, retrieval};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::arrays::to_array2;
use crate::error::{Error, Result};
use crate::loss::{full, unit_rows};
use crate::model::Latents;

/// The k of recall@k.
const KS: [usize; 3] = [1, 5, 10];

/// The validation metric that selects the best checkpoint.
pub const MONITORED: &str = RECALL_MEAN.key;

/// Metrics and spectrum of the validation pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Metrics by name.
    pub metrics: Vec<(String, f64)>,
    /// Singular values of the encoder's pooled output, centred: rank (from 1) and value as a share
    /// of the largest. Ranks are spaced evenly on a logarithmic scale. Empty if a value is not
    /// finite.
    pub spectrum: Vec<[f64; 2]>,
}

/// What [`Measured::to_bytes`] writes: JSON has neither NaN nor infinity, so values are bits.
#[derive(Serialize, Deserialize)]
struct Bits {
    metrics: Vec<(String, u64)>,
    spectrum: Vec<[u64; 2]>,
}

impl Measured {
    /// The same values as bytes, for other processes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let metrics = self.metrics.iter();
        let bits = Bits {
            metrics: metrics
                .map(|(name, v)| (name.clone(), v.to_bits()))
                .collect(),
            spectrum: self
                .spectrum
                .iter()
                .map(|point| point.map(f64::to_bits))
                .collect(),
        };
        serde_json::to_vec(&bits).unwrap_or_default()
    }

    /// Reads what [`Measured::to_bytes`] wrote.
    ///
    /// # Errors
    /// If the bytes are not from there.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Measured> {
        let bits: Bits = serde_json::from_slice(bytes)
            .map_err(|e| Error::Data(format!("the metrics of rank 0 cannot be read: {e}")))?;
        let metrics = bits.metrics.into_iter();
        Ok(Measured {
            metrics: metrics
                .map(|(name, bits)| (name, f64::from_bits(bits)))
                .collect(),
            spectrum: bits
                .spectrum
                .into_iter()
                .map(|point| point.map(f64::from_bits))
                .collect(),
        })
    }
}

/// Measures the validation pairs. Pairs with the same text have the same number in `groups`.
///
/// - `film_to_report@k`, `report_to_film@k`: recall, see [`retrieval::recall`]; `recall_mean`: the
///   mean of all six.
/// - `alignment` (0 to 4, lower is better); `uniformity` of the projected films (at most 0, lower
///   is more uniform).
/// - `rank`: effective rank of the encoder's pooled output, centred; `rank_projected`: of the
///   projected films.
/// - `mean_cosine`: mean cosine between different projected films. Near 1, the space has collapsed.
///
/// Undefined metrics are left out. The recall of latents that are not finite is 0.
///
/// # Errors
/// If the singular values do not converge.
pub fn measure(latents: &Latents, groups: &[u32]) -> Result<Measured> {
    let films = to_array2(&unit_rows(&full(&latents.films)))?;
    let reports = to_array2(&unit_rows(&full(&latents.reports)))?;
    let mut metrics: Vec<(String, f64)> = Vec::new();
    let mut recalls = Vec::new();
    for (metric, queries, gallery) in [
        (FILM_TO_REPORT, &films, &reports),
        (REPORT_TO_FILM, &reports, &films),
    ] {
        let recall = retrieval::recall(queries.view(), gallery.view(), groups, groups, &KS);
        for (k, value) in KS.iter().zip(recall.unwrap_or_default()) {
            metrics.push((metric.at(*k), value));
            recalls.push(value);
        }
    }
    let spectrum = singular_values(&latents.pooled)?;
    let projected = singular_values(&latents.films)?;
    let mean = (!recalls.is_empty()).then(|| recalls.iter().sum::<f64>() / recalls.len() as f64);
    let geometry = [
        (RECALL_MEAN.key, mean),
        (
            ALIGNMENT.key,
            latent::alignment(films.view(), reports.view()),
        ),
        (UNIFORMITY.key, latent::uniformity(films.view())),
        (MEAN_COSINE.key, latent::mean_cosine(films.view())),
        (RANK.key, latent::effective_rank(&spectrum)),
        (RANK_PROJECTED.key, latent::effective_rank(&projected)),
    ];
    metrics.extend(
        geometry
            .into_iter()
            .filter_map(|(name, v)| Some((name.to_owned(), v?))),
    );
    Ok(Measured {
        metrics,
        spectrum: latent::thin_spectrum(&spectrum),
    })
}

/// Singular values of the centred rows of `x`, `[n, d]`, largest first. Empty if a value is not
/// finite.
fn singular_values(x: &Tensor) -> Result<Vec<f64>> {
    let x = x.to_kind(Kind::Double);
    if !bool::try_from(x.isfinite().all())? {
        return Ok(Vec::new());
    }
    let centred = &x - x.f_mean_dim([0i64].as_slice(), true, Kind::Double)?;
    Ok(Vec::<f64>::try_from(centred.f_svd(true, false)?.1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_values_pass_between_processes_bit_for_bit() {
        let measured = Measured {
            metrics: vec![("a".into(), 0.1), ("b".into(), f64::INFINITY)],
            spectrum: vec![[1.0, 1.0 / 3.0]],
        };
        assert_eq!(
            Measured::from_bytes(&measured.to_bytes()).unwrap(),
            measured
        );
        assert!(Measured::from_bytes(b"").is_err());
    }

    #[test]
    fn the_spectrum_is_that_of_the_centred_rows() {
        // Rows ±3 e1, ±4 e2 around (5, 5): singular values 4√2 and 3√2.
        let rows = [[8.0, 5.0], [2.0, 5.0], [5.0, 9.0], [5.0, 1.0]];
        let values = singular_values(&Tensor::from_slice2(&rows)).unwrap();
        let expected = [4.0 * 2f64.sqrt(), 3.0 * 2f64.sqrt()];
        let near = values
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near && values.len() == 2, "{values:?}");
        let nan = singular_values(&Tensor::from_slice2(&[[f64::NAN, 1.0], [0.0, 1.0]])).unwrap();
        assert!(nan.is_empty());
    }
}
