//! Checks the merged values against the schema, and describes each problem in one line.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::layers::Layers;
use super::renamed;
use crate::suggest;

/// All problems of the merged values, one line each.
pub(super) fn problems(schema: &Value, layers: &Layers) -> Vec<String> {
    let mut problems = Vec::new();
    examine(schema, &layers.value, "", &mut |pointer, text| {
        let key = dotted(pointer);
        let place = if key.is_empty() {
            String::new()
        } else {
            format!("{key}: ")
        };
        problems.push(format!("{place}{text} [{}]", layers.origin(pointer)));
    });
    problems
}

/// Calls `report` with the JSON pointer and the message of each problem of `value`. `base` is the
/// JSON pointer of `value`.
fn examine(schema: &Value, value: &Value, base: &str, report: &mut dyn FnMut(&str, String)) {
    let validator: Validator = match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(error) => return report(base, format!("the schema is wrong: {error}")),
    };
    for error in validator.iter_errors(value) {
        let pointer = format!("{base}{}", error.instance_path());
        let around = parent(schema, &error);
        match error.kind() {
            Kind::AdditionalProperties { unexpected }
            | Kind::UnevaluatedProperties { unexpected } => {
                for key in unexpected {
                    let pointer = format!("{pointer}/{key}");
                    let message = unknown_key(around, &pointer, key);
                    report(&pointer, message);
                }
            }
            Kind::OneOfNotValid { .. } | Kind::AnyOf { .. } => {
                let choices = around
                    .and_then(|s| s.get(error.kind().keyword()))
                    .and_then(Value::as_array);
                match choices.map(|c| choose(c, error.instance())) {
                    Some(Ok(variant)) => examine(variant, error.instance(), &pointer, report),
                    Some(Err(message)) => report(&pointer, message),
                    None => report(&pointer, error.to_string()),
                }
            }
            _ => report(&pointer, message(&error)),
        }
    }
}

/// The schema whose keyword failed.
fn parent<'a>(schema: &'a Value, error: &ValidationError<'_>) -> Option<&'a Value> {
    let path = error.schema_path().to_string();
    schema.pointer(path.rsplit_once('/')?.0)
}

/// The key of a JSON pointer: `/a/b` → `a.b`.
fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

fn unknown_key(schema: Option<&Value>, pointer: &str, key: &str) -> String {
    let known = schema
        .and_then(|s| s.get("properties"))
        .and_then(Value::as_object);
    let known: Vec<&str> = known
        .map(|k| k.keys().map(String::as_str).collect())
        .unwrap_or_default();
    match renamed::new_name(&dotted(pointer)) {
        Some(new) if known.iter().any(|key| new.ends_with(key)) => {
            format!("was renamed; write {new}")
        }
        _ => format!("unknown key{}", suggest::hint(key, known.iter().copied())),
    }
}

/// Selects one of several schemas for `value`: the only one that is not `null`, or the one with the
/// `kind` of `value`. If no schema fits, returns a message that lists the choices.
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
        Some(selected) => not_null
            .into_iter()
            .find(|c| c["properties"]["kind"]["const"] == *selected)
            .ok_or_else(|| format!("kind: {}", one_of(&kinds, selected))),
        None => Err(format!(
            "kind is missing; write one of {}",
            kinds.join(", ")
        )),
    }
}

/// The values that a schema allows: its `const` or its `enum`.
fn values(schema: &Value) -> Vec<&Value> {
    match (
        schema.get("const"),
        schema.get("enum").and_then(Value::as_array),
    ) {
        (Some(value), _) => vec![value],
        (None, Some(values)) => values.iter().collect(),
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

fn message(error: &ValidationError<'_>) -> String {
    let value = error.instance();
    match error.kind() {
        Kind::Minimum { limit } => format!("{value} is too small; the minimum is {limit}"),
        Kind::Maximum { limit } => format!("{value} is too large; the maximum is {limit}"),
        Kind::ExclusiveMinimum { limit } => {
            format!("{value} is too small; it must be greater than {limit}")
        }
        Kind::ExclusiveMaximum { limit } => {
            format!("{value} is too large; it must be less than {limit}")
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
        TypeKind::Single(kind) => vec![kind.to_string()],
        TypeKind::Multiple(kinds) => kinds
            .iter()
            .map(|t| t.to_string())
            .filter(|t| t != "null")
            .collect(),
    };
    let hint = match value.as_str() {
        Some(text) if text.trim().parse::<f64>().is_ok() => {
            "; write numbers as 1.0e-4, without quotes"
        }
        _ => "",
    };
    format!("expected {}, found {value}{hint}", expected.join(" or "))
}
