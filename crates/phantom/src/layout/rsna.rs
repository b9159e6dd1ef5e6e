//! RSNA Pneumonia Detection Challenge: `stage_2_train_images/<patientId>.dcm`, `stage_2_train_labels.csv` and
//! `stage_2_detailed_class_info.csv`. What counts as pneumonia there is an opacity or a consolidation here, with a box a lung.

use std::ops::Range;
use std::path::Path;

use mflag_core::digest;
use serde::Serialize;

use super::dicom::{self, Names, uid};
use super::write_table;
use crate::disk::{Entry, Options};
use crate::recipe::OPACITIES;
use crate::{Bounds, Case, Located, Side};
use mflag_datasets::readers::rsna::LABELS;
use mflag_store::Result;

/// A film, which is a patient.
#[derive(Serialize)]
pub(crate) struct Written {
    film: String,
    #[serde(skip)]
    boxes: Vec<Bounds>,
}

/// Writes a film.
pub(crate) fn film(out: &Path, options: &Options, case: &Case) -> Result<Written> {
    let name = format!("rsna/{}/{}", options.seed, case.study.index);
    let film = uuid(&digest::bytes(name.as_bytes()));
    let names = Names {
        patient: film.clone(),
        study: uid(&format!("{name}/study")),
        series: uid(&format!("{name}/series")),
        instance: uid(&name),
    };
    let path = out.join(format!("stage_2_train_images/{film}.dcm"));
    dicom::write(&path, &names, case)?;
    let opacities = case
        .findings
        .iter()
        .filter(|f| OPACITIES.contains(&f.finding.kind));
    let width = case.film.width as usize;
    let boxes = opacities.flat_map(|f| boxes(f, width)).collect();
    Ok(Written { film, boxes })
}

/// The first 128 bits of a digest, in groups.
fn uuid(hex: &str) -> String {
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
    let groups: Vec<&str> = groups.into_iter().filter_map(|g| hex.get(g)).collect();
    groups.join("-")
}

/// The boxes of a finding: one a lung.
pub(super) fn boxes(located: &Located, width: usize) -> Vec<Bounds> {
    let Bounds { x, w, .. } = located.bounds;
    let columns = x as usize..(x + w) as usize;
    let lungs = match (located.finding.side, gap(&located.mask, width, &columns)) {
        (Side::Bilateral, Some(gap)) => vec![columns.start..gap.start, gap.end..columns.end],
        _ => vec![columns],
    };
    let boxes = lungs.into_iter();
    boxes
        .filter_map(|columns| Bounds::of(&located.mask, width, columns))
        .collect()
}

/// The widest run of columns without anything: the mediastinum between two lungs.
fn gap(mask: &[u8], width: usize, columns: &Range<usize>) -> Option<Range<usize>> {
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

/// Writes both tables: a row a box, or one for a film without; so has the original, in both.
pub(crate) fn tables(out: &Path, entries: &[Entry<Written>]) -> Result<()> {
    let labels = entries.iter().flat_map(|entry| {
        let Written { film, boxes } = &entry.film;
        let positive = boxes.iter().map(move |b| {
            let sides = [b.x, b.y, b.w, b.h].map(|side| format!("{side}.0"));
            let [x, y, w, h] = sides;
            [film.clone(), x, y, w, h, "1".to_owned()]
        });
        let negative = boxes.is_empty().then(|| {
            let [x, y, w, h] = [const { String::new() }; 4];
            [film.clone(), x, y, w, h, "0".to_owned()]
        });
        positive.chain(negative)
    });
    let head = ["patientId", "x", "y", "width", "height", "Target"];
    write_table(&out.join("stage_2_train_labels.csv"), &head, labels)?;
    let classes = entries.iter().flat_map(|entry| {
        let Written { film, boxes } = &entry.film;
        std::iter::repeat_n([film.as_str(), class(entry)], boxes.len().max(1))
    });
    let head = ["patientId", "class"];
    write_table(&out.join("stage_2_detailed_class_info.csv"), &head, classes)
}

/// A film with devices alone is normal.
fn class(entry: &Entry<Written>) -> &'static str {
    let [opacity, other, normal] = LABELS;
    if !entry.film.boxes.is_empty() {
        opacity
    } else if entry.findings.iter().all(|f| f.finding.kind.is_device()) {
        normal
    } else {
        other
    }
}
