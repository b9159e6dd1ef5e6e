//! The layouts of real data sets: one module each, which writes films and tables as the data set's
//! reader in `mflag-datasets` expects them.

mod chexpert;
mod dicom;
mod files;
mod manifest;
mod mimic;
mod nih;
mod object_cxr;
mod rsna;
mod siim;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

use mflag_core::{Named, digest};
use mflag_store::{Result, Split};
use serde::{Serialize, Serializer};

use crate::case::Case;
use crate::entry::Entry;
use crate::options::Options;
use crate::recipe::Recipe;

pub use chexpert::Chexpert;
pub use manifest::Manifest;
pub use mimic::Mimic;
pub use nih::Nih;
pub use object_cxr::ObjectCxr;
pub use rsna::Rsna;
pub use siim::Siim;

/// All layouts, in the order of the command line's help.
pub const LAYOUTS: &[&dyn Layout] = &[&Mimic, &Chexpert, &Nih, &Rsna, &Siim, &ObjectCxr, &Manifest];

/// The layout of a phantom if none is chosen.
pub const DEFAULT_LAYOUT: &dyn Layout = &Mimic;

/// [`Layout::sides`] of data sets that do not fix the size of their films, in pixels.
const ANY_SIDE: RangeInclusive<u32> = 64..=3056;

/// A data set whose layout a phantom can take.
pub trait Layout: fmt::Debug + Sync {
    /// The name on the command line, in kebab-case.
    fn name(&self) -> &'static str;

    /// One line for the help.
    fn meaning(&self) -> &'static str;

    /// The range of a film's longest side in pixels; a single number if the data set fixes it.
    fn sides(&self) -> RangeInclusive<u32>;

    /// Longest side of a film in pixels, if none is chosen.
    fn default_side(&self) -> u32;

    /// The splits that the data set's files contain. The reader draws the other splits.
    fn splits(&self) -> &'static [Split];

    /// What the films show, and how often.
    fn recipe(&self) -> Recipe;

    /// The seed of all random numbers. It depends on the layout, so that no two layouts have the
    /// same patients, and a model trained on one can be tested on another.
    fn seed(&self, seed: u64) -> u64 {
        let digest = digest::bytes(format!("{}/{seed}", self.name()).as_bytes());
        let first_64_bits = digest
            .get(..16)
            .and_then(|hex| u64::from_str_radix(hex, 16).ok());
        first_64_bits.unwrap_or(seed)
    }

    /// What [`film`](Self::film) keeps about a study: the fields of its line in `phantom.jsonl`,
    /// and, skipped by serde, fields that only [`tables`](Self::tables) needs.
    type Written: Serialize + Send
    where
        Self: Sized;

    /// Writes the films of one study into `out`, and the study's other files, such as its report.
    ///
    /// # Errors
    /// If a file cannot be encoded or written.
    fn film(&self, out: &Path, options: &Options, case: &Case) -> Result<Self::Written>
    where
        Self: Sized;

    /// Writes the tables about all studies into `out`.
    ///
    /// # Errors
    /// If a table cannot be written.
    fn tables(&self, out: &Path, entries: &[Entry<Self::Written>]) -> Result<()>
    where
        Self: Sized;

    /// Writes the whole phantom. Each layout implements it with the same line,
    /// `write_films(self, out, options)`, because the layout's concrete type is known only there.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn write(&self, out: &Path, options: &Options) -> Result<()>;
}

impl Named for &'static dyn Layout {
    const ALL: &'static [Self] = LAYOUTS;

    fn name(self) -> &'static str {
        Layout::name(self)
    }

    fn meaning(self) -> &'static str {
        Layout::meaning(self)
    }
}

impl PartialEq for dyn Layout {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Display for dyn Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for dyn Layout {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
