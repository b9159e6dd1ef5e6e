//! The model card: a template, filled with what is known about an encoder.

use mflag_core::table::Table;
use mflag_encoder::{FilmEncoder, Preprocess};
use mflag_train::checkpoint::TrainState;
use serde_json::Value;

use super::Format;

/// Markdown with `{{placeholders}}`. Square brackets mark what the publisher must fill in.
const TEMPLATE: &str = include_str!("model_card.md");

/// Stands in the card for a value that is not known.
const UNKNOWN: &str = "[to be filled in]";

/// How an encoder was trained.
pub(super) struct Training {
    /// A sentence on the data set, if the store is available.
    pub(super) data: Option<String>,
    /// The run's configuration, as YAML.
    pub(super) configuration: String,
    /// The training state, with the metrics of the latest validation.
    pub(super) state: TrainState,
}

/// The model card in Markdown, for files in these `formats`.
pub(super) fn model_card(
    encoder: &FilmEncoder,
    training: Option<&Training>,
    formats: &[Format],
) -> String {
    let known = |text: Option<&str>| text.unwrap_or(UNKNOWN).to_owned();
    let preprocess = encoder.preprocess();
    let values = [
        ("arch", encoder.arch().name().to_owned()),
        ("width", encoder.width().to_string()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("files", files(formats)),
        ("square", preprocess.square.to_string()),
        ("side", preprocess.side.to_string()),
        ("view", view(preprocess)),
        ("mean", preprocess.mean.to_string()),
        ("std", preprocess.std.to_string()),
        ("data", known(training.and_then(|t| t.data.as_deref()))),
        (
            "metrics",
            training.map_or_else(|| UNKNOWN.to_owned(), |t| metrics(&t.state)),
        ),
        (
            "configuration",
            known(training.map(|t| t.configuration.trim_end())),
        ),
        ("provenance", provenance(encoder.provenance())),
    ];
    values
        .iter()
        .fold(TEMPLATE.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{{{name}}}}}"), value)
        })
}

/// A sentence on how the square becomes a view.
fn view(preprocess: Preprocess) -> String {
    let Preprocess {
        square,
        resize,
        side,
        ..
    } = preprocess;
    let resized = if resize == square.side {
        String::new()
    } else {
        format!("is resized to {resize} px; each pixel is again the mean over its area. It ")
    };
    let used = if side == resize {
        "is used whole".to_owned()
    } else {
        format!("gives its central {side} × {side} pixels")
    };
    format!("The square {resized}{used}.")
}

fn files(formats: &[Format]) -> String {
    let mut table = Table::new(&["file", "for"]);
    for format in formats {
        let file = format!("`{}`", format.file_name());
        table.row([file, format.reader().to_owned()]);
    }
    table.markdown().trim_end().to_owned()
}

fn metrics(state: &TrainState) -> String {
    let mut table = Table::new(&["metric", "value"]);
    for (name, value) in &state.latest {
        table.row([name.clone(), format!("{:.4}", value.0)]);
    }
    format!(
        "After epoch {} (step {}), on the validation pairs:\n\n{}",
        state.epoch,
        state.step,
        table.markdown().trim_end()
    )
}

/// The entries of an object as a table. Nested objects have dotted names.
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
