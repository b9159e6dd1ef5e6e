//! ROC and precision-recall curves for reports.

use mflag_core::atomic;
use mflag_head::{Details, Result};
use mflag_metrics::curves::{CURVES, LabelCurves};

use crate::scores::Scores;

/// Writes the curves of each label.
pub(crate) fn write(
    scores: &Scores,
    Details {
        out,
        patients,
        bootstrap,
    }: Details<'_>,
) -> Result<()> {
    let fitted = &scores.fitted;
    let mut curves = Vec::with_capacity(fitted.labels.len());
    for (index, (label, ranking)) in fitted.labels.iter().zip(&scores.rankings).enumerate() {
        curves.push(LabelCurves::new(
            label,
            fitted.threshold(index),
            ranking,
            patients,
            bootstrap,
        )?);
    }
    Ok(atomic::write(&out.join(CURVES), |file| {
        serde_json::to_writer(&mut *file, &curves)?;
        writeln!(file)
    })?)
}
