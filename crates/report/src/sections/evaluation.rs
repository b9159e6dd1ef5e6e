//! The evaluation of a model on a split.

use maud::{Markup, html};
use mflag_metrics::catalogue::{AUROC, is_of_label, is_share, split, title_with_note};
use mflag_metrics::evaluation::{Estimate, Evaluation};

use super::{charts, curves, qualitative};
use crate::chart::{Axis, Intervals, Row};
use crate::page::{Context, table};
use crate::run::{EvaluationFolder, Run};

/// Metrics with intervals, curves and example films.
pub(super) fn evaluation(context: &Context, run: &Run, folder: &EvaluationFolder) -> Markup {
    let evaluation = &folder.evaluation;
    let drawn: Vec<Markup> = [means(evaluation), labels(evaluation)]
        .into_iter()
        .filter(|chart| !chart.rows.is_empty())
        .map(|chart| chart.render(&context.ids))
        .collect();
    let split = &evaluation.split;
    let caption = format!(
        "{} on the {split} split of {}",
        run.name, evaluation.dataset
    );
    html! {
        h3 { "On the " (split) " split" @if is_repeated(run, folder) { ", " (name(folder)) } }
        p class="soft" {
            (evaluation.sample()) " of " (evaluation.dataset) "; 95 % intervals by "
            (evaluation.resamples) " resamples of these patients."
        }
        (charts(&drawn))
        (table(context, &caption, &evaluation.table()))
        (curves::curves(context, &folder.curves))
        (qualitative::examples(context, folder))
    }
}

/// A chart of all metrics between 0 and 1, without those of single labels.
fn means(evaluation: &Evaluation) -> Intervals {
    let metrics = evaluation.metrics.iter();
    let shares = metrics.filter(|m| is_share(&m.metric) && !is_of_label(&m.metric));
    Intervals {
        title: "Metrics with their 95 % intervals".to_owned(),
        axis: Axis::new("0 to 1").range(0.0, 1.0),
        rows: shares
            .filter_map(|m| row(title_with_note(&m.metric), m))
            .collect(),
        level: None,
    }
}

/// A chart of the AUROC of each label.
fn labels(evaluation: &Evaluation) -> Intervals {
    let metrics = evaluation.metrics.iter();
    let labels = metrics
        .filter(|m| is_of_label(&m.metric))
        .filter_map(|m| row(split(&m.metric).1?.to_owned(), m));
    Intervals {
        title: format!("{} of each label with its 95 % interval", AUROC.title),
        axis: Axis::new(AUROC.title).range(0.0, 1.0),
        rows: labels.collect(),
        level: Some((0.5, "chance")),
    }
}

/// A metric as a row; `None` if it is undefined.
fn row(name: String, estimate: &Estimate) -> Option<Row> {
    Some(Row {
        name,
        value: estimate.value?,
        interval: estimate.interval(),
    })
}

/// Whether the run has several evaluations on this split.
fn is_repeated(run: &Run, folder: &EvaluationFolder) -> bool {
    let same = |other: &&EvaluationFolder| other.evaluation.split == folder.evaluation.split;
    run.evaluations.iter().filter(same).count() > 1
}

fn name(folder: &EvaluationFolder) -> String {
    folder
        .folder
        .file_name()
        .map_or(String::new(), |name| name.to_string_lossy().into_owned())
}
