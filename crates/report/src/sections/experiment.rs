//! The tables of an experiment, and how much labels are worth to each encoder.

use maud::{Markup, html};
use mflag_core::table::{Table, percent};

use super::cells;
use crate::chart::{Axis, Chart, Series, Stroke};
use crate::experiment::{self, Cell, DIFFERENCE, Experiment, PublishedCell, difference, distinct};
use crate::page::{Context, Section, table};

/// All of an experiment.
pub(crate) fn experiment(context: &Context, experiment: &Experiment) -> Section {
    let tasks = experiment.tasks();
    let body = html! {
        p class="soft" { "Tables of " (experiment.path.display()) "." }
        @if tasks.is_empty() { p class="note" { "No cell has finished yet." } }
        @for task in &tasks { (of_task(context, experiment, task)) }
        (cells::pretrainings(context, experiment))
    };
    Section {
        title: experiment.title.clone(),
        body,
    }
}

fn of_task(context: &Context, experiment: &Experiment, task: &str) -> Markup {
    let cells: Vec<&Cell> = experiment.cells.iter().filter(|c| c.task == task).collect();
    let published: Vec<&PublishedCell> = experiment
        .published
        .iter()
        .filter(|c| c.task == task)
        .collect();
    let chart = labels(experiment, task, &cells, &published);
    html! {
        h3 { (task) }
        @match experiment.captions.get(task) {
            Some(caption) => p class="soft" { (caption) },
            // A caption names them.
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
        (cells::cells(context, experiment, task))
    }
}

/// What the cells of a task are measured by.
fn metric<'a>(cells: &[&'a Cell]) -> &'a str {
    cells.first().map_or("", |cell| &cell.metric)
}

/// The metric against the fraction of the labels, measured and published.
fn labels(
    experiment: &Experiment,
    task: &str,
    cells: &[&Cell],
    published: &[&PublishedCell],
) -> Chart {
    let theirs = published.iter().map(|c| c.encoder.as_str());
    let encoders = distinct(experiment.encoders().into_iter().chain(theirs));
    let metric = metric(cells);
    let measured = encoders.iter().enumerate().map(|(place, &encoder)| {
        let of = || cells.iter().filter(move |c| c.encoder == encoder);
        let points = of().filter_map(|c| Some([c.fraction, 100.0 * c.mean?]));
        let bars = of().filter_map(|c| Some([c.fraction, 100.0 * c.low?, 100.0 * c.high?]));
        Series {
            name: encoder.to_owned(),
            points: ascending(points.collect()),
            bars: ascending(bars.collect()),
            place: Some(place),
            ..Series::default()
        }
    });
    // An encoder that is measured and published has one colour.
    let theirs = encoders.iter().enumerate().map(|(place, &encoder)| {
        let of = published.iter().filter(|c| c.encoder == encoder);
        // What is printed as `<1` has no place.
        let points = of.filter_map(|c| Some([c.fraction.parse().ok()?, c.value.parse().ok()?]));
        Series {
            name: format!("{encoder} (published)"),
            points: ascending(points.collect()),
            stroke: Stroke::Dashed,
            place: Some(place),
            ..Series::default()
        }
    });
    let series: Vec<Series> = measured
        .chain(theirs)
        .filter(|s| !s.points.is_empty())
        .collect();
    let mut ticks: Vec<f64> = series
        .iter()
        .flat_map(|s| s.points.iter().map(|p| p[0]))
        .collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup_by(|a, b| percent(*a) == percent(*b));
    let mut x = Axis::new("part of the training labels (logarithmic)").log();
    if let (Some(first), Some(last)) = (ticks.first(), ticks.last()) {
        // Marks at the ends do not lie on the frame.
        x = x.range(first / 1.3, last * 1.3);
    }
    x.ticks = Some(ticks.into_iter().map(|f| (f, percent(f))).collect());
    Chart {
        title: format!("{task}: how much labels are worth"),
        x,
        y: Axis::new(format!("{metric} × 100; bars: 95 % intervals")),
        series,
        rules: vec![],
    }
}

/// A row an encoder and a column a fraction, measured rows first.
fn results(cells: &[&Cell], published: &[&PublishedCell]) -> Table {
    let printed = |c: &&PublishedCell| c.fraction.parse::<f64>().ok();
    let mut fractions: Vec<f64> = cells
        .iter()
        .map(|c| c.fraction)
        .chain(published.iter().filter_map(&printed))
        .collect();
    fractions.sort_by(f64::total_cmp);
    fractions.dedup_by(|a, b| percent(*a) == percent(*b));
    let heads: Vec<String> = fractions.iter().map(|f| percent(*f)).collect();
    let head: Vec<&str> = std::iter::once("encoder")
        .chain(heads.iter().map(String::as_str))
        .collect();
    let mut table = Table::new(&head);
    for encoder in distinct(cells.iter().map(|c| c.encoder.as_str())) {
        let value = |fraction: &f64| {
            let cell = cells
                .iter()
                .find(|c| c.encoder == encoder && percent(c.fraction) == percent(*fraction));
            cell.map_or(String::new(), |cell| told(cell))
        };
        table.row(std::iter::once(encoder.to_owned()).chain(fractions.iter().map(value)));
    }
    for encoder in distinct(published.iter().map(|c| c.encoder.as_str())) {
        let value = |fraction: &f64| {
            let same = |c: &&&PublishedCell| {
                c.encoder == encoder && printed(c).is_some_and(|f| percent(f) == percent(*fraction))
            };
            published
                .iter()
                .find(same)
                .map_or(String::new(), |c| c.value.clone())
        };
        table.row(
            std::iter::once(format!("{encoder} (published)")).chain(fractions.iter().map(value)),
        );
    }
    table
}

fn told(cell: &Cell) -> String {
    let interval = cell.low.zip(cell.high).map(|(low, high)| [low, high]);
    let of = |mean| experiment::cell(mean, cell.standard_deviation, interval);
    cell.mean.map_or("undefined".into(), of)
}

fn differences(experiment: &Experiment, task: &str) -> Option<Table> {
    let mut table = Table::new(&DIFFERENCE);
    for row in experiment.differences.iter().filter(|row| row.task == task) {
        table.row(difference(
            &row.difference,
            [row.value, row.low, row.high],
            row.p,
        ));
    }
    (table.rows().len() > 1).then_some(table)
}

fn ascending<const N: usize>(mut rows: Vec<[f64; N]>) -> Vec<[f64; N]> {
    rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
    rows
}
