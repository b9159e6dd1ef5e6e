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
    let facts = &scores.facts;
    let mut curves = Vec::with_capacity(facts.labels.len());
    for (place, (label, ranking)) in facts.labels.iter().zip(&scores.rankings).enumerate() {
        let threshold = facts.thresholds.as_ref().map(|t| t[place]);
        curves.push(LabelCurves::new(
            label, threshold, ranking, patients, bootstrap,
        )?);
    }
    Ok(atomic::write(&out.join(CURVES), |file| {
        serde_json::to_writer(&mut *file, &curves)?;
        writeln!(file)
    })?)
}
