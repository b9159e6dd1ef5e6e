//! RSNA Pneumonia Detection Challenge: `stage_2_train_images/<patientId>.dcm`,
//! `stage_2_train_labels.csv` and `stage_2_detailed_class_info.csv`.
//!
//! Opacities and consolidations stand for the challenge's lung opacities, with one box per lung.

use std::ops::{Range, RangeInclusive};
use std::path::Path;

use mflag_core::digest;
use mflag_datasets::readers::rsna::{LABELS, SIDE};
use mflag_store::{Result, Split};
use serde::Serialize;

use super::dicom::{self, Ids, uid};
use super::files::write_table;
use crate::recipe::{OPACITIES, Positives, Recipe};
use crate::write::write_films;
use crate::{Bounds, Case, Entry, Layout, Located, Options, Side};

/// RSNA Pneumonia Detection Challenge.
#[derive(Debug, Clone, Copy)]
pub struct Rsna;

/// A film, which is the only one of its patient.
#[derive(Debug, Serialize)]
pub struct Written {
    film: String,
    #[serde(skip)]
    boxes: Vec<Bounds>,
}

impl Layout for Rsna {
    fn name(&self) -> &'static str {
        "rsna"
    }

    fn meaning(&self) -> &'static str {
        "RSNA Pneumonia Detection Challenge: DICOM, boxes around opacities"
    }

    fn sides(&self) -> RangeInclusive<u32> {
        SIDE..=SIDE
    }

    fn default_side(&self) -> u32 {
        SIDE
    }

    fn splits(&self) -> &'static [Split] {
        &[]
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            one_film_per_patient: true,
            square: true,
            positives: Some(Positives {
                kinds: OPACITIES,
                // Positive patients and all patients of the challenge.
                fraction: 6_012.0 / 26_684.0,
            }),
            ..Recipe::ARCHIVE
        }
    }

    type Written = Written;

    fn film(&self, out: &Path, options: &Options, case: &Case) -> Result<Written> {
        let name = format!("rsna/{}/{}", options.seed, case.study.index);
        let film = uuid(&digest::bytes(name.as_bytes()));
        let ids = Ids {
            patient: film.clone(),
            study: uid(&format!("{name}/study")),
            series: uid(&format!("{name}/series")),
            instance: uid(&name),
        };
        let path = out.join(format!("stage_2_train_images/{film}.dcm"));
        dicom::write(&path, &ids, case)?;
        let opacities = case
            .findings
            .iter()
            .filter(|f| OPACITIES.contains(&f.finding.kind));
        let width = case.film.width as usize;
        let boxes = opacities.flat_map(|f| boxes_by_lung(f, width)).collect();
        Ok(Written { film, boxes })
    }

    /// Both tables have one row per box, and one row for a film without boxes, as in the challenge.
    fn tables(&self, out: &Path, entries: &[Entry<Written>]) -> Result<()> {
        let head = ["patientId", "x", "y", "width", "height", "Target"];
        let path = out.join("stage_2_train_labels.csv");
        write_table(&path, &head, entries.iter().flat_map(label_rows))?;
        let classes = entries.iter().flat_map(|entry| {
            let Written { film, boxes } = &entry.written;
            std::iter::repeat_n([film.as_str(), class(entry)], boxes.len().max(1))
        });
        let path = out.join("stage_2_detailed_class_info.csv");
        write_table(&path, &["patientId", "class"], classes)
    }

    fn write(&self, out: &Path, options: &Options) -> Result<()> {
        write_films(self, out, options)
    }
}

/// The first 128 bits of a digest, in the groups of a UUID.
fn uuid(hex: &str) -> String {
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
    let groups: Vec<&str> = groups.into_iter().filter_map(|g| hex.get(g)).collect();
    groups.join("-")
}

/// The boxes of a finding on a film of `width` columns: one per lung.
pub(super) fn boxes_by_lung(located: &Located, width: usize) -> Vec<Bounds> {
    let Bounds { x, w, .. } = located.bounds;
    let columns = x as usize..(x + w) as usize;
    let lungs = match (
        located.finding.side,
        widest_gap(&located.mask, width, &columns),
    ) {
        (Side::Bilateral, Some(gap)) => vec![columns.start..gap.start, gap.end..columns.end],
        _ => vec![columns],
    };
    lungs
        .into_iter()
        .filter_map(|columns| Bounds::of_mask(&located.mask, width, columns))
        .collect()
}

/// The widest run of columns without a set pixel: the mediastinum between two lungs.
fn widest_gap(mask: &[u8], width: usize, columns: &Range<usize>) -> Option<Range<usize>> {
    let mut empty = vec![true; width];
    for line in mask.chunks_exact(width) {
        for (empty, cell) in empty.iter_mut().zip(line) {
            *empty &= *cell == 0;
        }
    }
    let mut widest = None::<Range<usize>>;
    let mut start = columns.start;
    for column in columns.clone() {
        if !empty[column] {
            start = column + 1;
        } else if widest.as_ref().is_none_or(|w| w.len() < column + 1 - start) {
            widest = Some(start..column + 1);
        }
    }
    widest
}

/// The rows of `stage_2_train_labels.csv` about one film.
fn label_rows(entry: &Entry<Written>) -> Vec<[String; 6]> {
    let Written { film, boxes } = &entry.written;
    if boxes.is_empty() {
        let [x, y, width, height] = [const { String::new() }; 4];
        return vec![[film.clone(), x, y, width, height, "0".to_owned()]];
    }
    let row = |b: &Bounds| {
        let [x, y, width, height] = [b.x, b.y, b.w, b.h].map(|value| format!("{value}.0"));
        [film.clone(), x, y, width, height, "1".to_owned()]
    };
    boxes.iter().map(row).collect()
}

/// The class of a film. A film with only devices is normal.
fn class(entry: &Entry<Written>) -> &'static str {
    let [opacity, other, normal] = LABELS;
    if !entry.written.boxes.is_empty() {
        opacity
    } else if entry.findings.iter().all(|f| f.finding.kind.is_device()) {
        normal
    } else {
        other
    }
}
