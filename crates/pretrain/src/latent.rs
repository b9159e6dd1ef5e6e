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

/// Metrics of validation pairs by name. `groups[i]` is the same number for pairs with the same text.
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
pub fn describe(latents: &Latents, groups: &[u32]) -> Result<Vec<(String, f64)>> {
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
    let mean = (!recalls.is_empty()).then(|| recalls.iter().sum::<f64>() / recalls.len() as f64);
    let geometry = [
        (MONITORED, mean),
        ("alignment", latent::alignment(films.view(), reports.view())),
        ("uniformity", latent::uniformity(films.view())),
        ("mean_cosine", latent::mean_cosine(films.view())),
        ("rank", rank(&latents.pooled)?),
        ("rank_projected", rank(&latents.films)?),
    ];
    metrics.extend(
        geometry
            .into_iter()
            .filter_map(|(name, v)| Some((name.to_owned(), v?))),
    );
    Ok(metrics)
}

/// Effective rank of the rows of `x`, `[n, d]`, about their mean; none if a value is not finite.
fn rank(x: &Tensor) -> Result<Option<f64>> {
    let x = x.to_kind(Kind::Double);
    if !bool::try_from(x.isfinite().all())? {
        return Ok(None);
    }
    let centred = &x - x.f_mean_dim([0i64].as_slice(), true, Kind::Double)?;
    let spectrum = Vec::<f64>::try_from(centred.f_svd(true, false)?.1)?;
    Ok(latent::effective_rank(&spectrum))
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
