//! SIIM-ACR Pneumothorax Segmentation: `dicom-images-train/<study>/<series>/<ImageId>.dcm` and `train-rle.csv` with a row for
//! the mask of each pneumothorax, or one row without a mask.

use std::path::Path;

use serde::Serialize;

use super::dicom::{self, Names, uid};
use super::write_table;
use crate::disk::{Entry, Options};
use crate::{Case, Kind};
use mflag_store::Result;
use mflag_store::rle::{self, Encoding};

/// A film, which is a patient.
#[derive(Serialize)]
pub(crate) struct Written {
    film: String,
    /// Run-length strings.
    #[serde(skip)]
    masks: Vec<String>,
}

/// Writes a film.
pub(crate) fn film(out: &Path, options: &Options, case: &Case) -> Result<Written> {
    let name = format!("siim/{}/{}", options.seed, case.study.index);
    let film = uid(&name);
    let names = Names {
        patient: uid(&format!("{name}/patient")),
        study: uid(&format!("{name}/study")),
        series: uid(&format!("{name}/series")),
        instance: film.clone(),
    };
    let folder = out
        .join("dicom-images-train")
        .join(&names.study)
        .join(&names.series);
    dicom::write(&folder.join(format!("{film}.dcm")), &names, case)?;
    let found = case
        .findings
        .iter()
        .filter(|f| f.finding.kind == Kind::Pneumothorax && f.area > 0);
    let masks = found.map(|f| {
        rle::write(
            &rle::from_plane(&f.mask, case.film.width),
            Encoding::Relative,
        )
    });
    Ok(Written {
        film,
        masks: masks.collect(),
    })
}

/// Writes the table. The original has a blank before its second name, before masks, and before some of its -1.
pub(crate) fn tables(out: &Path, entries: &[Entry<Written>]) -> Result<()> {
    let rows = entries.iter().enumerate().flat_map(|(place, entry)| {
        let Written { film, masks } = &entry.film;
        let positive = masks.iter().map(|mask| format!(" {mask}"));
        let none = if place % 2 == 0 { " -1" } else { "-1" };
        let negative = masks.is_empty().then(|| none.to_owned());
        let pixels = positive.chain(negative);
        pixels.map(move |pixels| [film.clone(), pixels])
    });
    write_table(
        &out.join("train-rle.csv"),
        &["ImageId", " EncodedPixels"],
        rows,
    )
}
