//! ROC and precision-recall curves for reports.

use std::path::Path;

use mflag_core::atomic;
use mflag_head::Result;
use mflag_metrics::classification::{Point, Ranking};
use serde::Serialize;

use crate::scores::Scores;

/// The file's name in the folder of an evaluation.
const CURVES: &str = "curves.json";

/// Points of a curve, at most.
const MOST: usize = 200;

/// The curves of a label; `None` where they are undefined.
#[derive(Debug, Serialize)]
struct Curves<'a> {
    label: &'a str,
    /// The probability from which on it is called present.
    threshold: Option<f32>,
    /// Rate of false positives, sensitivity.
    roc: Option<Vec<[f64; 2]>>,
    /// Sensitivity, precision.
    precision_recall: Option<Vec<[f64; 2]>>,
}

/// Writes the curves of each label into the folder `out`.
pub(crate) fn write(scores: &Scores, out: &Path) -> Result<()> {
    let of_label = |(label, ranking): (usize, &Ranking)| Curves {
        label: &scores.facts.labels[label],
        threshold: scores.facts.thresholds.as_ref().map(|t| t[label]),
        roc: ranking.roc_curve(MOST).as_deref().map(places),
        precision_recall: ranking.precision_recall_curve(MOST).as_deref().map(places),
    };
    let curves: Vec<Curves<'_>> = scores.rankings.iter().enumerate().map(of_label).collect();
    Ok(atomic::write(&out.join(CURVES), |file| {
        serde_json::to_writer(&mut *file, &curves)?;
        writeln!(file)
    })?)
}

fn places(curve: &[Point]) -> Vec<[f64; 2]> {
    curve.iter().map(|point| [point.x, point.y]).collect()
}
