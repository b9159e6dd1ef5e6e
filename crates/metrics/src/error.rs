//! Errors in the input of a metric. An undefined metric is `None`, not an error.

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of this crate. Each message names the wrong input and what it must be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two inputs that belong together differ in length.
    #[error("{found} {what} for {expected} {partner}; both numbers must be equal")]
    Length {
        /// The input.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The input that it belongs to.
        partner: &'static str,
        /// The length of that other input.
        expected: usize,
    },
    /// A value is NaN or out of range.
    #[error("{what} is {value}; it must be {range}")]
    Value {
        /// The value's name.
        what: &'static str,
        /// The value.
        value: f64,
        /// What it must be.
        range: &'static str,
    },
    /// An item of a list is wrong.
    #[error("{what} {index} (from 0): {source}")]
    Item {
        /// What the list holds, such as `sample` or `label`.
        what: &'static str,
        /// The item's index.
        index: usize,
        /// What is wrong with it.
        source: Box<Error>,
    },
}

impl Error {
    /// Fails unless `found`, the number of `what`, equals `expected`, the number of `partner`.
    pub(crate) fn check_length(
        what: &'static str,
        found: usize,
        partner: &'static str,
        expected: usize,
    ) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        Err(Error::Length {
            what,
            found,
            partner,
            expected,
        })
    }

    /// Fails unless `valid`. The message names `what`, its `value` and the allowed `range`.
    pub(crate) fn check_value(
        what: &'static str,
        value: f64,
        valid: bool,
        range: &'static str,
    ) -> Result<()> {
        if valid {
            return Ok(());
        }
        Err(Error::Value { what, value, range })
    }

    /// Fails if `value` is NaN.
    pub(crate) fn check_number(what: &'static str, value: f32) -> Result<()> {
        Error::check_value(what, value.into(), !value.is_nan(), "a number")
    }

    /// Wraps this error as the error of item `index` of a list. `what` names the kind of item.
    pub(crate) fn at(self, what: &'static str, index: usize) -> Error {
        Error::Item {
            what,
            index,
            source: Box::new(self),
        }
    }
}

/// Fails at the first sample whose value is not `valid`.
pub(crate) fn check_each(
    what: &'static str,
    values: impl IntoIterator<Item = f32>,
    valid: impl Fn(f32) -> bool,
    range: &'static str,
) -> Result<()> {
    for (index, value) in values.into_iter().enumerate() {
        Error::check_value(what, value.into(), valid(value), range)
            .map_err(|error| error.at("sample", index))?;
    }
    Ok(())
}

/// Fails at the first sample whose value is NaN.
pub(crate) fn check_numbers(
    what: &'static str,
    values: impl IntoIterator<Item = f32>,
) -> Result<()> {
    check_each(what, values, |value| !value.is_nan(), "a number")
}
