//! What can be wrong with the input of a metric. A metric that is undefined is no error: it is `None`.

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of this crate; each message says which value of which input is wrong, and what it must be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Two inputs that go together are not of one length.
    #[error("{what}: {found}, instead of {expected}; each needs exactly one partner")]
    Length {
        /// The input, and what it goes with.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length of what it goes with.
        expected: usize,
    },
    /// A value is not a number, or out of range.
    #[error("{what} is {value}; it must be {range}")]
    Value {
        /// The value's name.
        what: &'static str,
        /// The value.
        value: f64,
        /// What it must be.
        range: &'static str,
    },
    /// One of many is wrong.
    #[error("{what} {index} (from 0): {source}")]
    One {
        /// What there are many of, such as `sample` or `label`.
        what: &'static str,
        /// Its place among them.
        index: usize,
        /// What is wrong with it.
        source: Box<Error>,
    },
}

impl Error {
    /// Refuses `found` values where `expected` belong.
    pub(crate) fn check_length(what: &'static str, found: usize, expected: usize) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        Err(Error::Length {
            what,
            found,
            expected,
        })
    }

    /// Refuses a `value` that is not `valid`.
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

    /// This error, as that of number `index` of many.
    pub(crate) fn of(self, what: &'static str, index: usize) -> Error {
        Error::One {
            what,
            index,
            source: Box::new(self),
        }
    }
}

/// Refuses the first value that is not `valid`.
pub(crate) fn check_each(
    what: &'static str,
    values: impl IntoIterator<Item = f32>,
    valid: impl Fn(f32) -> bool,
    range: &'static str,
) -> Result<()> {
    match values.into_iter().enumerate().find(|(_, v)| !valid(*v)) {
        None => Ok(()),
        Some((index, value)) => Err(Error::Value {
            what,
            value: f64::from(value),
            range,
        }
        .of("sample", index)),
    }
}
