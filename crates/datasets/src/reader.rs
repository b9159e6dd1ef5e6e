//! The trait that every data set implements.

use std::fmt::{Debug, Display};
use std::path::Path;

use clap::ValueEnum;
use mflag_store::{Dataset, Error, Record, Result};

use crate::left_out::LeftOut;
use crate::split::{Offer, Splitter};

/// Reads one data set, in the layout in which its publisher distributes it.
pub trait Reader {
    /// Name of the data set. The store records it. Patients are compared only between stores whose
    /// data sets have the same name.
    const NAME: &'static str;
    /// One line that describes the data set in the help of its subcommand.
    const TITLE: &'static str;
    /// Command lines that show how to prepare the data set.
    const EXAMPLES: &'static str;
    /// The labels, in the order of [`Record::labels`]. Empty if the labels differ between copies of
    /// the data set; [`Dataset::labels`] then names those of the copy that was read.
    const LABELS: &'static [&'static str];
    /// The rules that can split the data set. The first is the default.
    const SPLITS: &'static [Offer];
    /// The options besides the folder. Each field is also a flag of the subcommand.
    type Options: clap::Args + Clone + Debug + Default + PartialEq;

    /// Reads the data set in the folder `root`.
    ///
    /// # Errors
    /// If a file is missing or does not have the documented form, if a cell has a value that is not
    /// allowed, if the data set does not support the chosen split, or if no film is left.
    fn read(root: &Path, options: &Self::Options) -> Result<Dataset>;
}

/// Whether films without report text stay in the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Text {
    /// Leave out films without report text
    Required,
    /// Keep films without report text
    Optional,
}

/// Completes a data set: sorts the films, and applies the list of splits if there is one.
///
/// `layout` describes where the reader looked for films. The error message shows it.
///
/// # Errors
/// If no film is left, or if the list of splits cannot be applied.
pub(crate) fn dataset(
    name: &str,
    labels: &[impl AsRef<str>],
    mut records: Vec<Record>,
    left_out: &LeftOut,
    splitter: &Splitter,
    layout: impl Display,
) -> Result<Dataset> {
    records.sort_unstable_by(|a, b| a.film.cmp(&b.film));
    if records.is_empty() {
        return Err(Error::Data(format!(
            "{name}: no film is left (left out: {left_out}); the reader looks for films at {layout}"
        )));
    }
    tracing::info!("{name}: {} films kept; left out: {left_out}", records.len());
    let data = Dataset {
        name: name.to_owned(),
        labels: labels.iter().map(|l| l.as_ref().to_owned()).collect(),
        records,
        left_out: left_out.by_reason(),
        notes: left_out.notes(),
    };
    splitter.apply_lists(data)
}
