//! NIH ChestX-ray14: `Data_Entry_2017.csv`, `train_val_list.txt`, `test_list.txt`, `BBox_List_2017.csv` and the films in
//! `images_001/images` … `images_012/images`, a few of them RGBA. Eight of its 14 labels are drawn.

use std::path::Path;

use image::{DynamicImage, GrayImage};
use mflag_core::atomic;
use mflag_film::encode_png;
use serde::Serialize;

use super::{write, write_table};
use crate::disk::{Entry, Options};
use crate::{Bounds, Case, Kind, Located};
use mflag_datasets::readers::nih::LABELS;
use mflag_store::{Error, Result, Split};

/// Folders of the release.
const FOLDERS: usize = 12;
/// One film of so many is RGBA: the second, and so on.
const RGBA_EVERY: u64 = 200;
/// Millimetres a pixel of the detector.
const SPACING: &str = "0.139";

/// A film.
#[derive(Serialize)]
pub(crate) struct Written {
    film: String,
    split: Split,
}

/// Writes a film.
pub(crate) fn film(out: &Path, options: &Options, case: &Case) -> Result<Written> {
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

/// The film as the release has it: grey, and now and then RGBA.
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

/// Writes the tables and lists.
pub(crate) fn tables(out: &Path, entries: &[Entry<Written>]) -> Result<()> {
    let head = [
        "Image Index",
        "Finding Labels",
        "Follow-up #",
        "Patient ID",
        "Patient Age",
        "Patient Gender",
        "View Position",
        // Fields with commas that no quotes guard.
        "OriginalImage[Width",
        "Height]",
        "OriginalImagePixelSpacing[x",
        "y]",
    ];
    let rows = entries.iter().map(row);
    write_table(&out.join("Data_Entry_2017.csv"), &head, rows)?;
    for (name, split) in [
        ("train_val_list.txt", Split::Train),
        ("test_list.txt", Split::Test),
    ] {
        atomic::write(&out.join(name), |file| {
            let mut films = entries.iter().filter(|entry| entry.film.split == split);
            films.try_for_each(|entry| writeln!(file, "{}", entry.film.film))
        })?;
    }
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
        .filter(|entry| entry.film.split == Split::Test);
    let boxes = tested.flat_map(|entry| {
        entry
            .findings
            .iter()
            .filter_map(|located| boxed(entry, located))
    });
    write_table(&out.join("BBox_List_2017.csv"), &head, boxes)
}

fn row(entry: &Entry<Written>) -> [String; 11] {
    let study = &entry.study;
    let [columns, rows] = [study.detector.0, study.detector.1].map(|side| side.to_string());
    [
        entry.film.film.clone(),
        findings(&entry.findings),
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

/// The labels, joined in the order of the data set.
fn findings(located: &[Located]) -> String {
    let found: Vec<&str> = located
        .iter()
        .filter_map(|l| label(l.finding.kind))
        .collect();
    let found: Vec<&str> = LABELS
        .into_iter()
        .filter(|label| found.contains(label))
        .collect();
    if found.is_empty() {
        "No Finding".to_owned()
    } else {
        found.join("|")
    }
}

/// The label of a kind; devices have none.
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

/// The row of a box, for findings that radiologists have boxed there; `None` for others, and for those out of the beam.
fn boxed(entry: &Entry<Written>, located: &Located) -> Option<[String; 9]> {
    let label = match label(located.finding.kind)? {
        "Consolidation" | "Edema" => return None,
        "Infiltration" => "Infiltrate",
        label => label,
    };
    if located.area == 0 {
        return None;
    }
    let Bounds { x, y, w, h } = located.bounds;
    let [x, y, w, h] = [x, y, w, h].map(|side| format!("{side}.0"));
    let film = entry.film.film.clone();
    let nothing = String::new;
    Some([
        film,
        label.to_owned(),
        x,
        y,
        w,
        h,
        nothing(),
        nothing(),
        nothing(),
    ])
}
