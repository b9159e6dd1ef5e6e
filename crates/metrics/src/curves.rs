//! ROC and precision-recall curves of labels with their bands, as an evaluation's folder holds
//! them.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Bootstrap, Patients};
use crate::classification::{Point, Ranking};
use crate::{Counts, Result};

/// Name of the file in an evaluation's folder.
pub const CURVES: &str = "curves.json";

/// The largest number of points of a curve.
const CURVE_POINTS: usize = 200;
/// Number of equal steps along x at whose ends a band has values.
const BAND_STEPS: usize = 50;

/// The curves of a label; `None` where a curve is undefined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelCurves {
    /// The label.
    pub label: String,
    /// Probability from which on the label is predicted present.
    pub threshold: Option<f32>,
    /// False positive rate and sensitivity.
    pub roc: Option<Vec<[f64; 2]>>,
    /// False positive rate, and the ends of the pointwise interval of [`Ranking::sensitivity_at`]
    /// by patients.
    #[serde(default)]
    pub roc_band: Option<Vec<[f64; 3]>>,
    /// Sensitivity and precision.
    pub precision_recall: Option<Vec<[f64; 2]>>,
    /// Sensitivity, and the ends of the pointwise interval of [`Ranking::precision_at`] by
    /// patients.
    #[serde(default)]
    pub precision_recall_band: Option<Vec<[f64; 3]>>,
}

impl LabelCurves {
    /// The curves of a label's scores on the samples of `patients`.
    ///
    /// # Errors
    /// If [`Bootstrap::band`] fails.
    pub fn new(
        label: &str,
        threshold: Option<f32>,
        ranking: &Ranking,
        patients: &Patients,
        bootstrap: &Bootstrap,
    ) -> Result<LabelCurves> {
        let xs: Vec<f64> = (0..=BAND_STEPS)
            .map(|i| i as f64 / BAND_STEPS as f64)
            .collect();
        let roc = |counts: Counts<'_>| ranking.sensitivity_at(&xs, counts);
        let precision_recall = |counts: Counts<'_>| ranking.precision_at(&xs, counts);
        let with_xs = |band: Option<Vec<[f64; 2]>>| {
            let ends = band?.into_iter().zip(&xs);
            Some(ends.map(|([low, high], x)| [*x, low, high]).collect())
        };
        Ok(LabelCurves {
            label: label.to_owned(),
            threshold,
            roc: ranking.roc_curve(CURVE_POINTS).map(points),
            roc_band: with_xs(bootstrap.band(patients, roc)?),
            precision_recall: ranking.precision_recall_curve(CURVE_POINTS).map(points),
            precision_recall_band: with_xs(bootstrap.band(patients, precision_recall)?),
        })
    }
}

fn points(curve: Vec<Point>) -> Vec<[f64; 2]> {
    curve.into_iter().map(|point| [point.x, point.y]).collect()
}
