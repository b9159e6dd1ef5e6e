//! ROC and precision-recall curves of labels, with their bands, as they lie in a folder.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Bootstrap, Patients};
use crate::classification::{Point, Ranking};
use crate::{Counts, Result};

/// The file's name in the folder of an evaluation.
pub const CURVES: &str = "curves.json";

/// Points of a curve, at most.
const MOST: usize = 200;
/// Places along x where a band has its ends.
const PLACES: usize = 50;

/// The curves of a label; `None` where they are undefined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelCurves {
    /// The label.
    pub label: String,
    /// The probability from which on it is called present.
    pub threshold: Option<f32>,
    /// Rate of false positives, sensitivity.
    pub roc: Option<Vec<[f64; 2]>>,
    /// Rate of false positives, and the ends of the pointwise interval of [`Ranking::sensitivity_at`], by patient.
    #[serde(default)]
    pub roc_band: Option<Vec<[f64; 3]>>,
    /// Sensitivity, precision.
    pub precision_recall: Option<Vec<[f64; 2]>>,
    /// Sensitivity, and the ends of the pointwise interval of [`Ranking::precision_at`], by patient.
    #[serde(default)]
    pub precision_recall_band: Option<Vec<[f64; 3]>>,
}

impl LabelCurves {
    /// Of a label's scores on the samples of `patients`.
    ///
    /// # Errors
    /// Those of [`Bootstrap::band`].
    pub fn new(
        label: &str,
        threshold: Option<f32>,
        ranking: &Ranking,
        patients: &Patients,
        bootstrap: &Bootstrap,
    ) -> Result<LabelCurves> {
        let places: Vec<f64> = (0..=PLACES).map(|i| i as f64 / PLACES as f64).collect();
        let roc = |counts: Counts<'_>| ranking.sensitivity_at(&places, counts);
        let precision_recall = |counts: Counts<'_>| ranking.precision_at(&places, counts);
        let with_places = |band: Option<Vec<[f64; 2]>>| {
            let ends = band?.into_iter().zip(&places);
            Some(ends.map(|([low, high], x)| [*x, low, high]).collect())
        };
        Ok(LabelCurves {
            label: label.to_owned(),
            threshold,
            roc: ranking.roc_curve(MOST).map(points),
            roc_band: with_places(bootstrap.band(patients, roc)?),
            precision_recall: ranking.precision_recall_curve(MOST).map(points),
            precision_recall_band: with_places(bootstrap.band(patients, precision_recall)?),
        })
    }
}

fn points(curve: Vec<Point>) -> Vec<[f64; 2]> {
    curve.into_iter().map(|point| [point.x, point.y]).collect()
}
