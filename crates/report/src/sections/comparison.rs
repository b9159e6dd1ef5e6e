//! Several runs beside each other.

use std::collections::BTreeMap;

use maud::{Markup, html};
use mflag_core::table::Table;
use mflag_metrics::bootstrap::LEVEL;
use mflag_metrics::evaluation::Evaluation;
use serde_json::Value;

use super::charts;
use super::curves::{roc, roc_series};
use super::training::{families, validation};
use crate::chart::{Axis, Intervals, Row, Series};
use crate::number::{short, with_interval};
use crate::page::{Context, Section, table};
use crate::run::{Judged, Run};
use crate::words::{is_of_label, is_share, title};

/// What several runs have in common, and where they differ.
pub(crate) fn comparison(context: &Context, runs: &[Run]) -> Section {
    let body = html! {
        (tested(context, runs))
        (differences(context, runs))
        (over_time(context, runs))
        (rocs(context, runs))
        (configurations(context, runs))
    };
    Section {
        title: "Comparison".into(),
        body,
    }
}

/// The evaluation that a run is compared by: that of the test split, or the only one.
fn main_evaluation(run: &Run) -> Option<&Judged> {
    run.judged.first()
}

/// Metrics that at least two runs have, a row each.
fn tested(context: &Context, runs: &[Run]) -> Markup {
    let judged: Vec<(&Run, &Evaluation)> = runs
        .iter()
        .filter_map(|run| Some((run, &main_evaluation(run)?.evaluation)))
        .collect();
    let mut metrics: Vec<&str> = Vec::new();
    for metric in judged.iter().flat_map(|(_, e)| &e.metrics) {
        let having = judged
            .iter()
            .filter(|(_, e)| e.metrics.iter().any(|m| m.metric == metric.metric));
        if having.count() > 1 && !metrics.contains(&metric.metric.as_str()) {
            metrics.push(&metric.metric);
        }
    }
    let of = |evaluation: &Evaluation, metric: &str| {
        let found = evaluation.metrics.iter().find(|m| m.metric == metric)?;
        Some((
            found.value?,
            found.low.zip(found.high).map(|(low, high)| [low, high]),
        ))
    };
    let head: Vec<&str> = std::iter::once("metric")
        .chain(judged.iter().map(|(run, _)| run.name.as_str()))
        .collect();
    let mut rows = Table::new(&head);
    let mut drawn = Vec::new();
    for metric in metrics {
        let cells = judged.iter().map(|(_, evaluation)| {
            of(evaluation, metric).map_or(String::new(), |(value, interval)| {
                with_interval(value, interval)
            })
        });
        rows.row(std::iter::once(title(metric)).chain(cells));
        if is_share(metric) && !is_of_label(metric) {
            let row = |(run, evaluation): &(&Run, &Evaluation)| {
                let (value, interval) = of(evaluation, metric)?;
                Some(Row {
                    name: run.name.clone(),
                    value,
                    interval,
                })
            };
            let chart = Intervals {
                title: format!("{}, with 95 % intervals", title(metric)),
                axis: Axis::new(title(metric)),
                rows: judged.iter().filter_map(row).collect(),
                level: None,
            };
            if !chart.rows.is_empty() {
                drawn.push(chart.render(&context.ids));
            }
        }
    }
    html! {
        @if rows.rows().len() > 1 {
            h3 { "Judged" }
            (table(context, "Judged films: value (95 % interval)", &rows))
            (charts(&drawn))
        }
    }
}

/// Each run less the first, where both were judged on the same patients.
fn differences(context: &Context, runs: &[Run]) -> Markup {
    let mut rows = Table::new(&["difference", "metric", "value", "95 % interval", "p"]);
    let mut judged = runs
        .iter()
        .filter_map(|run| Some((run, &main_evaluation(run)?.evaluation)));
    if let Some((first, theirs)) = judged.next() {
        for (run, ours) in judged.filter(|(run, ours)| same_patients((first, theirs), (run, ours)))
        {
            for metric in ours.metrics.iter().filter(|m| !is_of_label(&m.metric)) {
                let pair = ours
                    .replicates
                    .get(&metric.metric)
                    .zip(theirs.replicates.get(&metric.metric));
                let difference = pair.and_then(|(a, b)| a.minus(b).ok()?.difference(LEVEL).ok()?);
                if let Some(difference) = difference {
                    let interval = difference.interval;
                    rows.row([
                        format!("{} − {}", run.name, first.name),
                        title(&metric.metric),
                        format!("{:+.4}", interval.estimate),
                        format!("{:+.4} to {:+.4}", interval.low, interval.high),
                        format!("{:.3}", difference.p),
                    ]);
                }
            }
        }
    }
    html! {
        @if rows.rows().len() > 1 {
            h3 { "Differences" }
            p class="soft" {
                "On the same resamples of the same patients: what makes a patient hard for both runs cancels out. p is of no difference, two-sided."
            }
            (table(context, "Differences to the first run", &rows))
        }
    }
}

/// Whether two runs were judged on the same films: of the same store and split, and as many.
fn same_patients((a, one): (&Run, &Evaluation), (b, other): (&Run, &Evaluation)) -> bool {
    let store = |run: &Run| {
        run.provenance
            .as_ref()
            .and_then(|p| p.digests.get("store").cloned())
    };
    let of = |e: &Evaluation| (e.split.clone(), e.films, e.patients, e.resamples);
    store(a).is_some() && store(a) == store(b) && of(one) == of(other)
}

/// Validation metrics that at least two runs have.
fn over_time(context: &Context, runs: &[Run]) -> Markup {
    let mut metrics: Vec<&str> = Vec::new();
    for run in runs {
        for (_, members) in families(&run.metrics.validation) {
            for curve in members {
                let having = runs
                    .iter()
                    .filter(|run| run.metrics.validation(&curve.metric).is_some());
                if having.count() > 1 && !metrics.contains(&curve.metric.as_str()) {
                    metrics.push(&curve.metric);
                }
            }
        }
    }
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
        .into_iter()
        .filter_map(|metric| chart(metric).shown(&context.ids))
        .collect();
    html! {
        @if !drawn.is_empty() {
            h3 { "Over time" }
            (charts(&drawn))
        }
    }
}

/// ROC curves of labels that at least two runs have, without bands.
fn rocs(context: &Context, runs: &[Run]) -> Markup {
    let mut labels: Vec<(&str, Vec<Series>)> = Vec::new();
    for run in runs {
        for curves in main_evaluation(run).map_or(&[][..], |judged| &judged.curves) {
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

/// The values of the configurations that are not the same in all runs.
fn configurations(context: &Context, runs: &[Run]) -> Markup {
    let flat: Vec<BTreeMap<String, String>> =
        runs.iter().map(|run| flat(run.config.as_ref())).collect();
    let mut keys: Vec<&String> = flat.iter().flat_map(BTreeMap::keys).collect();
    keys.sort();
    keys.dedup();
    let head: Vec<&str> = std::iter::once("key")
        .chain(runs.iter().map(|run| run.name.as_str()))
        .collect();
    let mut rows = Table::new(&head);
    for key in keys {
        let values: Vec<&str> = flat
            .iter()
            .map(|of| of.get(key).map_or("", String::as_str))
            .collect();
        if values.iter().any(|value| *value != values[0]) {
            rows.row(std::iter::once(key.as_str()).chain(values));
        }
    }
    html! {
        h3 { "Configuration" }
        @if rows.rows().len() > 1 {
            (table(context, "Where the configurations differ", &rows))
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

/// A configuration as keys with dots and values.
fn flat(config: Option<&Value>) -> BTreeMap<String, String> {
    fn add(key: &str, value: &Value, to: &mut BTreeMap<String, String>) {
        match value.as_object() {
            Some(map) => {
                for (name, value) in map {
                    let key = if key.is_empty() {
                        name.clone()
                    } else {
                        format!("{key}.{name}")
                    };
                    add(&key, value, to);
                }
            }
            None => {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                to.insert(key.to_owned(), text);
            }
        }
    }
    let mut all = BTreeMap::new();
    if let Some(config) = config {
        add("", config, &mut all);
    }
    all
}
