//! NIH ChestX-ray14: `Data_Entry_2017.csv`, `train_val_list.txt`, `test_list.txt`,
//! `BBox_List_2017.csv`, and the films in `images_001/images` to `images_012/images`. A few films
//! are RGBA, as in the release. Eight of the 14 labels occur.

use std::ops::RangeInclusive;
use std::path::Path;

use image::{DynamicImage, GrayImage};
use mflag_core::atomic;
use mflag_datasets::readers::nih::LABELS;
use mflag_film::encode_png;
use mflag_store::{Error, Result, Split};
use serde::Serialize;

use super::files::{write, write_table};
use crate::recipe::Recipe;
use crate::write::write_films;
use crate::{Bounds, Case, Entry, Kind, Layout, Located, Options};

/// Columns and rows of every film, in pixels.
const SIDE: u32 = 1024;
/// Image folders of the release.
const FOLDERS: usize = 12;
/// The second film, and every 200th film after it, is RGBA.
const RGBA_EVERY: u64 = 200;
/// Pixel spacing of the detector in millimetres.
const SPACING: &str = "0.139";

/// NIH ChestX-ray14.
#[derive(Debug, Clone, Copy)]
pub struct Nih;

/// A film.
#[derive(Debug, Serialize)]
pub struct Written {
    film: String,
    split: Split,
}

impl Layout for Nih {
    fn name(&self) -> &'static str {
        "nih"
    }

    fn meaning(&self) -> &'static str {
        "NIH ChestX-ray14, with boxes on films of the test list"
    }

    fn sides(&self) -> RangeInclusive<u32> {
        SIDE..=SIDE
    }

    fn default_side(&self) -> u32 {
        SIDE
    }

    fn splits(&self) -> &'static [Split] {
        &[Split::Train, Split::Test]
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            square: true,
            ..Recipe::ARCHIVE
        }
    }

    type Written = Written;

    fn film(&self, out: &Path, options: &Options, case: &Case) -> Result<Written> {
        let study = &case.study;
        let film = format!("{:08}_{:03}.png", study.patient + 1, study.number);
        let folder = 1 + study.index as usize * FOLDERS / options.films;
        let path = out.join(format!("images_{folder:03}/images/{film}"));
        write(&path, &encode_png(&picture(case, &path)?, &path)?)?;
        Ok(Written {
            film,
            split: options.split(study),
        })
    }

    fn tables(&self, out: &Path, entries: &[Entry<Written>]) -> Result<()> {
        write_labels(out, entries)?;
        write_list(&out.join("train_val_list.txt"), entries, Split::Train)?;
        write_list(&out.join("test_list.txt"), entries, Split::Test)?;
        write_boxes(out, entries)
    }

    fn write(&self, out: &Path, options: &Options) -> Result<()> {
        write_films(self, out, options)
    }
}

/// The film as a grey or an RGBA image. Only the error message uses `path`.
fn picture(case: &Case, path: &Path) -> Result<DynamicImage> {
    let film = &case.film;
    let grey = GrayImage::from_raw(film.width, film.height, film.pixels.clone())
        .ok_or_else(|| Error::file(path, "the film cannot be encoded: its size is wrong"))?;
    let grey = DynamicImage::from(grey);
    Ok(if case.study.index % RGBA_EVERY == 1 {
        grey.into_rgba8().into()
    } else {
        grey
    })
}

fn write_labels(out: &Path, entries: &[Entry<Written>]) -> Result<()> {
    let head = [
        "Image Index",
        "Finding Labels",
        "Follow-up #",
        "Patient ID",
        "Patient Age",
        "Patient Gender",
        "View Position",
        // In the release, the names of two columns contain a comma without quotes, so each counts
        // as two columns.
        "OriginalImage[Width",
        "Height]",
        "OriginalImagePixelSpacing[x",
        "y]",
    ];
    let rows = entries.iter().map(label_row);
    write_table(&out.join("Data_Entry_2017.csv"), &head, rows)
}

fn label_row(entry: &Entry<Written>) -> [String; 11] {
    let study = &entry.study;
    let [columns, rows] = [study.detector.0, study.detector.1].map(|side| side.to_string());
    [
        entry.written.film.clone(),
        finding_labels(&entry.findings),
        study.number.to_string(),
        (study.patient + 1).to_string(),
        study.age.to_string(),
        study.sex.letter().to_owned(),
        study.projection.name().to_owned(),
        columns,
        rows,
        SPACING.to_owned(),
        SPACING.to_owned(),
    ]
}

/// The labels of the findings, joined in the data set's order.
fn finding_labels(findings: &[Located]) -> String {
    let found: Vec<&str> = findings
        .iter()
        .filter_map(|f| label(f.finding.kind))
        .collect();
    let sorted: Vec<&str> = LABELS
        .into_iter()
        .filter(|label| found.contains(label))
        .collect();
    if sorted.is_empty() {
        "No Finding".to_owned()
    } else {
        sorted.join("|")
    }
}

/// The label of a kind. Devices have none.
fn label(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Opacity => Some("Infiltration"),
        Kind::Consolidation => Some("Consolidation"),
        Kind::Atelectasis => Some("Atelectasis"),
        Kind::Edema => Some("Edema"),
        Kind::Effusion => Some("Effusion"),
        Kind::Pneumothorax => Some("Pneumothorax"),
        Kind::Cardiomegaly => Some("Cardiomegaly"),
        Kind::Nodule => Some("Nodule"),
        Kind::EndotrachealTube | Kind::CentralLine | Kind::Pacemaker | Kind::NasogastricTube => {
            None
        }
    }
}

/// Writes the names of a split's films, one per line.
fn write_list(path: &Path, entries: &[Entry<Written>], split: Split) -> Result<()> {
    Ok(atomic::write(path, |file| {
        let mut films = entries.iter().filter(|entry| entry.written.split == split);
        films.try_for_each(|entry| writeln!(file, "{}", entry.written.film))
    })?)
}

/// Writes the boxes on films of the test list.
fn write_boxes(out: &Path, entries: &[Entry<Written>]) -> Result<()> {
    let head = [
        "Image Index",
        "Finding Label",
        "Bbox [x",
        "y",
        "w",
        "h]",
        "",
        "",
        "",
    ];
    let tested = entries
        .iter()
        .filter(|entry| entry.written.split == Split::Test);
    let rows = tested.flat_map(|entry| {
        let findings = entry.findings.iter();
        findings.filter_map(|finding| box_row(&entry.written.film, finding))
    });
    write_table(&out.join("BBox_List_2017.csv"), &head, rows)
}

/// The row of a finding's box. `None` for kinds that have no boxes in the data set, and for
/// findings outside the beam.
fn box_row(film: &str, located: &Located) -> Option<[String; 9]> {
    let label = match label(located.finding.kind)? {
        "Consolidation" | "Edema" => return None,
        "Infiltration" => "Infiltrate",
        label => label,
    };
    if located.area == 0 {
        return None;
    }
    let Bounds { x, y, w, h } = located.bounds;
    let [x, y, w, h] = [x, y, w, h].map(|value| format!("{value}.0"));
    let [empty_1, empty_2, empty_3] = [const { String::new() }; 3];
    Some([
        film.to_owned(),
        label.to_owned(),
        x,
        y,
        w,
        h,
        empty_1,
        empty_2,
        empty_3,
    ])
}
