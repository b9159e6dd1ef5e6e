//! The merged values against the schema, in words for people.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::layers::Layers;
use crate::suggest;

/// Every problem of the merged values, one line each; empty if there is none.
pub(super) fn problems(schema: &Value, layers: &Layers) -> Vec<String> {
    let mut problems = Vec::new();
    examine(schema, &layers.value, "", &mut |pointer, text| {
        let key = pointer.trim_start_matches('/').replace('/', ".");
        let place = if key.is_empty() {
            String::new()
        } else {
            format!("{key}: ")
        };
        problems.push(format!("{place}{text} [{}]", layers.origin(pointer)));
    });
    problems
}

/// Calls `report` with the JSON pointer and the words of each problem of `value`, which stands at `base`.
fn examine(schema: &Value, value: &Value, base: &str, report: &mut dyn FnMut(&str, String)) {
    let validator: Validator = match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(error) => return report(base, format!("the schema itself is wrong: {error}")),
    };
    for error in validator.iter_errors(value) {
        let pointer = format!("{base}{}", error.instance_path());
        let around = parent(schema, &error);
        match error.kind() {
            Kind::AdditionalProperties { unexpected } => {
                for key in unexpected {
                    report(&format!("{pointer}/{key}"), unknown_key(around, key));
                }
            }
            Kind::OneOfNotValid { .. } | Kind::AnyOf { .. } => {
                let choices = around
                    .and_then(|s| s.get(error.kind().keyword()))
                    .and_then(Value::as_array);
                match choices.map(|c| choose(c, error.instance())) {
                    Some(Ok(variant)) => examine(variant, error.instance(), &pointer, report),
                    Some(Err(words)) => report(&pointer, words),
                    None => report(&pointer, error.to_string()),
                }
            }
            _ => report(&pointer, words(&error)),
        }
    }
}

/// The schema that holds the keyword which failed.
fn parent<'a>(schema: &'a Value, error: &ValidationError<'_>) -> Option<&'a Value> {
    let path = error.schema_path().to_string();
    schema.pointer(path.rsplit_once('/')?.0)
}

fn unknown_key(schema: Option<&Value>, key: &str) -> String {
    let known = schema
        .and_then(|s| s.get("properties"))
        .and_then(Value::as_object);
    let known: Vec<&str> = known
        .map(|k| k.keys().map(String::as_str).collect())
        .unwrap_or_default();
    format!("unknown key{}", suggest::hint(key, known.iter().copied()))
}

/// The one of several schemas that `value` was meant for: by its `kind`, else the only one that is not `null`;
/// otherwise the words that list the choices.
fn choose<'a>(choices: &'a [Value], value: &Value) -> Result<&'a Value, String> {
    let not_null: Vec<&Value> = choices.iter().filter(|c| c["type"] != "null").collect();
    if let [only] = not_null[..] {
        return Ok(only);
    }
    let kind = |c: &'a Value| c["properties"]["kind"]["const"].as_str();
    let kinds: Vec<&str> = not_null.iter().filter_map(|c| kind(c)).collect();
    if kinds.is_empty() {
        let names: Vec<&str> = not_null
            .iter()
            .flat_map(|c| values(c))
            .filter_map(Value::as_str)
            .collect();
        return Err(one_of(&names, value));
    }
    match value.get("kind") {
        Some(wanted) => not_null
            .into_iter()
            .find(|c| c["properties"]["kind"]["const"] == *wanted)
            .ok_or_else(|| format!("kind: {}", one_of(&kinds, wanted))),
        None => Err(format!("needs a kind: one of {}", kinds.join(", "))),
    }
}

/// The values that a schema lists: its `const` or its `enum`.
fn values(schema: &Value) -> Vec<&Value> {
    match (
        schema.get("const"),
        schema.get("enum").and_then(Value::as_array),
    ) {
        (Some(one), _) => vec![one],
        (None, Some(several)) => several.iter().collect(),
        (None, None) => Vec::new(),
    }
}

fn one_of(names: &[&str], value: &Value) -> String {
    match value.as_str() {
        Some(text) => format!(
            "'{text}' is not one of {}{}",
            names.join(", "),
            near(names, text)
        ),
        None => format!("{value} is not one of {}", names.join(", ")),
    }
}

fn near(names: &[&str], text: &str) -> String {
    suggest::nearest(text, names.iter().copied())
        .map_or(String::new(), |n| format!(" (did you mean '{n}'?)"))
}

fn words(error: &ValidationError<'_>) -> String {
    let value = error.instance();
    match error.kind() {
        Kind::Minimum { limit } => format!("{value} is too small, the least allowed is {limit}"),
        Kind::Maximum { limit } => format!("{value} is too large, the most allowed is {limit}"),
        Kind::ExclusiveMinimum { limit } => {
            format!("{value} is not allowed, it must be above {limit}")
        }
        Kind::ExclusiveMaximum { limit } => {
            format!("{value} is not allowed, it must be below {limit}")
        }
        Kind::Required { property } => format!("the key {property} is missing"),
        Kind::Type { kind } => wrong_type(kind, value),
        Kind::Enum { options } => {
            let names: Vec<&str> = options
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            one_of(&names, value)
        }
        _ => error.to_string(),
    }
}

fn wrong_type(kind: &TypeKind, value: &Value) -> String {
    let expected: Vec<String> = match kind {
        TypeKind::Single(one) => vec![one.to_string()],
        TypeKind::Multiple(set) => set
            .iter()
            .map(|t| t.to_string())
            .filter(|t| t != "null")
            .collect(),
    };
    let hint = match value.as_str() {
        // A number in quotes is text.
        Some(text) if text.trim().parse::<f64>().is_ok() => {
            "; write numbers as 1.0e-4, without quotes"
        }
        _ => "",
    };
    format!("expects {}, found {value}{hint}", expected.join(" or "))
}
