//! Flags whose values are the names of an enum.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use mflag_core::Named;

/// A parser for the names of an enum. The help lists all names with their meaning.
pub fn named<T: Named>() -> impl TypedValueParser<Value = T> {
    let value = |value: &T| PossibleValue::new(value.name()).help(value.meaning());
    PossibleValuesParser::new(T::ALL.iter().map(value)).try_map(|name| {
        T::from_name(&name).ok_or_else(|| format!("'{name}' is not one of the values"))
    })
}
