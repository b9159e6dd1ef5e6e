//! The tables of an experiment, and the metric by fraction of the labels.

use maud::{Markup, html};
use mflag_core::table::{Table, percent};

use super::experiment_runs;
use crate::chart::{Axis, Chart, Series, Stroke};
use crate::experiment::{
    Cell, DIFFERENCE_HEAD, Experiment, PublishedCell, difference_row, distinct, format_cell,
};
use crate::page::{Context, Section, table};

/// The section of an experiment.
pub(crate) fn experiment(context: &Context, experiment: &Experiment) -> Section {
    let tasks = experiment.tasks();
    let body = html! {
        p class="soft" { "Tables of " (experiment.path.display()) "." }
        @if tasks.is_empty() { p class="note" { "No cell has finished yet." } }
        @for task in &tasks { (task_section(context, experiment, task)) }
        (experiment_runs::pretrainings(context, experiment))
    };
    Section {
        title: experiment.title.clone(),
        body,
    }
}

fn task_section(context: &Context, experiment: &Experiment, task: &str) -> Markup {
    let cells: Vec<&Cell> = experiment.cells.iter().filter(|c| c.task == task).collect();
    let published: Vec<&PublishedCell> = experiment
        .published
        .iter()
        .filter(|c| c.task == task)
        .collect();
    let chart = by_fraction(experiment, task, &cells, &published);
    html! {
        h3 { (task) }
        @match experiment.captions.get(task) {
            Some(caption) => p class="soft" { (caption) },
            // Without a caption, which names the sources, they are listed here.
            None => @for source in distinct(published.iter().map(|c| c.source.as_str())) {
                p class="soft" { "Published: " (source) "." }
            }
        }
        div class="pair" {
            @if let Some(chart) = chart.shown(&context.ids) { (chart) }
            div {
                (table(context, &format!("{task}: {} × 100", metric(&cells)), &results(&cells, &published)))
                @if let Some(differences) = differences(experiment, task) {
                    (table(context, &format!("{task}: differences × 100"), &differences))
                }
            }
        }
        (experiment_runs::cells(context, experiment, task))
    }
}

/// The metric of the cells of a task.
fn metric<'a>(cells: &[&'a Cell]) -> &'a str {
    cells.first().map_or("", |cell| &cell.metric)
}

/// The chart of a task: the metric by fraction of the labels, measured and published.
fn by_fraction(
    experiment: &Experiment,
    task: &str,
    cells: &[&Cell],
    published: &[&PublishedCell],
) -> Chart {
    let publishers = published.iter().map(|c| c.encoder.as_str());
    let encoders = distinct(experiment.encoders().into_iter().chain(publishers));
    // An encoder has the same colour where it is measured and where it is published.
    let styled = || encoders.iter().enumerate();
    let measured = styled().map(|(style, encoder)| measured_series(style, encoder, cells));
    let published = styled().map(|(style, encoder)| published_series(style, encoder, published));
    let series: Vec<Series> = measured
        .chain(published)
        .filter(|s| !s.points.is_empty())
        .collect();
    Chart {
        title: format!("{task}: metric by fraction of the labels"),
        x: fraction_axis(&series),
        y: Axis::new(format!("{} × 100; bars: 95 % intervals", metric(cells))),
        series,
        rules: vec![],
    }
}

fn measured_series(style: usize, encoder: &str, cells: &[&Cell]) -> Series {
    let of_encoder = || cells.iter().filter(|c| c.encoder == encoder);
    let points = of_encoder().filter_map(|c| Some([c.fraction, 100.0 * c.mean?]));
    let bars = of_encoder().filter_map(|c| Some([c.fraction, 100.0 * c.low?, 100.0 * c.high?]));
    Series {
        name: encoder.to_owned(),
        points: ascending(points.collect()),
        bars: ascending(bars.collect()),
        style: Some(style),
        ..Series::default()
    }
}

/// The published values of an encoder, without those printed as `<1`.
fn published_series(style: usize, encoder: &str, published: &[&PublishedCell]) -> Series {
    let of_encoder = published.iter().filter(|c| c.encoder == encoder);
    let points = of_encoder.filter_map(|c| Some([c.fraction.parse().ok()?, c.value.parse().ok()?]));
    Series {
        name: format!("{encoder} (published)"),
        points: ascending(points.collect()),
        stroke: Stroke::Dashed,
        style: Some(style),
        ..Series::default()
    }
}

/// The axis of the fractions, with a tick for each.
fn fraction_axis(series: &[Series]) -> Axis {
    let points = series.iter().flat_map(|s| &s.points);
    let ticks = distinct_fractions(points.map(|p| p[0]));
    let mut axis = Axis::new("part of the training labels (logarithmic)").log();
    if let (Some(first), Some(last)) = (ticks.first(), ticks.last()) {
        // A margin keeps the marks at the ends off the frame.
        axis = axis.range(first / 1.3, last * 1.3);
    }
    axis.ticks = Some(ticks.into_iter().map(|f| (f, percent(f))).collect());
    axis
}

/// The fractions in ascending order. Those that print as the same percentage count once.
fn distinct_fractions(fractions: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut fractions: Vec<f64> = fractions.collect();
    fractions.sort_by(f64::total_cmp);
    fractions.dedup_by(|a, b| percent(*a) == percent(*b));
    fractions
}

/// A table with a row per encoder and a column per fraction, measured rows first.
fn results(cells: &[&Cell], published: &[&PublishedCell]) -> Table {
    let printed = |c: &PublishedCell| c.fraction.parse::<f64>().ok();
    let measured = cells.iter().map(|c| c.fraction);
    let fractions = distinct_fractions(measured.chain(published.iter().filter_map(|c| printed(c))));
    let heads: Vec<String> = fractions.iter().map(|f| percent(*f)).collect();
    let head: Vec<&str> = std::iter::once("encoder")
        .chain(heads.iter().map(String::as_str))
        .collect();
    let mut table = Table::new(&head);
    for encoder in distinct(cells.iter().map(|c| c.encoder.as_str())) {
        let value = |fraction: &String| {
            let cell = cells
                .iter()
                .find(|c| c.encoder == encoder && percent(c.fraction) == *fraction);
            cell.map_or(String::new(), |cell| measured_value(cell))
        };
        table.row(std::iter::once(encoder.to_owned()).chain(heads.iter().map(value)));
    }
    for encoder in distinct(published.iter().map(|c| c.encoder.as_str())) {
        let value = |fraction: &String| {
            let cell = published.iter().find(|c| {
                c.encoder == encoder && printed(c).map(percent).as_ref() == Some(fraction)
            });
            cell.map_or(String::new(), |c| c.value.clone())
        };
        let name = format!("{encoder} (published)");
        table.row(std::iter::once(name).chain(heads.iter().map(value)));
    }
    table
}

fn measured_value(cell: &Cell) -> String {
    let interval = cell.low.zip(cell.high).map(|(low, high)| [low, high]);
    let format = |mean| format_cell(mean, cell.standard_deviation, interval);
    cell.mean.map_or("undefined".into(), format)
}

/// The table of the differences of a task; `None` without a difference.
fn differences(experiment: &Experiment, task: &str) -> Option<Table> {
    let mut table = Table::new(&DIFFERENCE_HEAD);
    for row in experiment.differences.iter().filter(|row| row.task == task) {
        table.row(difference_row(
            &row.difference,
            [row.value, row.low, row.high],
            row.p,
        ));
    }
    (table.rows().len() > 1).then_some(table)
}

/// The rows by ascending x.
fn ascending<const N: usize>(mut rows: Vec<[f64; N]>) -> Vec<[f64; N]> {
    rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
    rows
}
