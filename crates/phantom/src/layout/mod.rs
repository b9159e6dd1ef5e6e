//! The data sets whose layout a phantom can take: a module each with its films and tables, written as its reader takes them.

pub(crate) mod chexpert;
mod dicom;
pub(crate) mod manifest;
pub(crate) mod mimic;
pub(crate) mod nih;
pub(crate) mod object_cxr;
pub(crate) mod rsna;
pub(crate) mod siim;

use mflag_core::Named;
use std::fmt;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::Path;

use clap::ValueEnum;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use mflag_core::atomic;
use mflag_film::Film;
use serde::Serialize;

use mflag_store::{Error, Result, Split};

/// Quality of the JPEG films.
const QUALITY: u8 = 90;
/// Grey of the lateral films, which show nothing.
const LATERAL_GREY: u8 = 96;

/// A data set whose layout a phantom can take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// MIMIC-CXR-JPG with the reports of MIMIC-CXR
    #[default]
    Mimic,
    /// CheXpert-v1.0-small, with labels as read from reports
    Chexpert,
    /// NIH ChestX-ray14, with boxes on films of the test list
    Nih,
    /// RSNA Pneumonia Detection Challenge: DICOM, boxes around opacities
    Rsna,
    /// SIIM-ACR Pneumothorax Segmentation: DICOM, masks
    Siim,
    /// Object-CXR: foreign objects with their outlines
    ObjectCxr,
    /// Own data: a manifest with labels, boxes, masks and texts
    Manifest,
}

impl Layout {
    /// Pixels that a film's longest side may have; one number where the data set fixes it.
    #[must_use]
    pub fn sides(self) -> RangeInclusive<u32> {
        match self {
            Self::Mimic | Self::Chexpert | Self::ObjectCxr | Self::Manifest => 64..=3056,
            Self::Nih => 1024..=1024,
            Self::Rsna => mflag_datasets::readers::rsna::SIDE..=mflag_datasets::readers::rsna::SIDE,
            Self::Siim => mflag_datasets::readers::siim::SIDE..=mflag_datasets::readers::siim::SIDE,
        }
    }

    /// Pixels of a film's longest side where none are asked for.
    #[must_use]
    pub fn side(self) -> u32 {
        match self {
            Self::Mimic | Self::Manifest => 512,
            Self::Chexpert => 390,
            Self::ObjectCxr => 1024,
            Self::Nih | Self::Rsna | Self::Siim => *self.sides().start(),
        }
    }

    /// The parts that the layout's files tell apart; the rest, its reader draws.
    #[must_use]
    pub fn splits(self) -> &'static [Split] {
        match self {
            Self::Mimic | Self::ObjectCxr | Self::Manifest => Split::ALL,
            Self::Chexpert | Self::Nih => &[Split::Train, Split::Test],
            Self::Rsna | Self::Siim => &[],
        }
    }

    pub(crate) fn is_mimic(&self) -> bool {
        *self == Self::Mimic
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// A film as a baseline JPEG; `path` is for the error alone.
fn jpeg(film: &Film, path: &Path) -> Result<Vec<u8>> {
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(&film.pixels, film.width, film.height, ExtendedColorType::L8)
        .map_err(|e| Error::file(path, format!("the film cannot be encoded: {e}")))?;
    Ok(jpeg)
}

/// The lateral film to a frontal one: a quarter of its size, plain grey.
fn lateral(frontal: &Film) -> Film {
    Film::filled(
        (frontal.width / 4).max(1),
        (frontal.height / 4).max(1),
        LATERAL_GREY,
    )
}

/// Writes a file, and its folder where there is none.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    }
    std::fs::write(path, bytes).map_err(|e| Error::io("write", path, e))
}

/// Writes a table.
fn write_table<R>(path: &Path, head: &[&str], rows: impl IntoIterator<Item = R>) -> Result<()>
where
    R: IntoIterator<Item: AsRef<[u8]>>,
{
    Ok(atomic::write(path, |file| {
        fill_table(file, head, rows).map(|_| ())
    })?)
}

/// Writes a table into `file`, and gives that back.
fn fill_table<W: Write, R>(
    file: W,
    head: &[&str],
    rows: impl IntoIterator<Item = R>,
) -> std::io::Result<W>
where
    R: IntoIterator<Item: AsRef<[u8]>>,
{
    let mut table = csv::Writer::from_writer(file);
    table.write_record(head)?;
    for row in rows {
        table.write_record(row)?;
    }
    table.into_inner().map_err(csv::IntoInnerError::into_error)
}
