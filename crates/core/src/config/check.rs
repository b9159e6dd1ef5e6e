//! Checks the merged values against the JSON schema that `schemars` generates, and words the problems
//! for people. Only the keywords in [`CHECKED`] are known; a test compares them with all schemas.

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::layers::Layers;
use super::renamed;
use crate::suggest;

/// The keywords of JSON schema that are checked.
#[cfg(test)]
pub(super) const CHECKED: &[&str] = &[
    "additionalProperties",
    "anyOf",
    "const",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "type",
];

/// Numeric bounds: the keyword, whether a value violates the bound, and the words for it.
type Bound = (&'static str, fn(f64, f64) -> bool, &'static str);
const BOUNDS: [Bound; 4] = [
    ("minimum", |v, limit| v < limit, "too small; the minimum is"),
    ("maximum", |v, limit| v > limit, "too large; the maximum is"),
    (
        "exclusiveMinimum",
        |v, limit| v <= limit,
        "too small; it must be greater than",
    ),
    (
        "exclusiveMaximum",
        |v, limit| v >= limit,
        "too large; it must be less than",
    ),
];

/// A problem, and the JSON pointer of the value that has it.
#[derive(Debug)]
struct Problem {
    pointer: String,
    text: String,
}

/// All problems of the merged values, one line each.
pub(super) fn problems(schema: &Value, layers: &Layers) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, &layers.value, "", &mut found);
    let line = |Problem { pointer, text }: Problem| {
        let key = dotted(&pointer);
        let place = if key.is_empty() {
            String::new()
        } else {
            format!("{key}: ")
        };
        format!("{place}{text} [{}]", layers.origin(&pointer))
    };
    found.into_iter().map(line).collect()
}

/// Adds the problems of `value`, whose JSON pointer is `pointer`, to `found`.
fn check(schema: &Value, value: &Value, pointer: &str, found: &mut Vec<Problem>) {
    let mut add = |text| {
        found.push(Problem {
            pointer: pointer.to_owned(),
            text,
        });
    };
    let types = types(schema);
    if !types.is_empty() && !types.iter().any(|name| has_type(value, name)) {
        return add(wrong_type(&types, value));
    }
    let allowed = values(schema);
    if !allowed.is_empty() && !allowed.contains(&value) {
        return add(one_of(&names(&allowed), value));
    }
    let choices = schema.get("oneOf").or_else(|| schema.get("anyOf"));
    if let Some(choices) = choices.and_then(Value::as_array) {
        match choose(choices, value) {
            Ok(variant) => check(variant, value, pointer, found),
            Err(text) => add(text),
        }
        return;
    }
    match value {
        Value::Number(number) => out_of_bounds(schema, number).into_iter().for_each(add),
        Value::String(text) => mismatch(schema, text).into_iter().for_each(add),
        Value::Array(items) => {
            wrong_length(schema, items).into_iter().for_each(add);
            for (index, item) in items.iter().enumerate() {
                if let Some(schema) = schema.get("items") {
                    check(schema, item, &format!("{pointer}/{index}"), found);
                }
            }
        }
        Value::Object(map) => check_map(schema, map, pointer, found),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Checks the keys of a map and their values.
fn check_map(schema: &Value, map: &Map<String, Value>, pointer: &str, found: &mut Vec<Problem>) {
    for (key, value) in map {
        let pointer = format!("{pointer}/{key}");
        let known = schema.get("properties").and_then(|known| known.get(key));
        match known.or_else(|| schema.get("additionalProperties")) {
            Some(Value::Bool(false)) => {
                let text = unknown_key(schema, &pointer, key);
                found.push(Problem { pointer, text });
            }
            Some(schema) => check(schema, value, &pointer, found),
            None => {}
        }
    }
    let required = schema.get("required").and_then(Value::as_array);
    for key in required.into_iter().flatten().filter_map(Value::as_str) {
        if !map.contains_key(key) {
            found.push(Problem {
                pointer: pointer.to_owned(),
                text: format!("the key {key} is missing"),
            });
        }
    }
}

fn out_of_bounds(schema: &Value, number: &serde_json::Number) -> Option<String> {
    BOUNDS.iter().find_map(|(keyword, violates, words)| {
        let limit = schema.get(keyword)?;
        let violated = violates(number.as_f64()?, limit.as_f64()?);
        violated.then(|| format!("{number} is {words} {limit}"))
    })
}

fn mismatch(schema: &Value, text: &str) -> Option<String> {
    let pattern = schema.get("pattern")?.as_str()?;
    match Regex::new(pattern) {
        Ok(regex) if regex.is_match(text) => None,
        Ok(_) => Some(format!("'{text}' does not match {pattern}")),
        Err(error) => Some(format!("the schema is wrong: {error}")),
    }
}

fn wrong_length(schema: &Value, items: &[Value]) -> Option<String> {
    let limit = |keyword| schema.get(keyword).and_then(Value::as_u64);
    let (least, most) = (limit("minItems"), limit("maxItems"));
    let length = items.len() as u64;
    let expected = match (least, most) {
        (Some(least), Some(most)) if least == most => format!("{least} values"),
        (Some(least), _) if length < least => format!("at least {least} values"),
        (_, Some(most)) if length > most => format!("at most {most} values"),
        _ => return None,
    };
    let fits = least.is_none_or(|least| length >= least) && most.is_none_or(|most| length <= most);
    (!fits).then(|| format!("expected {expected}, found {length}"))
}

/// The types that a schema allows, in the words of JSON schema.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether a value has a type of JSON schema. As in YAML, 3.0 is not an integer.
fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        _ => false,
    }
}

/// The key of a JSON pointer: `/a/b` → `a.b`.
fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

fn unknown_key(schema: &Value, pointer: &str, key: &str) -> String {
    let known = schema.get("properties").and_then(Value::as_object);
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

/// Selects one of several schemas for `value`: the only one (besides `null`), the one for numbers if
/// it is a number, the one whose values include it, or the one with the `kind` of `value`. If there
/// is none, returns a message that lists the choices.
fn choose<'a>(choices: &'a [Value], value: &Value) -> Result<&'a Value, String> {
    let (null, choices): (Vec<&Value>, Vec<&Value>) =
        choices.iter().partition(|choice| types(choice) == ["null"]);
    match (null.first(), &choices[..]) {
        (Some(null), _) if value.is_null() => return Ok(null),
        (_, [only]) => return Ok(only),
        _ => {}
    }
    let is_of_numbers = |choice: &&Value| matches!(types(choice)[..], ["integer" | "number"]);
    let number = choices.iter().copied().find(is_of_numbers);
    if let (Some(number), true) = (number, value.is_number()) {
        return Ok(number);
    }
    let kind = |choice: &'a Value| choice["properties"]["kind"]["const"].as_str();
    let kinds: Vec<&str> = choices.iter().copied().filter_map(kind).collect();
    if kinds.is_empty() {
        let allowed: Vec<&Value> = choices.iter().flat_map(|c| choice_values(c)).collect();
        let chosen = choices
            .into_iter()
            .find(|c| choice_values(c).contains(&value));
        let names = number
            .map(|_| "a number")
            .into_iter()
            .chain(names(&allowed));
        return chosen.ok_or_else(|| one_of(&names.collect::<Vec<_>>(), value));
    }
    match value.get("kind") {
        Some(selected) => choices
            .into_iter()
            .find(|choice| choice["properties"]["kind"]["const"] == *selected)
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

/// The values that a schema or its choices allow.
fn choice_values(schema: &Value) -> Vec<&Value> {
    match schema.get("oneOf").and_then(Value::as_array) {
        Some(choices) => choices.iter().flat_map(values).collect(),
        None => values(schema),
    }
}

/// The values that are text.
fn names<'a>(values: &[&'a Value]) -> Vec<&'a str> {
    values.iter().filter_map(|value| value.as_str()).collect()
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

fn wrong_type(types: &[&str], value: &Value) -> String {
    let expected: Vec<&str> = types.iter().copied().filter(|t| *t != "null").collect();
    let hint = match value.as_str() {
        Some(text) if text.trim().parse::<f64>().is_ok() => {
            "; write numbers as 1.0e-4, without quotes"
        }
        _ => "",
    };
    format!("expected {}, found {value}{hint}", expected.join(" or "))
}
