//! Metrics of training and validation over time.

use maud::{Markup, html};
use mflag_core::table::Table;
use mflag_metrics::catalogue::{
    ALIGNMENT, COLLAPSED, MEAN_COSINE, Metric, RANK, RANK_PROJECTED, UNIFORMITY, is_of_label,
    split, title, unit,
};

use super::charts;
use crate::chart::{Axis, Chart, Series, Stroke};
use crate::number::short;
use crate::page::{Context, table};
use crate::run::{Curve, Run};

/// The metrics that the section of the latent space shows.
pub(super) const OF_LATENT: [Metric; 6] = [
    ALIGNMENT,
    UNIFORMITY,
    MEAN_COSINE,
    RANK,
    RANK_PROJECTED,
    COLLAPSED,
];

/// Curves of validation and training, and validation as a table.
pub(super) fn training(context: &Context, run: &Run) -> Markup {
    let validation = families(&run.metrics.validation)
        .into_iter()
        .filter(|(family, _)| OF_LATENT.iter().all(|metric| metric.key != *family));
    let validation: Vec<Markup> = validation
        .filter_map(|(family, members)| by_epoch(context, family, &members))
        .collect();
    let training: Vec<Markup> = run
        .metrics
        .train
        .iter()
        .filter_map(|curve| by_step(context, curve))
        .collect();
    html! {
        @if !validation.is_empty() {
            h3 { "Validation" }
            (charts(&validation))
            (by_epochs(context, run))
        }
        @if !training.is_empty() {
            h3 { "Training" }
            (charts(&training))
        }
    }
}

/// Curves by the family of their metric, without those of single labels.
pub(super) fn families(curves: &[Curve]) -> Vec<(&str, Vec<&Curve>)> {
    let mut families: Vec<(&str, Vec<&Curve>)> = Vec::new();
    for curve in curves.iter().filter(|c| !is_of_label(&c.metric)) {
        let (family, _) = split(&curve.metric);
        match families.iter_mut().find(|(name, _)| *name == family) {
            Some((_, members)) => members.push(curve),
            None => families.push((family, vec![curve])),
        }
    }
    families
}

/// A chart of the metrics of a family by epoch; `None` without a value.
fn by_epoch(context: &Context, family: &str, members: &[&Curve]) -> Option<Markup> {
    let series = members.iter().map(|curve| Series {
        name: split(&curve.metric)
            .1
            .map_or(String::new(), |member| format!("@{member}")),
        points: curve.points.clone(),
        ..Series::default()
    });
    validation(family, series.collect()).shown(&context.ids)
}

/// A chart of a metric of validation by epoch.
pub(super) fn validation(metric: &str, series: Vec<Series>) -> Chart {
    Chart {
        title: format!("{}, validation", title(metric)),
        x: Axis::new("epoch").tight(),
        y: Axis::new(unit(metric)),
        series,
        rules: vec![],
    }
}

/// A chart of a metric of training by step; `None` without a value. A loss with a wide range has a
/// logarithmic axis.
fn by_step(context: &Context, curve: &Curve) -> Option<Markup> {
    let positive = curve.points.iter().all(|p| p[1] > 0.0);
    let spread = |points: &[[f64; 2]]| {
        let values = || points.iter().map(|p| p[1]).filter(|v| v.is_finite());
        values().fold(0.0, f64::max) / values().fold(f64::INFINITY, f64::min)
    };
    let y = Axis::new(unit(&curve.metric));
    let wide = curve.metric.ends_with("loss") && positive && spread(&curve.points) > 30.0;
    let chart = Chart {
        title: format!("{}, training", title(&curve.metric)),
        x: Axis::new("optimiser step").tight(),
        y: if wide { y.log() } else { y },
        series: vec![Series {
            points: curve.points.clone(),
            stroke: Stroke::Plain,
            ..Series::default()
        }],
        rules: vec![],
    };
    chart.shown(&context.ids)
}

/// A table of all metrics of validation by epoch.
fn by_epochs(context: &Context, run: &Run) -> Markup {
    let curves = &run.metrics.validation;
    let mut epochs: Vec<f64> = curves
        .iter()
        .flat_map(|c| c.points.iter().map(|p| p[0]))
        .collect();
    epochs.sort_by(f64::total_cmp);
    epochs.dedup();
    let head: Vec<&str> = std::iter::once("epoch")
        .chain(curves.iter().map(|c| c.metric.as_str()))
        .collect();
    let mut rows = Table::new(&head);
    for epoch in epochs {
        let value = |curve: &Curve| {
            let point = curve.points.iter().rfind(|p| p[0] == epoch);
            point.map_or(String::new(), |p| short(p[1]))
        };
        rows.row(std::iter::once(epoch.to_string()).chain(curves.iter().map(value)));
    }
    html! {
        details {
            summary { "Validation, epoch by epoch" }
            (table(context, &format!("Validation of {}", run.name), &rows))
        }
    }
}
