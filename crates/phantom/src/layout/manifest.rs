//! Own data: `manifest.csv`, `films/` and `masks/`. Labels are what is drawn; boxes and masks those of opacities and
//! consolidations, so that one set of films serves all three heads.

use mflag_core::Named;
use std::path::Path;

use image::{GrayImage, Luma};
use mflag_film::encode_png;
use serde::Serialize;

use super::rsna::boxes;
use super::{jpeg, write, write_table};
use crate::disk::{Entry, Options};
use crate::recipe::OPACITIES;
use crate::{Bounds, Case, Kind, Located};
use mflag_datasets::readers::manifest::FILE;
use mflag_datasets::readers::mimic::LABELS;
use mflag_store::{Result, Split};

/// A film.
#[derive(Serialize)]
pub(crate) struct Written {
    film: String,
    split: Split,
    #[serde(skip)]
    text: String,
    #[serde(skip)]
    boxes: Vec<String>,
    mask: Option<String>,
}

/// Writes a film, and the mask of its opacities if it has any.
pub(crate) fn film(out: &Path, options: &Options, case: &Case) -> Result<Written> {
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
        boxes: opacities.iter().flat_map(|f| cells(f, width)).collect(),
        mask: (!opacities.is_empty()).then_some(mask),
    })
}

/// The boxes of a finding as the table has them.
fn cells(located: &Located, width: usize) -> impl Iterator<Item = String> {
    let label = LABELS[located.finding.kind.label()];
    let cell = move |Bounds { x, y, w, h }| format!("{label} {x} {y} {w} {h}");
    boxes(located, width).into_iter().map(cell)
}

/// The union of masks, 255 where any is set.
fn union(opacities: &[&Located], case: &Case) -> GrayImage {
    let (width, height) = (case.film.width, case.film.height);
    GrayImage::from_fn(width, height, |x, y| {
        let place = (y * width + x) as usize;
        Luma([u8::from(opacities.iter().any(|f| f.mask[place] != 0)) * 255])
    })
}

/// The labels that films here can have, in the order of [`LABELS`].
fn labels() -> impl Iterator<Item = usize> {
    (0..LABELS.len()).filter(|label| Kind::ALL.iter().any(|kind| kind.label() == *label))
}

/// Writes the table.
pub(crate) fn tables(out: &Path, entries: &[Entry<Written>]) -> Result<()> {
    let head = ["film", "patient", "study", "split", "text", "boxes", "mask"].map(str::to_owned);
    let head = head
        .into_iter()
        .chain(labels().map(|label| format!("label:{}", LABELS[label])));
    let head: Vec<String> = head.collect();
    let rows = entries.iter().map(|entry| {
        let Written {
            film,
            split,
            text,
            boxes,
            mask,
        } = &entry.film;
        let of_film = [
            film.clone(),
            entry.study.subject_id.to_string(),
            entry.study.study_id.to_string(),
            split.name().to_owned(),
            text.clone(),
            boxes.join("; "),
            mask.clone().unwrap_or_default(),
        ];
        let has = |label| {
            entry
                .findings
                .iter()
                .any(|f| f.finding.kind.label() == label)
        };
        let labels = labels().map(move |label| u8::from(has(label)).to_string());
        of_film.into_iter().chain(labels)
    });
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    write_table(&out.join(FILE), &head, rows)
}
