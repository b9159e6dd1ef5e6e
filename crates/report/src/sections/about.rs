//! The summary of a run: main metrics, what is missing, and where the run comes from.

use maud::{Markup, html};
use mflag_core::config::to_yaml;
use mflag_core::table::Table;
use mflag_metrics::catalogue::{MEAN_COSINE, RANK, is_of_label, title_with_note};
use serde_json::Value;

use crate::number::{date_and_time, short};
use crate::page::{Context, table};
use crate::run::Run;

/// The largest number of key figures.
const FIGURES: usize = 6;
/// The keys of the configuration in the table of a run.
const KEYS: [&str; 9] = [
    "data.store",
    "encoder.arch",
    "encoder.weights",
    "encoder.frozen",
    "data.fraction",
    "train.epochs",
    "train.batch_size",
    "loss.batch",
    "train.seed",
];

/// A figure of the summary.
struct Figure {
    name: String,
    value: String,
    /// The text below the value: the interval, or the epoch.
    detail: String,
}

/// The main metrics of a run: on the test split after an evaluation, else on the validation split.
pub(super) fn key_figures(run: &Run) -> Markup {
    let mut figures = evaluated(run);
    if let Some(best) = best(run) {
        let index = if run.evaluations.is_empty() {
            0
        } else {
            figures.len().min(FIGURES - 1)
        };
        figures.insert(index, best);
    }
    figures.extend(latest(run));
    figures.truncate(FIGURES);
    html! {
        @if !figures.is_empty() {
            dl class="keys" {
                @for Figure { name, value, detail } in &figures {
                    div {
                        dt { (name) }
                        dd { (value) @if !detail.is_empty() { small { (detail) } } }
                    }
                }
            }
        }
    }
}

/// The metrics of all evaluations, without those of single labels.
fn evaluated(run: &Run) -> Vec<Figure> {
    let evaluations = run.evaluations.iter().map(|folder| &folder.evaluation);
    let of_split = evaluations.flat_map(|evaluation| {
        let metrics = evaluation.metrics.iter();
        metrics.map(|metric| (metric, &evaluation.split))
    });
    of_split
        .filter(|(metric, _)| !is_of_label(&metric.metric))
        .map(|(metric, split)| Figure {
            name: format!("{}, {split}", title_with_note(&metric.metric)),
            value: metric.value.map_or("undefined".into(), short),
            detail: metric.interval().map_or(String::new(), |[low, high]| {
                format!("{} to {}", short(low), short(high))
            }),
        })
        .collect()
}

/// The monitored metric at the best epoch.
fn best(run: &Run) -> Option<Figure> {
    let [epoch, value] = run.best()?;
    Some(Figure {
        name: format!("{}, validation", title_with_note(run.monitor())),
        value: short(value),
        detail: format!("best, at epoch {epoch}"),
    })
}

/// Rank and mean cosine of the latent space at the last epoch.
fn latest(run: &Run) -> impl Iterator<Item = Figure> {
    [RANK.key, MEAN_COSINE.key].into_iter().filter_map(|key| {
        let [epoch, value] = *run.metrics.validation(key)?.points.last()?;
        Some(Figure {
            name: title_with_note(key),
            value: short(value),
            detail: format!("at epoch {epoch}"),
        })
    })
}

/// What the run lacks.
pub(super) fn missing(run: &Run) -> Markup {
    let mut lines = run.missing.clone();
    let epochs = run.config_value("train.epochs").and_then(Value::as_f64);
    if let (Some(epochs), Some(last)) = (epochs, run.last_epoch())
        && last < epochs
        && run.evaluations.is_empty()
    {
        lines.push(format!(
            "{last} of {epochs} epochs are done: the run is still running, was stopped, or ended \
             early without improvement (train.patience)"
        ));
    }
    let is_head = run.config_value("head").is_some();
    if is_head && run.evaluations.is_empty() {
        lines.push(
            "no split has been evaluated: training has not ended, or the store has no test split"
                .into(),
        );
    }
    html! {
        @if !lines.is_empty() {
            div class="note" {
                p { "Something is missing:" }
                ul { @for line in &lines { li { (line) } } }
            }
        }
    }
}

/// Where the run comes from: program, versions, data, configuration.
pub(super) fn about(context: &Context, run: &Run) -> Markup {
    let facts = facts(run);
    let config = run.config.as_ref().and_then(|c| to_yaml(c).ok());
    html! {
        @if facts.rows().len() > 1 {
            h3 { "About the run" }
            (table(context, &format!("About {}", run.name), &facts))
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

/// Provenance and main settings of a run.
fn facts(run: &Run) -> Table {
    let mut facts = Table::new(&["what", "value"]);
    facts.row(["folder".to_owned(), run.path.display().to_string()]);
    if let Some(p) = &run.provenance {
        facts.row(["program", run.program().unwrap_or_default()]);
        facts.row(["started", &date_and_time(p.started)]);
        facts.row(["mflag", &p.mflag]);
        for (name, version) in &p.libraries {
            facts.row([name, version]);
        }
        let commit = |git: &Option<String>| git.clone().unwrap_or_else(|| "unknown".to_owned());
        facts.row(["commit of mflag", &commit(&p.git)]);
        if let Some(git) = &p.working_dir_git {
            facts.row(["commit of the working folder", git]);
        }
        facts.row(["processors", &p.processors.to_string()]);
        facts.row(["processes", &p.world_size.unwrap_or(1).to_string()]);
        if let Some(view) = &p.view {
            facts.row(["the network sees", view]);
        }
        for (role, digest) in &p.digests {
            facts.row([format!("digest of the {role}"), digest.clone()]);
        }
        for session in p
            .resumed
            .iter()
            .filter(|s| s.git != p.git || s.world_size != p.world_size || !s.changes.is_empty())
        {
            let changes = session.changes.join(", ");
            let processes = session.world_size.unwrap_or(1);
            let words = format!(
                "by commit {}, processes: {processes}; {changes}",
                commit(&session.git)
            );
            facts.row([format!("resumed {}", date_and_time(session.started)), words]);
        }
    }
    if let Some(last) = run.last_epoch() {
        facts.row(["epochs done".to_owned(), last.to_string()]);
    }
    for key in KEYS {
        if let Some(value) = run.config_value(key).filter(|v| !v.is_null()) {
            facts.row([key, &plain_text(value)]);
        }
    }
    facts
}

/// A value of a configuration without the quotes of JSON.
pub(super) fn plain_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
