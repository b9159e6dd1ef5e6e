//! How often each sample counts. With counts, a metric can be computed on a resample.

use crate::{Error, Result};

/// How often each sample counts in a metric.
///
/// A bootstrap draws samples with replacement. To count a sample twice gives the same result as a
/// second copy of the sample, and needs neither the copy nor a second sort.
#[derive(Debug, Clone, Copy)]
pub enum Counts<'a> {
    /// Each sample counts once: the metric itself.
    Once,
    /// Sample `i` counts `counts[i]` times.
    Of(&'a [u32]),
}

impl Counts<'_> {
    /// Fails unless there is one count per sample.
    pub(crate) fn check(self, samples: usize) -> Result<()> {
        match self {
            Counts::Once => Ok(()),
            Counts::Of(counts) => Error::check_length("counts", counts.len(), "samples", samples),
        }
    }

    /// How often sample `index` counts.
    ///
    /// # Panics
    /// If there are counts, and not one for `index`.
    #[inline]
    #[must_use]
    pub fn of(self, index: usize) -> u64 {
        match self {
            Counts::Once => 1,
            Counts::Of(counts) => u64::from(counts[index]),
        }
    }
}
