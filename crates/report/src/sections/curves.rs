//! ROC and precision-recall curves.

use maud::{Markup, html};
use mflag_metrics::curves::LabelCurves;

use super::charts;
use crate::chart::{Axis, Chart, Rule, Series, Stroke};
use crate::page::Context;

/// Two charts per label; empty for a head without curves.
pub(super) fn curves(context: &Context, curves: &[LabelCurves]) -> Markup {
    let drawn: Vec<Markup> = curves
        .iter()
        .flat_map(|curves| {
            let roc_series = vec![roc_series(String::new(), curves)];
            [roc(&curves.label, roc_series), precision_recall(curves)]
        })
        .filter_map(|chart| chart.shown(&context.ids))
        .collect();
    let undefined: Vec<&str> = curves
        .iter()
        .filter(|c| c.roc.is_none())
        .map(|c| c.label.as_str())
        .collect();
    let without_band = !drawn.is_empty() && curves.iter().all(|c| c.roc_band.is_none());
    html! {
        @if !drawn.is_empty() {
            h4 { "ROC and precision-recall curves" }
            p class="soft" {
                @if without_band { "An older version made this run, without bands; run " code { "eval" } " to add them." }
                @else { "Bands are pointwise 95 % intervals by patients." }
            }
            (charts(&drawn))
        }
        @if !undefined.is_empty() {
            p class="soft" { "Labels without a ROC curve, as all films have the label or none has: " (undefined.join(", ")) "." }
        }
    }
}

/// The ROC chart of a label.
pub(super) fn roc(label: &str, series: Vec<Series>) -> Chart {
    Chart {
        title: format!("ROC, {label}"),
        x: Axis::new("false positive rate").range(0.0, 1.0),
        y: Axis::new("sensitivity").range(0.0, 1.0),
        series,
        rules: vec![Rule::Diagonal],
    }
}

/// The ROC curve of a label.
pub(super) fn roc_series(name: String, curves: &LabelCurves) -> Series {
    Series {
        name,
        points: curves.roc.clone().unwrap_or_default(),
        band: curves.roc_band.clone().unwrap_or_default(),
        stroke: Stroke::Plain,
        ..Series::default()
    }
}

fn precision_recall(curves: &LabelCurves) -> Chart {
    Chart {
        title: format!("Precision and recall, {}", curves.label),
        x: Axis::new("sensitivity (recall)").range(0.0, 1.0),
        y: Axis::new("precision").range(0.0, 1.0),
        series: vec![Series {
            points: curves.precision_recall.clone().unwrap_or_default(),
            band: curves.precision_recall_band.clone().unwrap_or_default(),
            stroke: Stroke::Plain,
            ..Series::default()
        }],
        rules: vec![],
    }
}
