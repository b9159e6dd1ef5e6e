//! ROC and precision-recall curves.

use maud::{Markup, html};
use mflag_metrics::curves::LabelCurves;

use super::charts;
use crate::chart::{Axis, Chart, Rule, Series, Stroke};
use crate::page::Context;

/// A pair of charts a label; nothing of a head without curves.
pub(super) fn curves(context: &Context, curves: &[LabelCurves]) -> Markup {
    let drawn: Vec<Markup> = curves
        .iter()
        .flat_map(|of_label| {
            let label = &of_label.label;
            [
                roc(label, vec![roc_series(String::new(), of_label)]),
                precision_recall(of_label),
            ]
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
                @if without_band { "This run kept no bands; " code { "eval" } " of this version writes them." }
                @else { "Bands are pointwise 95 % intervals by patients." }
            }
            (charts(&drawn))
        }
        @if !undefined.is_empty() {
            p class="soft" { "Without a ROC curve, as films of both kinds are missing: " (undefined.join(", ")) "." }
        }
    }
}

/// A ROC chart of one label.
pub(super) fn roc(label: &str, series: Vec<Series>) -> Chart {
    Chart {
        title: format!("ROC, {label}"),
        x: Axis::new("rate of false positives").range(0.0, 1.0),
        y: Axis::new("sensitivity").range(0.0, 1.0),
        series,
        rules: vec![Rule::Diagonal],
    }
}

/// A label's ROC curve.
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
