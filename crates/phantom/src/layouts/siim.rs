//! SIIM-ACR Pneumothorax Segmentation: `dicom-images-train/<study>/<series>/<ImageId>.dcm`, and
//! `train-rle.csv` with one row per pneumothorax, and one row for each film without one.

use std::ops::RangeInclusive;
use std::path::Path;

use mflag_datasets::readers::siim::SIDE;
use mflag_store::rle::{self, Encoding};
use mflag_store::{Result, Split};
use serde::Serialize;

use super::dicom::{self, Ids, uid};
use super::files::write_table;
use crate::recipe::{Positives, Recipe};
use crate::write::write_films;
use crate::{Case, Entry, Kind, Layout, Options};

/// SIIM-ACR Pneumothorax Segmentation.
#[derive(Debug, Clone, Copy)]
pub struct Siim;

/// A film, which is the only one of its patient.
#[derive(Debug, Serialize)]
pub struct Written {
    film: String,
    /// The mask of each pneumothorax as a run-length string.
    #[serde(skip)]
    masks: Vec<String>,
}

impl Layout for Siim {
    fn name(&self) -> &'static str {
        "siim"
    }

    fn meaning(&self) -> &'static str {
        "SIIM-ACR Pneumothorax Segmentation: DICOM, masks"
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
                kinds: &[Kind::Pneumothorax],
                // Positive films and all films of the training table.
                fraction: 2_669.0 / 12_047.0,
            }),
            second_pneumothorax: true,
            ..Recipe::ARCHIVE
        }
    }

    type Written = Written;

    fn film(&self, out: &Path, options: &Options, case: &Case) -> Result<Written> {
        let name = format!("siim/{}/{}", options.seed, case.study.index);
        let film = uid(&name);
        let ids = Ids {
            patient: uid(&format!("{name}/patient")),
            study: uid(&format!("{name}/study")),
            series: uid(&format!("{name}/series")),
            instance: film.clone(),
        };
        let folder = out
            .join("dicom-images-train")
            .join(&ids.study)
            .join(&ids.series);
        dicom::write(&folder.join(format!("{film}.dcm")), &ids, case)?;
        let pneumothoraces = case
            .findings
            .iter()
            .filter(|f| f.finding.kind == Kind::Pneumothorax && f.area > 0);
        let masks = pneumothoraces.map(|f| {
            let runs = rle::mask_to_runs(&f.mask, case.film.width);
            rle::write(&runs, Encoding::Relative)
        });
        Ok(Written {
            film,
            masks: masks.collect(),
        })
    }

    /// Like the original, the table has a space before its second column's name, before masks, and
    /// before some of the -1 of films without a mask.
    fn tables(&self, out: &Path, entries: &[Entry<Written>]) -> Result<()> {
        let rows = entries.iter().enumerate().flat_map(|(index, entry)| {
            let Written { film, masks } = &entry.written;
            let masks_cells = masks.iter().map(|mask| format!(" {mask}"));
            let no_mask = if index % 2 == 0 { " -1" } else { "-1" };
            let no_mask = masks.is_empty().then(|| no_mask.to_owned());
            masks_cells
                .chain(no_mask)
                .map(move |pixels| [film.clone(), pixels])
        });
        let head = ["ImageId", " EncodedPixels"];
        write_table(&out.join("train-rle.csv"), &head, rows)
    }

    fn write(&self, out: &Path, options: &Options) -> Result<()> {
        write_films(self, out, options)
    }
}
