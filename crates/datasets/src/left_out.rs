//! Counts of the films that a reader leaves out, by reason.

use std::fmt;

use mflag_store::Record;
use rayon::prelude::*;

/// The film's file does not exist.
pub(crate) const NO_FILM: &str = "no film file";
/// An earlier row of the table lists the same film.
pub(crate) const DUPLICATE: &str = "duplicate row";
/// The film is a lateral view.
pub(crate) const NOT_FRONTAL: &str = "not a frontal view";
/// The film has no report.
pub(crate) const NO_REPORT: &str = "no report";
/// The film has a report, but [`crate::report_text::clean`] finds no text in it.
pub(crate) const NO_TEXT: &str = "report with fewer than three words of findings or impression";

/// How many films were left out for each reason. A film counts once, under the first reason that
/// applies to it.
#[derive(Debug)]
pub(crate) struct LeftOut {
    /// The reasons, in the order in which the reader checks them.
    reasons: &'static [&'static str],
    counts: Vec<usize>,
}

impl LeftOut {
    /// Starts all counts at 0.
    pub(crate) fn new(reasons: &'static [&'static str]) -> LeftOut {
        LeftOut {
            reasons,
            counts: vec![0; reasons.len()],
        }
    }

    /// Counts a film under one of the reasons.
    pub(crate) fn count(&mut self, reason: &str) {
        for (known, count) in self.reasons.iter().zip(&mut self.counts) {
            *count += usize::from(*known == reason);
        }
    }

    /// The reasons that occurred, with their counts, in the order of the checks.
    pub(crate) fn by_reason(&self) -> Vec<(String, usize)> {
        let counts = self.reasons.iter().zip(&self.counts);
        counts
            .filter(|(_, count)| **count > 0)
            .map(|(reason, count)| ((*reason).to_owned(), *count))
            .collect()
    }

    /// Keeps the films whose file exists, and counts the others.
    pub(crate) fn keep_existing_files(&mut self, records: Vec<Record>) -> Vec<Record> {
        let exists: Vec<bool> = records.par_iter().map(|r| r.path.is_file()).collect();
        let kept = records
            .into_iter()
            .zip(exists)
            .filter_map(|(record, exists)| {
                if !exists {
                    tracing::debug!("no film file {}", record.path.display());
                    self.count(NO_FILM);
                }
                exists.then_some(record)
            });
        kept.collect()
    }
}

impl fmt::Display for LeftOut {
    /// Writes for example `3 no film file, 1 duplicate row`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.by_reason();
        if counts.is_empty() {
            return f.write_str("none");
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        f.write_str(&counts.join(", "))
    }
}
