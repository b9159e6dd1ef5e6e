//! The runs of an experiment over time.

use maud::{Markup, html};
use mflag_core::table::{Table, percent};
use mflag_metrics::catalogue::{RANK, title};

use super::charts;
use super::training::validation;
use crate::chart::{Chart, Series};
use crate::experiment::{Experiment, ExperimentRun, RunCell};
use crate::number::short;
use crate::page::{Context, table};
use crate::run::Curve;

/// The cells of a task: the monitored metric by epoch, a chart per fraction, and the runs.
pub(super) fn cells(context: &Context, experiment: &Experiment, task: &str) -> Markup {
    let runs: Vec<(&RunCell, &ExperimentRun)> = experiment
        .runs
        .iter()
        .filter_map(|run| Some((run.cell.as_ref()?, run)))
        .filter(|(cell, _)| cell.task == task)
        .collect();
    let mut fractions: Vec<f64> = runs.iter().map(|(cell, _)| cell.fraction).collect();
    fractions.sort_by(f64::total_cmp);
    fractions.dedup();
    let chart = |fraction: &f64| {
        let of_fraction = runs.iter().filter(|(cell, _)| cell.fraction == *fraction);
        let runs: Vec<&ExperimentRun> = of_fraction.map(|(_, run)| *run).collect();
        let metric = runs.first()?.run.monitor();
        let chart = Chart {
            title: format!("{} of the labels: {}", percent(*fraction), title(metric)),
            ..over_time(experiment, metric, &runs)
        };
        chart.shown(&context.ids)
    };
    let drawn: Vec<Markup> = fractions.iter().filter_map(chart).collect();
    let runs: Vec<&ExperimentRun> = runs.iter().map(|(_, run)| *run).collect();
    html! {
        @if !drawn.is_empty() {
            h4 { "Validation by epoch" }
            p class="soft" {
                "Lines are means over the seeds, at epochs that all seeds have reached. Bands reach from the lowest to the highest seed."
            }
            (charts(&drawn))
        }
        (list(context, task, &runs))
    }
}

/// The pre-trainings of the encoders.
pub(super) fn pretrainings(context: &Context, experiment: &Experiment) -> Markup {
    let runs: Vec<&ExperimentRun> = experiment
        .runs
        .iter()
        .filter(|run| run.cell.is_none())
        .collect();
    let Some(first) = runs.first() else {
        return html! {};
    };
    let drawn: Vec<Markup> = [first.run.monitor(), RANK.key]
        .into_iter()
        .filter_map(|metric| over_time(experiment, metric, &runs).shown(&context.ids))
        .collect();
    html! {
        h3 { "Pre-training" }
        (charts(&drawn))
        (list(context, "Pre-training", &runs))
    }
}

/// A chart of a metric of validation by epoch, a line per encoder.
fn over_time(experiment: &Experiment, metric: &str, runs: &[&ExperimentRun]) -> Chart {
    let line = |(index, encoder): (usize, &str)| {
        let seeds = runs.iter().filter(|run| run.encoder == encoder);
        let curves: Vec<&Curve> = seeds
            .filter_map(|run| run.run.metrics.validation(metric))
            .collect();
        let (points, band) = mean_and_range(&curves);
        Series {
            name: encoder.to_owned(),
            points,
            band,
            style: Some(index),
            ..Series::default()
        }
    };
    let lines = experiment.encoders().into_iter().enumerate().map(line);
    let lines = lines.filter(|series| !series.points.is_empty());
    validation(metric, lines.collect())
}

/// The mean of the curves, and a band from the lowest to the highest, at each epoch where all
/// curves have a value. A single curve has no band.
fn mean_and_range(curves: &[&Curve]) -> (Vec<[f64; 2]>, Vec<[f64; 3]>) {
    let (mut points, mut band) = (Vec::new(), Vec::new());
    let Some(first) = curves.first() else {
        return (points, band);
    };
    for [epoch, _] in &first.points {
        let at = |curve: &&Curve| {
            let point = curve.points.iter().find(|p| p[0] == *epoch)?;
            point[1].is_finite().then_some(point[1])
        };
        let Some(values) = curves.iter().map(at).collect::<Option<Vec<f64>>>() else {
            continue;
        };
        points.push([*epoch, values.iter().sum::<f64>() / values.len() as f64]);
        if values.len() > 1 {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            band.push([*epoch, low, high]);
        }
    }
    (points, band)
}

/// A table of runs with their best epochs and folders; empty without a run.
fn list(context: &Context, title: &str, runs: &[&ExperimentRun]) -> Markup {
    let mut rows = Table::new(&[
        "encoder",
        "labels",
        "seed",
        "monitored",
        "best",
        "at epoch",
        "epochs done",
        "state",
        "folder",
    ]);
    for run in runs {
        rows.row(row(run));
    }
    html! {
        @if !runs.is_empty() {
            details {
                summary { "Runs" }
                p class="soft" { "Each folder holds a report of its run, report.html. Folders are relative to the experiment's." }
                (table(context, &format!("{title}: runs"), &rows))
            }
        }
    }
}

fn row(run: &ExperimentRun) -> [String; 9] {
    let ExperimentRun {
        cell, run: files, ..
    } = run;
    let of_cell = |text: &dyn Fn(&RunCell) -> String| cell.as_ref().map_or(String::new(), text);
    let best = |text: &dyn Fn([f64; 2]) -> String| files.best().map_or(String::new(), text);
    [
        run.encoder.clone(),
        of_cell(&|c| percent(c.fraction)),
        of_cell(&|c| c.seed.to_string()),
        files.monitor().to_owned(),
        best(&|[_, value]| short(value)),
        best(&|[epoch, _]| epoch.to_string()),
        files.last_epoch().map_or(String::new(), |e| e.to_string()),
        state(run),
        run.folder.display().to_string(),
    ]
}

fn state(run: &ExperimentRun) -> String {
    match (&run.run.missing[..], run.finished) {
        ([], true) => "done".to_owned(),
        ([], false) => "not finished".to_owned(),
        (missing, _) => missing.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_needs_a_value_of_every_seed() {
        let curve = |points: &[[f64; 2]]| Curve {
            metric: "dice".into(),
            points: points.to_vec(),
        };
        let long = curve(&[[0.0, 0.2], [1.0, f64::NAN], [2.0, 0.5], [3.0, 0.9]]);
        let short = curve(&[[0.0, 0.4], [1.0, 0.5], [2.0, 0.6]]);
        let (points, band) = mean_and_range(&[&long, &short]);
        assert_eq!(points, [[0.0, 0.300_000_000_000_000_04], [2.0, 0.55]]);
        assert_eq!(band, [[0.0, 0.2, 0.4], [2.0, 0.5, 0.6]]);
        let (points, band) = mean_and_range(&[&short]);
        assert_eq!((points, band), (short.points, vec![]));
    }
}
