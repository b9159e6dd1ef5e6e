//! Flags that take one of a type's named values.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use mflag_core::Named;

/// Parses a value by its name, and lists all names with their meaning in the help.
pub fn named<T: Named>() -> impl TypedValueParser<Value = T> {
    let value = |value: &T| PossibleValue::new(value.name()).help(value.meaning());
    PossibleValuesParser::new(T::ALL.iter().map(value)).try_map(|name| {
        T::from_name(&name).ok_or_else(|| format!("'{name}' is not one of the values"))
    })
}
