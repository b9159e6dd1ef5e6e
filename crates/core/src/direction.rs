//! Whether higher or lower values of a metric are better.

/// Whether higher or lower values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Higher is better.
    Higher,
    /// Lower is better.
    Lower,
}

impl Direction {
    /// Whether `new` is better than `old`. NaN (undefined) is never better.
    #[must_use]
    pub fn better(self, new: f64, old: Option<f64>) -> bool {
        !new.is_nan()
            && old.is_none_or(|old| match self {
                Direction::Higher => new > old,
                Direction::Lower => new < old,
            })
    }
}
