//! What was run, and what came of it in a few figures.

use maud::{Markup, html};
use mflag_core::config::to_yaml;
use mflag_core::table::Table;
use serde_json::Value;

use crate::number::{moment, short};
use crate::page::{Context, table};
use crate::run::Run;
use crate::words::{is_of_label, title};

/// Figures at the top, at most.
const FIGURES: usize = 6;

/// The run's main figures: of the test split where it was judged, else of validation.
pub(super) fn key_figures(run: &Run) -> Markup {
    let monitor = run.monitor();
    let mut figures: Vec<(String, String, String)> = Vec::new();
    for judged in &run.judged {
        let split = &judged.evaluation.split;
        for metric in judged
            .evaluation
            .metrics
            .iter()
            .filter(|m| !is_of_label(&m.metric))
        {
            let interval = match (metric.low, metric.high) {
                (Some(low), Some(high)) => format!("{} to {}", short(low), short(high)),
                _ => String::new(),
            };
            let value = metric.value.map_or("undefined".into(), short);
            figures.push((
                format!("{}, {split}", title(&metric.metric)),
                value,
                interval,
            ));
        }
    }
    if let Some([epoch, value]) = run.best() {
        let name = format!("{}, validation", title(monitor));
        let place = if run.judged.is_empty() {
            0
        } else {
            figures.len().min(FIGURES - 1)
        };
        figures.insert(
            place,
            (name, short(value), format!("best, at epoch {epoch}")),
        );
    }
    for metric in ["rank", "mean_cosine"] {
        let last = run.metrics.validation(metric).and_then(|c| c.points.last());
        if let Some([epoch, value]) = last {
            figures.push((title(metric), short(*value), format!("at epoch {epoch}")));
        }
    }
    figures.truncate(FIGURES);
    html! {
        @if !figures.is_empty() {
            dl class="keys" {
                @for (name, value, more) in &figures {
                    div {
                        dt { (name) }
                        dd { (value) @if !more.is_empty() { small { (more) } } }
                    }
                }
            }
        }
    }
}

/// What is not there, and what has been left undone.
pub(super) fn missing(run: &Run) -> Markup {
    let mut lines = run.missing.clone();
    let wanted = run.stated("train.epochs").and_then(Value::as_f64);
    if let (Some(wanted), Some(last)) = (wanted, run.last_epoch())
        && last < wanted
        && run.judged.is_empty()
    {
        lines.push(format!(
            "{last} of {wanted} epochs are done: the run is at work, was stopped, or ended early for want of progress (train.patience)"
        ));
    }
    let is_head = run.stated("head").is_some();
    if is_head && run.judged.is_empty() {
        lines.push(
            "no split has been judged yet: training has not ended, or the store has no test split"
                .into(),
        );
    }
    html! {
        @if !lines.is_empty() {
            div class="note" {
                p { "Not all is there:" }
                ul { @for line in &lines { li { (line) } } }
            }
        }
    }
}

/// Where the run came from: program, versions, data, configuration.
pub(super) fn about(context: &Context, run: &Run) -> Markup {
    let mut facts = Table::new(&["what", "value"]);
    facts.row(["folder".to_owned(), run.path.display().to_string()]);
    if let Some(p) = &run.provenance {
        facts.row(["program", run.program().unwrap_or_default()]);
        facts.row(["begun", &moment(p.started)]);
        facts.row(["mflag", &p.mflag]);
        for (name, version) in &p.libraries {
            facts.row([name, version]);
        }
        facts.row(["git commit", p.git.as_deref().unwrap_or("none")]);
        facts.row(["processors", &p.processors.to_string()]);
        for (role, digest) in &p.digests {
            facts.row([format!("digest of the {role}"), digest.clone()]);
        }
    }
    if let Some(last) = run.last_epoch() {
        facts.row(["epochs done".to_owned(), last.to_string()]);
    }
    for key in [
        "data.store",
        "encoder.arch",
        "encoder.weights",
        "encoder.frozen",
        "data.fraction",
        "train.epochs",
        "train.batch_size",
        "train.seed",
    ] {
        if let Some(value) = run.stated(key).filter(|v| !v.is_null()) {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            facts.row([key, &text]);
        }
    }
    let config = run.config.as_ref().and_then(|c| to_yaml(c).ok());
    html! {
        @if facts.rows().len() > 1 {
            h3 { "What was run" }
            (table(context, &format!("What {} is", run.name), &facts))
        }
        @if let Some(p) = &run.provenance {
            details {
                summary { "Command line" }
                pre tabindex="0" { (p.command.join(" ")) }
            }
        }
        @if let Some(config) = config {
            details {
                summary { "Configuration" }
                pre tabindex="0" { (config) }
            }
        }
    }
}
