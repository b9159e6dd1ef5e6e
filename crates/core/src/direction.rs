//! Which way a metric is better.

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Higher is better.
    Higher,
    /// Lower is better.
    Lower,
}

impl Direction {
    /// Whether `new` beats `old`; an undefined (NaN) value beats nothing.
    #[must_use]
    pub fn better(self, new: f64, old: Option<f64>) -> bool {
        !new.is_nan()
            && old.is_none_or(|old| match self {
                Direction::Higher => new > old,
                Direction::Lower => new < old,
            })
    }
}
