//! Tells of masks that may not be what their author meant.

use mflag_store::{Mask, Record};

/// Counts of masks by what is odd about them.
#[derive(Debug, Default)]
pub(super) struct OddMasks {
    soft: usize,
    full: usize,
    most: usize,
    empty: usize,
    empty_positive: usize,
}

impl OddMasks {
    /// Counts the mask of a prepared film, if it has one. `soft`: its file has soft edges.
    pub(super) fn count(&mut self, record: &Record, soft: bool) {
        let Some(Mask::Runs {
            width,
            height,
            runs,
        }) = &record.mask
        else {
            return;
        };
        let set: u64 = runs.iter().map(|[_, length]| u64::from(*length)).sum();
        let all = u64::from(*width) * u64::from(*height);
        let positive = record.labels.contains(&Some(1.0));
        let odd = [
            (soft, &mut self.soft, "soft edges"),
            (set == all, &mut self.full, "every pixel is set"),
            (
                2 * set > all && set < all,
                &mut self.most,
                "most pixels are set",
            ),
            (set == 0, &mut self.empty, "no pixel is set"),
            (
                set == 0 && positive,
                &mut self.empty_positive,
                "no pixel is set, but a label is 1",
            ),
        ];
        for (is_odd, count, what) in odd {
            if is_odd {
                tracing::debug!("mask of {}: {what}", record.film);
                *count += 1;
            }
        }
    }

    /// Logs the counts.
    pub(super) fn tell(&self) {
        let Self {
            soft,
            full,
            most,
            empty,
            empty_positive,
        } = self;
        if *soft > 0 {
            tracing::warn!(
                "{soft} masks have soft or noisy edges (resized, smoothed or JPEG): pixels of at \
                 least half of white belong to the mask (-v names the films)"
            );
        }
        if *full > 0 {
            tracing::warn!(
                "{full} masks set every pixel of their film (-v names the films): is the \
                 background black?"
            );
        }
        if *most > 0 {
            tracing::warn!(
                "{most} masks set more than half of the pixels of their film (-v names the films): \
                 are black and white exchanged?"
            );
        }
        if *empty > 0 {
            tracing::warn!(
                "{empty} masks set no pixel: their films count as films without a finding; for \
                 {empty_positive} of them a label is 1 (-v names the films)"
            );
        }
    }
}
