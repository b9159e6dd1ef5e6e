//! The model card: a template, filled with what is known of an encoder.

use mflag_core::table::Table;
use mflag_encoder::FilmEncoder;
use mflag_train::checkpoint::Counters;
use serde_json::Value;

use crate::error::Result;

/// Markdown with `{{places}}`; what nobody but its reader knows is left to fill in, in square brackets.
const TEMPLATE: &str = include_str!("model_card.md");

/// What stands where nothing is known.
const UNKNOWN: &str = "[to be filled in]";

/// How an encoder was trained.
pub(super) struct Training {
    /// Data set and counts, in a sentence, if the store is at hand.
    pub(super) data: Option<String>,
    /// The run's configuration, as YAML.
    pub(super) configuration: String,
    /// Where the run stood, with the metrics of the latest validation.
    pub(super) counters: Counters,
}

/// What a card speaks of.
pub(super) struct Card<'a> {
    pub(super) encoder: &'a FilmEncoder,
    pub(super) training: Option<&'a Training>,
    /// The files beside it, and what reads each.
    pub(super) files: Vec<(&'static str, &'static str)>,
}

impl Card<'_> {
    /// The card in Markdown.
    pub(super) fn text(&self) -> Result<String> {
        let known = |text: Option<&str>| text.unwrap_or(UNKNOWN).to_owned();
        let training = self.training;
        let preprocess = self.encoder.preprocess();
        let places = [
            ("arch", self.encoder.arch().name().to_owned()),
            ("width", self.encoder.width().to_string()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("files", self.files()),
            ("square", preprocess.square.to_string()),
            ("side", preprocess.side.to_string()),
            ("mean", preprocess.mean.to_string()),
            ("std", preprocess.std.to_string()),
            ("data", known(training.and_then(|t| t.data.as_deref()))),
            (
                "metrics",
                training.map_or_else(|| UNKNOWN.to_owned(), metrics),
            ),
            (
                "configuration",
                known(training.map(|t| t.configuration.trim_end())),
            ),
            ("provenance", provenance(self.encoder.provenance())),
        ];
        Ok(places
            .iter()
            .fold(TEMPLATE.to_owned(), |text, (place, value)| {
                text.replace(&format!("{{{{{place}}}}}"), value)
            }))
    }

    fn files(&self) -> String {
        let mut table = Table::new(&["file", "for"]);
        for (file, reader) in &self.files {
            table.row([format!("`{file}`"), (*reader).to_owned()]);
        }
        table.markdown().trim_end().to_owned()
    }
}

fn metrics(training: &Training) -> String {
    let Counters {
        epoch,
        step,
        latest,
        ..
    } = &training.counters;
    let mut table = Table::new(&["metric", "value"]);
    for (name, value) in latest {
        table.row([name.clone(), format!("{:.4}", value.0)]);
    }
    let table = table.markdown();
    format!(
        "After epoch {epoch} (step {step}), on the validation pairs:\n\n{}",
        table.trim_end()
    )
}

/// An object's entries as a table, those of objects within it by dotted names.
fn provenance(value: &Value) -> String {
    let Value::Object(entries) = value else {
        return UNKNOWN.to_owned();
    };
    let mut table = Table::new(&["what", "value"]);
    for (name, value) in entries {
        match value {
            Value::Object(inner) => {
                for (key, value) in inner {
                    table.row([format!("{name}.{key}"), plain(value)]);
                }
            }
            value => {
                table.row([name.clone(), plain(value)]);
            }
        }
    }
    table.markdown().trim_end().to_owned()
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
