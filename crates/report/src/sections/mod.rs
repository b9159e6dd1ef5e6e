//! The parts of a page.

mod about;
mod cases;
mod cells;
mod comparison;
mod curves;
mod experiment;
mod judged;
mod latent;
mod training;

pub(crate) use comparison::comparison;
pub(crate) use experiment::experiment;

use maud::{Markup, html};

use crate::page::{Context, Section};
use crate::run::Run;

/// All of a run.
pub(crate) fn run(context: &Context, run: &Run) -> Section {
    let body = html! {
        (about::key_figures(run))
        (about::missing(run))
        @for judged in &run.judged { (judged::judged(context, run, judged)) }
        (training::training(context, run))
        (latent::latent(context, run))
        (about::about(context, run))
    };
    Section {
        title: run.name.clone(),
        body,
    }
}

/// Charts side by side; nothing of none.
fn charts(charts: &[Markup]) -> Markup {
    html! {
        @if !charts.is_empty() {
            div class="charts" { @for chart in charts { (chart) } }
        }
    }
}
