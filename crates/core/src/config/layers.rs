//! Merges the layers of a configuration, and records the origin of each value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mflag_input::CONFIGURATION;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// The key that names the file to extend.
const EXTENDS: &str = "extends";
/// The key that selects the variant of an enum.
const KIND: &str = "kind";

/// The merged values.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) value: Value,
    pub(super) files: Vec<PathBuf>,
    /// The file or override of each value, by its JSON pointer.
    origins: BTreeMap<String, String>,
}

impl Default for Layers {
    fn default() -> Self {
        Layers {
            value: Value::Object(Map::new()),
            files: Vec::new(),
            origins: BTreeMap::new(),
        }
    }
}

impl Layers {
    /// Merges `file`, the files it extends and the overrides `sets`.
    pub(super) fn read(file: Option<&Path>, sets: &[String]) -> Result<Layers> {
        let mut layers = Layers::default();
        if let Some(file) = file {
            layers.add_file(file)?;
        }
        for set in sets {
            layers.add_override(set)?;
        }
        Ok(layers)
    }

    /// Merges `file` after the files it extends.
    fn add_file(&mut self, file: &Path) -> Result<()> {
        let mut chain = Vec::new();
        let mut next = Some(file.to_owned());
        while let Some(path) = next {
            let path = std::fs::canonicalize(&path).map_err(|e| Error::io("read", &path, e))?;
            if chain.iter().any(|(seen, _)| *seen == path) {
                return Err(Error::config(format!(
                    "{}: extends itself through other files",
                    path.display()
                )));
            }
            let text = mflag_input::read_text(&path, &CONFIGURATION)
                .map_err(|e| Error::io("read", &path, e))?;
            let mut map = parse_map(&text, &path)?;
            next = match map.remove(EXTENDS) {
                None => None,
                Some(Value::String(base)) => Some(relative_to(&path, &base)),
                Some(other) => {
                    let problem = format!(
                        "{}: extends: expected the path of a file, found {other}",
                        path.display()
                    );
                    return Err(Error::config(problem));
                }
            };
            chain.push((path, map));
        }
        for (path, map) in chain.into_iter().rev() {
            self.merge(map, &path.display().to_string());
            self.files.push(path);
        }
        Ok(())
    }

    /// Merges the YAML in `text`. Its keys cannot include `extends`.
    pub(super) fn add_text(&mut self, text: &str, origin: &Path) -> Result<()> {
        let map = parse_map(text, origin)?;
        self.merge(map, &origin.display().to_string());
        self.files.push(origin.to_owned());
        Ok(())
    }

    /// Merges an override `a.b=value`.
    pub(super) fn add_override(&mut self, set: &str) -> Result<()> {
        let problem =
            |why: &str| Error::config(format!("--set {set}: {why}; write --set a.b=value"));
        let (path, text) = set.split_once('=').ok_or_else(|| problem("has no '='"))?;
        let keys: Vec<&str> = path.trim().split('.').collect();
        if keys.iter().any(|k| k.is_empty()) {
            return Err(problem("has an empty key"));
        }
        let value = parse(text).map_err(|e| problem(&format!("its value is not YAML ({e})")))?;
        let nested = keys.iter().rev().fold(value, |inner, key| {
            Value::Object(Map::from_iter([((*key).to_owned(), inner)]))
        });
        if let Value::Object(map) = nested {
            self.merge(map, &format!("--set {set}"));
        }
        Ok(())
    }

    /// The origin of the value at a JSON pointer. Only scalars, lists and null have an origin. A
    /// map gets the origin of a value inside it; an empty map, or a missing value, that of a value
    /// in the map around it.
    pub(super) fn origin(&self, pointer: &str) -> &str {
        let mut at = pointer;
        loop {
            let within = format!("{at}/");
            let found = self.origins.get(at).or_else(|| {
                self.origins
                    .iter()
                    .find(|(key, _)| key.starts_with(&within))
                    .map(|(_, origin)| origin)
            });
            match (found, at.rfind('/')) {
                (Some(origin), _) => return origin,
                (None, Some(cut)) => at = &at[..cut],
                (None, None) => return "the configuration",
            }
        }
    }

    fn merge(&mut self, map: Map<String, Value>, origin: &str) {
        merge_into(
            &mut self.value,
            Value::Object(map),
            "",
            origin,
            &mut self.origins,
        );
    }
}

fn merge_into(
    target: &mut Value,
    layer: Value,
    pointer: &str,
    origin: &str,
    origins: &mut BTreeMap<String, String>,
) {
    match (target, layer) {
        (Value::Object(target), Value::Object(layer)) if !other_kind(target, &layer) => {
            for (key, value) in layer {
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                merge_into(
                    target.entry(key).or_insert(Value::Null),
                    value,
                    &pointer,
                    origin,
                    origins,
                );
            }
        }
        (target, Value::Object(layer)) => {
            // Replaces the value, but merges key by key to record the origin of each key.
            *target = Value::Object(Map::new());
            merge_into(target, Value::Object(layer), pointer, origin, origins);
        }
        (target, layer) => {
            *target = layer;
            origins.insert(pointer.to_owned(), origin.to_owned());
        }
    }
}

/// Whether both maps have a `kind` and the two kinds differ.
fn other_kind(target: &Map<String, Value>, layer: &Map<String, Value>) -> bool {
    match (target.get(KIND), layer.get(KIND)) {
        (Some(old), Some(new)) => old != new,
        _ => false,
    }
}

/// Resolves `path`, which is relative to the folder of `file`.
fn relative_to(file: &Path, path: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}

/// Parses YAML into a JSON value. Parses it as a YAML value first, which refuses duplicate keys.
fn parse(text: &str) -> std::result::Result<Value, String> {
    let value: serde_yaml::Value = mflag_input::catch_panic(|| serde_yaml::from_str(text))
        .map_err(|e| e.to_string())?
        .map_err(|e| e.to_string())?;
    serde_json::to_value(value).map_err(|e| e.to_string())
}

fn parse_map(text: &str, origin: &Path) -> Result<Map<String, Value>> {
    let problem = |why: String| Error::config(format!("{}: {why}", origin.display()));
    match parse(text).map_err(|e| problem(format!("is not YAML: {e}")))? {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        other => Err(problem(format!("expected keys with values, found {other}"))),
    }
}
