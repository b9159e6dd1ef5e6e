//! MIMIC-CXR-JPG 2.x with the reports of MIMIC-CXR: the films below `files/`, the reports below
//! `mimic-cxr-reports/`, and the tables `mimic-cxr-2.0.0-{metadata,split,chexpert}.csv.gz`.

use std::ops::RangeInclusive;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use mflag_core::table::fill_csv;
use mflag_core::{Named, atomic, digest};
use mflag_datasets::readers::mimic::LABELS;
use mflag_film::Film;
use mflag_store::{Result, Split};
use serde::Serialize;

use super::ANY_SIDE;
use super::files::{jpeg, lateral, write};
use crate::recipe::Recipe;
use crate::write::write_films;
use crate::{Case, Entry, Layout, Mention, Options, Projection};

/// MIMIC-CXR-JPG with the reports of MIMIC-CXR.
#[derive(Debug, Clone, Copy)]
pub struct Mimic;

/// A study.
#[derive(Debug, Serialize)]
pub struct Written {
    dicom_id: String,
    subject_id: u32,
    study_id: u32,
    split: Split,
    /// The frontal film, then the lateral film if the study has one.
    #[serde(skip)]
    views: Vec<View>,
    /// In the order of [`LABELS`].
    #[serde(skip)]
    labels: [Mention; 14],
}

/// A film.
#[derive(Debug)]
struct View {
    dicom_id: String,
    columns: u32,
    rows: u32,
    /// The cell of `ViewPosition`.
    position: &'static str,
    /// The cell of `ViewCodeSequence_CodeMeaning`.
    meaning: &'static str,
}

impl Layout for Mimic {
    fn name(&self) -> &'static str {
        "mimic"
    }

    fn meaning(&self) -> &'static str {
        "MIMIC-CXR-JPG with the reports of MIMIC-CXR"
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
            laterals: true,
            ..Recipe::ARCHIVE
        }
    }

    /// The seed, unchanged: this was the first layout, and its phantoms must keep their bytes.
    fn seed(&self, seed: u64) -> u64 {
        seed
    }

    type Written = Written;

    fn film(&self, out: &Path, options: &Options, case: &Case) -> Result<Written> {
        let Case { study, report, .. } = case;
        let (subject_id, study_id) = (study.subject_id, study.study_id);
        let group = subject_id / 1_000_000;
        let folder = format!("files/p{group}/p{subject_id}/s{study_id}");
        let path = out.join(format!("mimic-cxr-reports/{folder}.txt"));
        write(&path, report.text.as_bytes())?;
        let views = write_views(out, &folder, options.seed, case)?;
        Ok(Written {
            dicom_id: views
                .first()
                .map_or_else(String::new, |v| v.dicom_id.clone()),
            subject_id,
            study_id,
            split: options.split(study),
            views,
            labels: report.labels,
        })
    }

    fn tables(&self, out: &Path, entries: &[Entry<Written>]) -> Result<()> {
        write_metadata(out, entries)?;
        write_splits(out, entries)?;
        write_labels(out, entries)
    }

    fn write(&self, out: &Path, options: &Options) -> Result<()> {
        write_films(self, out, options)
    }
}

/// Writes the study's films into `folder`, a path relative to `out`.
fn write_views(out: &Path, folder: &str, seed: u64, case: &Case) -> Result<Vec<View>> {
    let Case { study, film, .. } = case;
    let write_view = |film: &Film, position, meaning| -> Result<View> {
        let dicom_id = dicom_id(&format!("{seed}/{}/{position}", study.study_id));
        let path = out.join(format!("{folder}/{dicom_id}.jpg"));
        write(&path, &jpeg(film, &path)?)?;
        Ok(View {
            dicom_id,
            columns: film.width,
            rows: film.height,
            position,
            meaning,
        })
    };
    let projection = study.projection;
    let mut views = vec![write_view(film, projection.name(), projection.meaning())?];
    if study.lateral {
        views.push(write_view(&lateral(film), "LATERAL", "lateral")?);
    }
    Ok(views)
}

/// Five groups of eight hexadecimal digits.
fn dicom_id(name: &str) -> String {
    let hex = digest::bytes(name.as_bytes());
    let groups: Vec<_> = (0..5).filter_map(|i| hex.get(i * 8..(i + 1) * 8)).collect();
    groups.join("-")
}

fn write_metadata(out: &Path, entries: &[Entry<Written>]) -> Result<()> {
    let head = [
        "dicom_id",
        "subject_id",
        "study_id",
        "PerformedProcedureStepDescription",
        "ViewPosition",
        "Rows",
        "Columns",
        "StudyDate",
        "StudyTime",
        "ProcedureCodeSequence_CodeMeaning",
        "ViewCodeSequence_CodeMeaning",
        "PatientOrientationCodeSequence_CodeMeaning",
    ];
    let rows = entries.iter().flat_map(|entry| {
        let views = entry.written.views.iter();
        views.map(move |view| metadata_row(entry, view))
    });
    write_gzip(out, "metadata", &head, rows)
}

fn metadata_row(entry: &Entry<Written>, view: &View) -> [String; 12] {
    let study = &entry.study;
    let procedure = study.procedure();
    let orientation = if study.projection == Projection::Pa {
        "Erect"
    } else {
        ""
    };
    [
        view.dicom_id.clone(),
        study.subject_id.to_string(),
        study.study_id.to_string(),
        procedure.to_owned(),
        view.position.to_owned(),
        view.rows.to_string(),
        view.columns.to_string(),
        study.date.to_string(),
        study.time.clone(),
        procedure.to_owned(),
        view.meaning.to_owned(),
        orientation.to_owned(),
    ]
}

fn write_splits(out: &Path, entries: &[Entry<Written>]) -> Result<()> {
    let rows = entries.iter().flat_map(|entry| {
        let written = &entry.written;
        written.views.iter().map(|view| {
            [
                view.dicom_id.clone(),
                written.study_id.to_string(),
                written.subject_id.to_string(),
                written.split.name().to_owned(),
            ]
        })
    });
    let head = ["dicom_id", "study_id", "subject_id", "split"];
    write_gzip(out, "split", &head, rows)
}

fn write_labels(out: &Path, entries: &[Entry<Written>]) -> Result<()> {
    let rows = entries.iter().map(|entry| {
        let written = &entry.written;
        let ids = [written.subject_id, written.study_id].map(|id| id.to_string());
        let cells = written.labels.map(|label| label.cell().to_owned());
        ids.into_iter().chain(cells)
    });
    let head = [&["subject_id", "study_id"], &LABELS[..]].concat();
    write_gzip(out, "chexpert", &head, rows)
}

/// Writes `mimic-cxr-2.0.0-<name>.csv.gz`.
fn write_gzip<R>(
    out: &Path,
    name: &str,
    head: &[&str],
    rows: impl IntoIterator<Item = R>,
) -> Result<()>
where
    R: IntoIterator<Item: AsRef<str>>,
{
    let path = out.join(format!("mimic-cxr-2.0.0-{name}.csv.gz"));
    Ok(atomic::write(&path, |file| {
        let gzip = fill_csv(GzEncoder::new(file, Compression::default()), head, rows)?;
        gzip.finish().map(|_| ())
    })?)
}
