//! A comparison of several runs.

use std::collections::BTreeMap;

use maud::{Markup, html};
use mflag_core::config::dotted_keys;
use mflag_core::table::Table;
use mflag_metrics::bootstrap::{Difference, LEVEL};
use mflag_metrics::catalogue::{is_of_label, is_share, title, title_with_note};
use mflag_metrics::evaluation::{Estimate, Evaluation};
use serde_json::Value;

use super::about::plain_text;
use super::charts;
use super::curves::{roc, roc_series};
use super::training::{families, validation};
use crate::chart::{Axis, Intervals, Row, Series};
use crate::experiment::distinct;
use crate::number::{short, with_interval};
use crate::page::{Context, Section, table};
use crate::run::{EvaluationFolder, Run};

/// A run with its main evaluation.
type Evaluated<'a> = (&'a Run, &'a Evaluation);

/// What the runs have in common, and where they differ.
pub(crate) fn comparison(context: &Context, runs: &[Run]) -> Section {
    let evaluated: Vec<Evaluated<'_>> = runs
        .iter()
        .filter_map(|run| Some((run, &main_evaluation(run)?.evaluation)))
        .collect();
    let body = html! {
        (metrics(context, &evaluated))
        (differences(context, &evaluated))
        (over_time(context, runs))
        (roc_curves(context, runs))
        (configurations(context, runs))
    };
    Section {
        title: "Comparison".into(),
        body,
    }
}

/// The evaluation that represents a run: on the test split, or else its first.
fn main_evaluation(run: &Run) -> Option<&EvaluationFolder> {
    run.evaluations.first()
}

/// The metrics of at least two runs, a row each.
fn metrics(context: &Context, evaluated: &[Evaluated<'_>]) -> Markup {
    let head: Vec<&str> = std::iter::once("metric")
        .chain(evaluated.iter().map(|(run, _)| run.name.as_str()))
        .collect();
    let mut rows = Table::new(&head);
    let mut drawn = Vec::new();
    for metric in shared_metrics(evaluated) {
        let cells = evaluated.iter().map(|(_, evaluation)| {
            let defined = |m: &Estimate| Some(with_interval(m.value?, m.interval()));
            evaluation
                .find(metric)
                .and_then(defined)
                .unwrap_or_default()
        });
        rows.row(std::iter::once(title_with_note(metric)).chain(cells));
        if is_share(metric) && !is_of_label(metric) {
            let chart = intervals(metric, evaluated);
            if !chart.rows.is_empty() {
                drawn.push(chart.render(&context.ids));
            }
        }
    }
    html! {
        @if rows.rows().len() > 1 {
            h3 { "Evaluation" }
            (table(context, "Metrics: value (95 % interval)", &rows))
            (charts(&drawn))
        }
    }
}

/// The metrics that at least two evaluations have.
fn shared_metrics<'a>(evaluated: &[Evaluated<'a>]) -> Vec<&'a str> {
    let metrics = evaluated.iter().flat_map(|(_, e)| &e.metrics);
    let metrics = distinct(metrics.map(|m| m.metric.as_str()));
    let shared = |metric: &&str| {
        let having = evaluated.iter().filter(|(_, e)| e.find(metric).is_some());
        having.count() > 1
    };
    metrics.into_iter().filter(shared).collect()
}

/// A chart of a metric, a row per run.
fn intervals(metric: &str, evaluated: &[Evaluated<'_>]) -> Intervals {
    let row = |(run, evaluation): &Evaluated<'_>| {
        let estimate = evaluation.find(metric)?;
        Some(Row {
            name: run.name.clone(),
            value: estimate.value?,
            interval: estimate.interval(),
        })
    };
    Intervals {
        title: format!("{}, with 95 % intervals", title(metric)),
        axis: Axis::new(title_with_note(metric)),
        rows: evaluated.iter().filter_map(row).collect(),
        level: None,
    }
}

/// Each run minus the first, if both were evaluated on the same patients.
fn differences(context: &Context, evaluated: &[Evaluated<'_>]) -> Markup {
    let mut rows = Table::new(&["difference", "metric", "value", "95 % interval", "p"]);
    if let Some((first, others)) = evaluated.split_first() {
        for other in others.iter().filter(|other| same_patients(first, other)) {
            let metrics = other.1.metrics.iter().map(|m| m.metric.as_str());
            for metric in metrics.filter(|metric| !is_of_label(metric)) {
                let name = format!("{} − {}", other.0.name, first.0.name);
                if let Some(difference) = difference(other.1, first.1, metric) {
                    rows.row(difference_row(name, metric, &difference));
                }
            }
        }
    }
    html! {
        @if rows.rows().len() > 1 {
            h3 { "Differences" }
            p class="soft" {
                "Differences are computed on the same resamples of the same patients, so a "
                "patient who is hard for both runs hardly changes them. "
                "p tests the hypothesis of no difference, two-sided."
            }
            (table(context, "Differences from the first run", &rows))
        }
    }
}

/// A metric of `evaluation` minus that of `reference`; `None` if it is undefined in one of them.
fn difference(evaluation: &Evaluation, reference: &Evaluation, metric: &str) -> Option<Difference> {
    let own = evaluation.replicates.get(metric)?;
    let other = reference.replicates.get(metric)?;
    own.minus(other).ok()?.difference(LEVEL).ok()?
}

fn difference_row(name: String, metric: &str, difference: &Difference) -> [String; 5] {
    let interval = difference.interval;
    [
        name,
        title_with_note(metric),
        format!("{:+.4}", interval.estimate),
        format!("{:+.4} to {:+.4}", interval.low, interval.high),
        format!("{:.3}", difference.p),
    ]
}

/// Whether two runs were evaluated on the same films. This is assumed if the store, the split, and
/// the numbers of films, patients and resamples are equal.
fn same_patients(a: &Evaluated<'_>, b: &Evaluated<'_>) -> bool {
    let store = |run: &Run| run.provenance.as_ref()?.digests.get("store").cloned();
    let sample = |e: &Evaluation| (e.split.clone(), e.films, e.patients, e.resamples);
    store(a.0).is_some() && store(a.0) == store(b.0) && sample(a.1) == sample(b.1)
}

/// Charts of the validation metrics that at least two runs have.
fn over_time(context: &Context, runs: &[Run]) -> Markup {
    let having = |metric: &str| {
        let runs = runs.iter();
        runs.filter(|run| run.metrics.validation(metric).is_some())
            .count()
    };
    let metrics = runs.iter().flat_map(|run| {
        let families = families(&run.metrics.validation).into_iter();
        families.flat_map(|(_, members)| members)
    });
    let metrics = distinct(metrics.map(|curve| curve.metric.as_str())).into_iter();
    let chart = |metric: &str| {
        let series = runs.iter().filter_map(|run| {
            Some(Series {
                name: run.name.clone(),
                points: run.metrics.validation(metric)?.points.clone(),
                ..Series::default()
            })
        });
        validation(metric, series.collect())
    };
    let drawn: Vec<Markup> = metrics
        .filter(|metric| having(metric) > 1)
        .filter_map(|metric| chart(metric).shown(&context.ids))
        .collect();
    html! {
        @if !drawn.is_empty() {
            h3 { "Over time" }
            (charts(&drawn))
        }
    }
}

/// ROC curves of the labels that at least two runs have, without bands.
fn roc_curves(context: &Context, runs: &[Run]) -> Markup {
    let mut labels: Vec<(&str, Vec<Series>)> = Vec::new();
    for run in runs {
        for curves in main_evaluation(run).map_or(&[][..], |folder| &folder.curves) {
            let series = Series {
                band: vec![],
                ..roc_series(run.name.clone(), curves)
            };
            match labels.iter_mut().find(|(label, _)| *label == curves.label) {
                Some((_, all)) => all.push(series),
                None => labels.push((&curves.label, vec![series])),
            }
        }
    }
    let shared = labels.into_iter().filter(|(_, series)| series.len() > 1);
    let drawn: Vec<Markup> = shared
        .filter_map(|(label, series)| roc(label, series).shown(&context.ids))
        .collect();
    html! {
        @if !drawn.is_empty() {
            h3 { "ROC curves" }
            (charts(&drawn))
        }
    }
}

/// The keys whose values differ between the configurations, and the best epochs.
fn configurations(context: &Context, runs: &[Run]) -> Markup {
    let configs: Vec<BTreeMap<String, &Value>> = runs
        .iter()
        .map(|run| run.config.as_ref().map(dotted_keys).unwrap_or_default())
        .collect();
    let mut keys: Vec<&String> = configs.iter().flat_map(BTreeMap::keys).collect();
    keys.sort();
    keys.dedup();
    let head: Vec<&str> = std::iter::once("key")
        .chain(runs.iter().map(|run| run.name.as_str()))
        .collect();
    let mut rows = Table::new(&head);
    for key in keys {
        let value = |config: &BTreeMap<String, &Value>| {
            config.get(key).map_or(String::new(), |v| plain_text(v))
        };
        let values: Vec<String> = configs.iter().map(value).collect();
        if values.iter().any(|value| *value != values[0]) {
            rows.row(std::iter::once(key.clone()).chain(values));
        }
    }
    html! {
        h3 { "Configuration" }
        @if rows.rows().len() > 1 {
            (table(context, "Keys that differ between the configurations", &rows))
        } @else {
            p { "The configurations do not differ." }
        }
        (best(context, runs))
    }
}

/// The best epoch of each run.
fn best(context: &Context, runs: &[Run]) -> Markup {
    let mut rows = Table::new(&["run", "monitored", "best", "at epoch", "epochs done"]);
    for run in runs {
        let Some([epoch, value]) = run.best() else {
            continue;
        };
        let last = run.last_epoch().map_or(String::new(), |e| e.to_string());
        rows.row([
            run.name.clone(),
            run.monitor().to_owned(),
            short(value),
            epoch.to_string(),
            last,
        ]);
    }
    html! {
        @if rows.rows().len() > 1 { (table(context, "Best epochs", &rows)) }
    }
}
