//! Your own films: `manifest.csv`, `films/` and `masks/`.
//!
//! The labels are what the film shows. Boxes and masks mark opacities and consolidations, so one
//! set of films serves classification, detection and segmentation.

use std::ops::RangeInclusive;
use std::path::Path;

use image::{GrayImage, Luma};
use mflag_core::Named;
use mflag_datasets::readers::manifest::FILE;
use mflag_datasets::readers::mimic::LABELS;
use mflag_film::encode_png;
use mflag_store::{Result, Split};
use serde::Serialize;

use super::ANY_SIDE;
use super::files::{jpeg, write, write_table};
use super::rsna::boxes_by_lung;
use crate::recipe::{OPACITIES, Positives, Recipe};
use crate::write::write_films;
use crate::{Bounds, Case, Entry, Kind, Layout, Located, Options};

/// Your own films, listed in a manifest.
#[derive(Debug, Clone, Copy)]
pub struct Manifest;

/// A film.
#[derive(Debug, Serialize)]
pub struct Written {
    film: String,
    split: Split,
    /// The report.
    #[serde(skip)]
    text: String,
    /// Each box as `LABEL X Y WIDTH HEIGHT`.
    #[serde(skip)]
    boxes: Vec<String>,
    /// Path of the mask.
    mask: Option<String>,
}

impl Layout for Manifest {
    fn name(&self) -> &'static str {
        "manifest"
    }

    fn meaning(&self) -> &'static str {
        "Your own films: a manifest with labels, boxes, masks and reports"
    }

    fn sides(&self) -> RangeInclusive<u32> {
        ANY_SIDE
    }

    fn default_side(&self) -> u32 {
        512
    }

    fn splits(&self) -> &'static [Split] {
        Split::ALL
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            positives: Some(Positives {
                kinds: OPACITIES,
                fraction: 0.5,
            }),
            ..Recipe::ARCHIVE
        }
    }

    type Written = Written;

    fn film(&self, out: &Path, options: &Options, case: &Case) -> Result<Written> {
        let name = format!("{:06}", case.study.index);
        let film = format!("films/{name}.jpg");
        let path = out.join(&film);
        write(&path, &jpeg(&case.film, &path)?)?;
        let opacities: Vec<&Located> = case
            .findings
            .iter()
            .filter(|f| OPACITIES.contains(&f.finding.kind) && f.area > 0)
            .collect();
        let mask = format!("masks/{name}.png");
        if !opacities.is_empty() {
            let path = out.join(&mask);
            write(&path, &encode_png(&union(&opacities, case).into(), &path)?)?;
        }
        let width = case.film.width as usize;
        Ok(Written {
            film,
            split: options.split(&case.study),
            text: case.report.text.clone(),
            boxes: opacities.iter().flat_map(|f| boxes(f, width)).collect(),
            mask: (!opacities.is_empty()).then_some(mask),
        })
    }

    fn tables(&self, out: &Path, entries: &[Entry<Written>]) -> Result<()> {
        let film_columns = ["film", "patient", "study", "split", "text", "boxes", "mask"];
        let label_columns: Vec<String> = labels()
            .map(|label| format!("label:{}", LABELS[label]))
            .collect();
        let label_columns = label_columns.iter().map(String::as_str);
        let head: Vec<&str> = film_columns.into_iter().chain(label_columns).collect();
        write_table(&out.join(FILE), &head, entries.iter().map(row))
    }

    fn write(&self, out: &Path, options: &Options) -> Result<()> {
        write_films(self, out, options)
    }
}

/// The boxes of a finding, as the table writes them.
fn boxes(located: &Located, width: usize) -> impl Iterator<Item = String> {
    let label = LABELS[located.finding.kind.label()];
    boxes_by_lung(located, width)
        .into_iter()
        .map(move |Bounds { x, y, w, h }| format!("{label} {x} {y} {w} {h}"))
}

/// A mask that is 255 where any of the findings is, else 0.
fn union(findings: &[&Located], case: &Case) -> GrayImage {
    let (width, height) = (case.film.width, case.film.height);
    GrayImage::from_fn(width, height, |x, y| {
        let index = (y * width + x) as usize;
        Luma([u8::from(findings.iter().any(|f| f.mask[index] != 0)) * 255])
    })
}

/// The labels that a phantom can have, as indices of [`LABELS`].
fn labels() -> impl Iterator<Item = usize> {
    (0..LABELS.len()).filter(|label| Kind::ALL.iter().any(|kind| kind.label() == *label))
}

fn row(entry: &Entry<Written>) -> Vec<String> {
    let Written {
        film,
        split,
        text,
        boxes,
        mask,
    } = &entry.written;
    let film_cells = [
        film.clone(),
        entry.study.subject_id.to_string(),
        entry.study.study_id.to_string(),
        split.name().to_owned(),
        text.clone(),
        boxes.join("; "),
        mask.clone().unwrap_or_default(),
    ];
    let shows = |label| {
        let mut findings = entry.findings.iter();
        findings.any(|f| f.finding.kind.label() == label)
    };
    let label_cells = labels().map(|label| u8::from(shows(label)).to_string());
    film_cells.into_iter().chain(label_cells).collect()
}
