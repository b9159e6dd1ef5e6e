//! The sections of a report.

mod about;
mod comparison;
mod curves;
mod evaluation;
mod experiment;
mod experiment_runs;
mod latent;
mod qualitative;
mod training;

pub(crate) use comparison::comparison;
pub(crate) use experiment::experiment;

use maud::{Markup, html};

use crate::page::{Context, Section};
use crate::run::Run;

/// The section of a run.
pub(crate) fn run(context: &Context, run: &Run) -> Section {
    let body = html! {
        (about::key_figures(run))
        (about::missing(run))
        @for folder in &run.evaluations { (evaluation::evaluation(context, run, folder)) }
        (training::training(context, run))
        (latent::latent(context, run))
        (about::about(context, run))
    };
    Section {
        title: run.name.clone(),
        body,
    }
}

/// Charts side by side; empty without a chart.
fn charts(charts: &[Markup]) -> Markup {
    html! {
        @if !charts.is_empty() {
            div class="charts" { @for chart in charts { (chart) } }
        }
    }
}
