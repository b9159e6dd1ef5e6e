//! Configuration: YAML files that extend each other, overrides from the command line, and one check of all of it.
//!
//! A configuration is a Rust struct; its JSON schema, made by `schemars`, is the single source of known keys and ranges.
//! Values come, later ones winning, from the struct's defaults, the files of the `extends:` chain, the file itself, and
//! `--set a.b=value`. Maps are merged key by key; lists and scalars are replaced; a map whose `kind` changes is replaced
//! whole, so that no key of the old variant stays behind.
//!
//! ```
//! use mflag_core::config::{self, Config};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
//! #[serde(default, deny_unknown_fields)]
//! struct Training {
//!     /// Passes over the training set.
//!     #[schemars(range(min = 1, max = 1000))]
//!     epochs: u32,
//!     /// Exclusive bounds are written out.
//!     #[schemars(extend("exclusiveMinimum" = 0))]
//!     learning_rate: f64,
//! }
//! impl Config for Training {}
//!
//! let sets = ["epochs=3".to_owned(), "learning_rate=1.0e-4".to_owned()];
//! let loaded = config::load::<Training>(None, &sets)?;
//! assert_eq!(loaded.config.epochs, 3);
//!
//! let error = config::load::<Training>(None, &["epoch=3".to_owned()]).unwrap_err();
//! assert!(error.to_string().contains("did you mean 'epochs'?"));
//! # Ok::<(), mflag_core::Error>(())
//! ```

mod check;
mod layers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Result};
use layers::Layers;

/// A configuration: a struct with `#[serde(default, deny_unknown_fields)]` and ranges as `schemars` attributes.
pub trait Config: DeserializeOwned + Serialize + JsonSchema {
    /// Rules between values, which no schema says: one line for each that is broken.
    fn check(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A checked configuration and the files that it came from.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// The configuration.
    pub config: T,
    /// The files read, the most basic first.
    pub files: Vec<PathBuf>,
}

/// Reads `file` (with what it extends), applies the overrides `sets` (`a.b=value`, the value in YAML) and checks all.
///
/// # Errors
/// [`Error::Io`] if a file cannot be read, else [`Error::Config`] with every problem at once: the place, the value and what is allowed.
pub fn load<T: Config>(file: Option<&Path>, sets: &[String]) -> Result<Loaded<T>> {
    let layers = Layers::of(file, sets)?;
    let config = checked(&layers)?;
    Ok(Loaded {
        config,
        files: layers.files,
    })
}

/// The values that `file` (with what it extends) and the overrides `sets` state, unchecked and without defaults: what another program
/// will [`load`].
///
/// # Errors
/// If a file cannot be read or is not YAML, or an override has no `=`.
pub fn stated(file: &Path, sets: &[String]) -> Result<Value> {
    Ok(Layers::of(Some(file), sets)?.value)
}

/// Checks what `file` and the overrides `sets` state against the JSON schema of another program, which will [`load`] them.
///
/// # Errors
/// As [`load`], but for rules between values, which only that program knows.
pub fn check_stated(schema: &Value, file: &Path, sets: &[String]) -> Result<()> {
    match check::problems(schema, &Layers::of(Some(file), sets)?) {
        problems if problems.is_empty() => Ok(()),
        problems => Err(Error::Config { problems }),
    }
}

/// Parses and checks one YAML `text`, such as the configuration kept in a run folder; `origin` is for messages.
///
/// # Errors
/// As [`load`].
pub fn from_yaml<T: Config>(text: &str, origin: &Path) -> Result<T> {
    let mut layers = Layers::default();
    layers.add_text(text, origin)?;
    checked(&layers)
}

/// The YAML of a value.
///
/// # Errors
/// If the value has a form that YAML cannot say, such as a map with maps as keys.
pub fn to_yaml<T: Serialize>(value: &T) -> Result<String> {
    serde_yaml::to_string(value)
        .map_err(|e| Error::config(format!("cannot be written as YAML: {e}")))
}

/// The values of a configuration by dotted key, such as `train.epochs`. An empty map counts as a value.
pub fn dotted_keys(config: &Value) -> BTreeMap<String, &Value> {
    fn add<'a>(prefix: &str, value: &'a Value, all: &mut BTreeMap<String, &'a Value>) {
        match value.as_object() {
            Some(map) if !map.is_empty() => {
                for (key, value) in map {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    add(&format!("{prefix}{dot}{key}"), value, all);
                }
            }
            _ => {
                all.insert(prefix.to_owned(), value);
            }
        }
    }
    let mut all = BTreeMap::new();
    add("", config, &mut all);
    all
}

/// The JSON schema of a configuration, all of it inline.
pub fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

fn checked<T: Config>(layers: &Layers) -> Result<T> {
    let problems = check::problems(&schema::<T>(), layers);
    if !problems.is_empty() {
        return Err(Error::Config { problems });
    }
    let config: T = serde_path_to_error::deserialize(&layers.value)
        .map_err(|e| Error::config(format!("{}: {}", e.path(), e.inner())))?;
    match config.check() {
        problems if problems.is_empty() => Ok(config),
        problems => Err(Error::Config { problems }),
    }
}

#[cfg(test)]
mod tests;
