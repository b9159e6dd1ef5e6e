//! A model on the films of a split.

use maud::{Markup, html};

use super::{cases, charts, curves};
use crate::chart::{Axis, Intervals, Row};
use crate::page::{Context, table};
use crate::run::{Judged, Run};
use crate::words::{is_of_label, is_share, split, title};

/// Figures with intervals, curves and films.
pub(super) fn judged(context: &Context, run: &Run, judged: &Judged) -> Markup {
    let evaluation = &judged.evaluation;
    let metrics = || {
        evaluation
            .metrics
            .iter()
            .filter_map(|m| Some((m, m.value?)))
    };
    let row = |name: String, value: f64, low: Option<f64>, high: Option<f64>| Row {
        name,
        value,
        interval: low.zip(high).map(|(low, high)| [low, high]),
    };
    let all = metrics().filter(|(m, _)| is_share(&m.metric) && !is_of_label(&m.metric));
    let of_labels = metrics().filter(|(m, _)| is_of_label(&m.metric));
    let all: Vec<Row> = all
        .map(|(m, value)| row(title(&m.metric), value, m.low, m.high))
        .collect();
    let of_labels: Vec<Row> = of_labels
        .map(|(m, value)| {
            row(
                split(&m.metric).1.unwrap_or_default().to_owned(),
                value,
                m.low,
                m.high,
            )
        })
        .collect();
    let intervals = |title: &str, label: &str, rows: Vec<Row>, level| {
        let chart = Intervals {
            title: title.to_owned(),
            axis: Axis::new(label).range(0.0, 1.0),
            rows,
            level,
        };
        chart.render(&context.ids)
    };
    let mut drawn = Vec::new();
    if !all.is_empty() {
        drawn.push(intervals(
            "Metrics with their 95 % intervals",
            "0 to 1",
            all,
            None,
        ));
    }
    if !of_labels.is_empty() {
        drawn.push(intervals(
            "AUROC of each label with its 95 % interval",
            "AUROC",
            of_labels,
            Some((0.5, "chance")),
        ));
    }
    let split = &evaluation.split;
    let caption = format!(
        "{} on the {split} split of {}",
        run.name, evaluation.dataset
    );
    html! {
        h3 { "On the " (split) " split" @if is_repeated(run, judged) { ", " (folder(judged)) } }
        p class="soft" {
            (evaluation.films) " films of " (evaluation.patients) " patients of " (evaluation.dataset) "; 95 % intervals by "
            (evaluation.resamples) " resamples of these patients."
        }
        (charts(&drawn))
        (table(context, &caption, &evaluation.table()))
        (curves::curves(context, &judged.curves))
        (cases::cases(context, judged))
    }
}

/// Whether another evaluation of the run is on a split of that name.
fn is_repeated(run: &Run, judged: &Judged) -> bool {
    run.judged
        .iter()
        .filter(|other| other.evaluation.split == judged.evaluation.split)
        .count()
        > 1
}

fn folder(judged: &Judged) -> String {
    judged
        .folder
        .file_name()
        .map_or(String::new(), |name| name.to_string_lossy().into_owned())
}
