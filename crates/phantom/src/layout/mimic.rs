//! MIMIC-CXR-JPG 2.x with the reports of MIMIC-CXR: `files/` with the films, `mimic-cxr-reports/`, and the tables
//! `mimic-cxr-2.0.0-{metadata,split,chexpert}.csv.gz`.

use mflag_core::Named;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use mflag_core::{atomic, digest};
use mflag_film::Film;
use serde::Serialize;

use super::{fill_table, jpeg, lateral, write};
use crate::disk::{Entry, Options};
use crate::{Case, Mention, Projection};
use mflag_datasets::readers::mimic::LABELS;
use mflag_store::{Result, Split};

/// A study.
#[derive(Serialize)]
pub(crate) struct Written {
    dicom_id: String,
    subject_id: u32,
    study_id: u32,
    split: Split,
    /// The frontal film, and the lateral one if there is any.
    #[serde(skip)]
    views: Vec<View>,
    #[serde(skip)]
    labels: [Mention; 14],
}

/// A film: its identifier, its size, `ViewPosition` and `ViewCodeSequence_CodeMeaning`.
struct View {
    dicom_id: String,
    columns: u32,
    rows: u32,
    position: &'static str,
    meaning: &'static str,
}

/// Writes a study's films and its report.
pub(crate) fn film(out: &Path, options: &Options, case: &Case) -> Result<Written> {
    let Case {
        study,
        film,
        report,
        ..
    } = case;
    let (subject_id, study_id) = (study.subject_id, study.study_id);
    let folder = format!(
        "files/p{}/p{subject_id}/s{study_id}",
        subject_id / 1_000_000
    );
    let text = out.join(format!("mimic-cxr-reports/{folder}.txt"));
    write(&text, report.text.as_bytes())?;
    let view = |film: &Film, position, meaning| -> Result<View> {
        let hex = digest::bytes(format!("{}/{study_id}/{position}", options.seed).as_bytes());
        let groups: Vec<_> = (0..5).filter_map(|i| hex.get(i * 8..(i + 1) * 8)).collect();
        let dicom_id = groups.join("-");
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
    let frontal = view(film, projection.name(), projection.meaning())?;
    let dicom_id = frontal.dicom_id.clone();
    let mut views = vec![frontal];
    if study.lateral {
        views.push(view(&lateral(film), "LATERAL", "lateral")?);
    }
    Ok(Written {
        dicom_id,
        subject_id,
        study_id,
        split: options.split(study),
        views,
        labels: report.labels,
    })
}

/// Writes the three tables.
pub(crate) fn tables(out: &Path, entries: &[Entry<Written>]) -> Result<()> {
    let metadata = entries.iter().flat_map(|entry| {
        let views = entry.film.views.iter();
        views.map(move |view| metadata(entry, view))
    });
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
    table(out, "metadata", &head, metadata)?;

    let splits = entries.iter().flat_map(|entry| {
        let Written {
            subject_id,
            study_id,
            split,
            views,
            ..
        } = &entry.film;
        views.iter().map(move |view| {
            [
                view.dicom_id.clone(),
                study_id.to_string(),
                subject_id.to_string(),
                split.name().to_owned(),
            ]
        })
    });
    let head = ["dicom_id", "study_id", "subject_id", "split"];
    table(out, "split", &head, splits)?;

    let labels = entries.iter().map(|entry| {
        let ids = [entry.film.subject_id, entry.film.study_id].map(|id| id.to_string());
        let cells = entry.film.labels.map(|label| label.cell().to_owned());
        ids.into_iter().chain(cells)
    });
    let head = [&["subject_id", "study_id"], &LABELS[..]].concat();
    table(out, "chexpert", &head, labels)
}

fn metadata(entry: &Entry<Written>, view: &View) -> [String; 12] {
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

fn table<R>(out: &Path, name: &str, head: &[&str], rows: impl IntoIterator<Item = R>) -> Result<()>
where
    R: IntoIterator<Item: AsRef<[u8]>>,
{
    let path = out.join(format!("mimic-cxr-2.0.0-{name}.csv.gz"));
    Ok(atomic::write(&path, |file| {
        let gzip = fill_table(GzEncoder::new(file, Compression::default()), head, rows)?;
        gzip.finish().map(|_| ())
    })?)
}
