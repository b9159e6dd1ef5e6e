//! Counts of the films that a reader leaves out, by reason.

use std::collections::BTreeMap;
use std::fmt;

use mflag_store::Record;
use rayon::prelude::*;

/// The film's file does not exist.
pub(crate) const NO_FILM: &str = "no film file";
/// The film has another size than the one that its boxes or mask are in pixels of.
pub(crate) const OTHER_SIZE: &str = "film of another size than its boxes or mask";
/// An earlier row of the table lists the same film.
pub(crate) const DUPLICATE: &str = "duplicate row";
/// The film is a lateral view.
pub(crate) const NOT_FRONTAL: &str = "not a frontal view";
/// The film has no report.
pub(crate) const NO_REPORT: &str = "no report";
/// The film has a report, but [`crate::report_text::clean`] finds no text in it.
pub(crate) const NO_TEXT: &str = "report with fewer than three words of findings or impression";

/// Letters of the film's report were removed, as they have no similar letter in ASCII.
pub(crate) const LOST_LETTERS: &str = "report with letters that are not Latin, which were removed";

/// How many films were left out for each reason. A film counts once, under the first reason that
/// applies to it. Beside these, remarks about films that stay are counted.
#[derive(Debug)]
pub(crate) struct LeftOut {
    /// The reasons, in the order in which the reader checks them.
    reasons: &'static [&'static str],
    counts: Vec<usize>,
    notes: BTreeMap<String, usize>,
}

impl LeftOut {
    /// Starts all counts at 0.
    pub(crate) fn new(reasons: &'static [&'static str]) -> LeftOut {
        LeftOut {
            reasons,
            counts: vec![0; reasons.len()],
            notes: BTreeMap::new(),
        }
    }

    /// Counts a film under one of the reasons.
    pub(crate) fn count(&mut self, reason: &str) {
        match self.reasons.iter().position(|known| *known == reason) {
            Some(index) => self.counts[index] += 1,
            // A reason that the reader does not list still counts.
            None => self.note(&format!("left out: {reason}")),
        }
    }

    /// Counts a film that stays under a remark.
    pub(crate) fn note(&mut self, remark: &str) {
        *self.notes.entry(remark.to_owned()).or_default() += 1;
    }

    /// Counts a film that stays although it has no text, for one of the reasons.
    pub(crate) fn note_kept_without_text(&mut self, reason: &str) {
        self.note(&format!("kept without text: {reason}"));
    }

    /// The remarks, with their counts, in alphabetical order.
    pub(crate) fn notes(&self) -> Vec<(String, usize)> {
        self.notes.clone().into_iter().collect()
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
