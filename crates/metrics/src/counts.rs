//! How often a sample counts: what turns a metric into one that can be resampled.

use crate::{Error, Result};

/// How often each sample counts in a metric.
///
/// A bootstrap draws samples with replacement. To count one of them twice is the same as to hold it twice, and costs neither a copy
/// nor a second sort.
#[derive(Debug, Clone, Copy)]
pub enum Counts<'a> {
    /// Each once: the metric itself.
    Once,
    /// Sample `i` as often as number `i` says.
    Of(&'a [u32]),
}

impl Counts<'_> {
    /// Refuses counts of another number of samples.
    pub(crate) fn check(self, samples: usize) -> Result<()> {
        match self {
            Counts::Once => Ok(()),
            Counts::Of(counts) => {
                Error::check_length("counts, of the samples", counts.len(), samples)
            }
        }
    }

    /// How often sample `index` counts.
    #[inline]
    pub(crate) fn of(self, index: usize) -> u64 {
        match self {
            Counts::Once => 1,
            Counts::Of(counts) => u64::from(counts[index]),
        }
    }
}
