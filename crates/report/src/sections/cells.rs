//! The runs behind an experiment's tables, over time.

use maud::{Markup, html};
use mflag_core::table::{Table, percent};

use super::charts;
use super::training::validation;
use crate::chart::{Chart, Series};
use crate::experiment::{Experiment, Trained, TrainedCell};
use crate::number::short;
use crate::page::{Context, table};
use crate::run::Curve;
use crate::words::title;

/// Each cell of a task: what chose its best epoch, by epoch, and its runs.
pub(super) fn cells(context: &Context, experiment: &Experiment, task: &str) -> Markup {
    let runs: Vec<(&TrainedCell, &Trained)> = experiment
        .trained
        .iter()
        .filter_map(|trained| Some((trained.cell.as_ref()?, trained)))
        .filter(|(cell, _)| cell.task == task)
        .collect();
    let mut fractions: Vec<f64> = runs.iter().map(|(cell, _)| cell.fraction).collect();
    fractions.sort_by(f64::total_cmp);
    fractions.dedup();
    let chart = |fraction: &f64| {
        let of_fraction = runs.iter().filter(|(cell, _)| cell.fraction == *fraction);
        let runs: Vec<&Trained> = of_fraction.map(|(_, trained)| *trained).collect();
        let metric = runs.first()?.run.monitor();
        let chart = Chart {
            title: format!("{} of the labels: {}", percent(*fraction), title(metric)),
            ..over_time(experiment, metric, &runs)
        };
        chart.shown(&context.ids)
    };
    let drawn: Vec<Markup> = fractions.iter().filter_map(chart).collect();
    let runs: Vec<&Trained> = runs.iter().map(|(_, trained)| *trained).collect();
    html! {
        @if !drawn.is_empty() {
            h4 { "Validation by epoch" }
            p class="soft" { "Lines are means over the seeds as far as all of them went, bands reach from the lowest to the highest." }
            (charts(&drawn))
        }
        (listed(context, task, &runs))
    }
}

/// The pre-trainings of the encoders.
pub(super) fn pretrainings(context: &Context, experiment: &Experiment) -> Markup {
    let runs: Vec<&Trained> = experiment
        .trained
        .iter()
        .filter(|trained| trained.cell.is_none())
        .collect();
    let Some(first) = runs.first() else {
        return html! {};
    };
    let drawn: Vec<Markup> = [first.run.monitor(), "rank"]
        .into_iter()
        .filter_map(|metric| over_time(experiment, metric, &runs).shown(&context.ids))
        .collect();
    html! {
        h3 { "Pre-training" }
        (charts(&drawn))
        (listed(context, "Pre-training", &runs))
    }
}

/// A metric of validation by epoch, a line an encoder.
fn over_time(experiment: &Experiment, metric: &str, runs: &[&Trained]) -> Chart {
    let line = |(place, encoder): (usize, &str)| {
        let seeds = runs.iter().filter(|trained| trained.encoder == encoder);
        let curves: Vec<&Curve> = seeds
            .filter_map(|trained| trained.run.metrics.validation(metric))
            .collect();
        let (points, band) = of_seeds(&curves);
        Series {
            name: encoder.to_owned(),
            points,
            band,
            place: Some(place),
            ..Series::default()
        }
    };
    let lines = experiment.encoders().into_iter().enumerate().map(line);
    let lines = lines.filter(|series| !series.points.is_empty());
    validation(metric, lines.collect())
}

/// The mean of the curves at each epoch where all have a value, and from their lowest to their highest; no band of one.
fn of_seeds(curves: &[&Curve]) -> (Vec<[f64; 2]>, Vec<[f64; 3]>) {
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

/// The runs with their best epochs and where they lie; nothing of none.
fn listed(context: &Context, of: &str, runs: &[&Trained]) -> Markup {
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
    for trained in runs {
        rows.row(row(trained));
    }
    html! {
        @if !runs.is_empty() {
            details {
                summary { "Runs" }
                p class="soft" { "Each folder has a report of its own, report.html. Folders are told from that of the experiment." }
                (table(context, &format!("{of}: runs"), &rows))
            }
        }
    }
}

fn row(trained: &Trained) -> [String; 9] {
    let Trained { cell, run, .. } = trained;
    let cell = |of: &dyn Fn(&TrainedCell) -> String| cell.as_ref().map_or(String::new(), of);
    let best = |of: &dyn Fn([f64; 2]) -> String| run.best().map_or(String::new(), of);
    [
        trained.encoder.clone(),
        cell(&|c| percent(c.fraction)),
        cell(&|c| c.seed.to_string()),
        run.monitor().to_owned(),
        best(&|[_, value]| short(value)),
        best(&|[epoch, _]| epoch.to_string()),
        run.last_epoch().map_or(String::new(), |e| e.to_string()),
        state(trained),
        trained.folder.display().to_string(),
    ]
}

fn state(trained: &Trained) -> String {
    match (&trained.run.missing[..], trained.finished) {
        ([], true) => "done".to_owned(),
        ([], false) => "not finished".to_owned(),
        (missing, _) => missing.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_joined_where_all_have_a_value() {
        let curve = |points: &[[f64; 2]]| Curve {
            metric: "dice".into(),
            points: points.to_vec(),
        };
        let long = curve(&[[0.0, 0.2], [1.0, f64::NAN], [2.0, 0.5], [3.0, 0.9]]);
        let short = curve(&[[0.0, 0.4], [1.0, 0.5], [2.0, 0.6]]);
        let (points, band) = of_seeds(&[&long, &short]);
        assert_eq!(points, [[0.0, 0.300_000_000_000_000_04], [2.0, 0.55]]);
        assert_eq!(band, [[0.0, 0.2, 0.4], [2.0, 0.5, 0.6]]);
        let (points, band) = of_seeds(&[&short]);
        assert_eq!((points, band), (short.points, vec![]));
    }
}
