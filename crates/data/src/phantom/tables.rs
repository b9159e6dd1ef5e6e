//! The tables of a phantom on disk: MIMIC-CXR-JPG's three, and the places of the findings.

use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use mflag_core::atomic;
use serde::Serialize;

use super::cohort::{Projection, Study};
use super::render::Located;
use crate::mimic::LABELS;
use crate::{Result, Split};

/// One study's part of the tables.
pub(super) struct Entry {
    pub(super) study: Study,
    pub(super) split: Split,
    pub(super) labels: Vec<&'static str>,
    pub(super) frontal: Image,
    pub(super) lateral: Option<Image>,
    pub(super) findings: Vec<Located>,
}

/// A film on disk.
pub(super) struct Image {
    pub(super) dicom_id: String,
    pub(super) columns: u32,
    pub(super) rows: u32,
}

/// One line of `phantom.jsonl`.
#[derive(Serialize)]
struct Places<'a> {
    index: u64,
    dicom_id: &'a str,
    subject_id: u32,
    study_id: u32,
    split: Split,
    width: u32,
    height: u32,
    findings: &'a [Located],
}

/// Writes the tables, then `places`: a folder that has it is complete.
pub(super) fn write_all(out: &Path, entries: &[Entry], places: &Path) -> Result<()> {
    let metadata = entries.iter().flat_map(|entry| {
        let projection = entry.study.projection;
        let frontal = (&entry.frontal, projection.name(), projection.meaning());
        let lateral = entry
            .lateral
            .as_ref()
            .map(|image| (image, "LATERAL", "lateral"));
        [Some(frontal), lateral]
            .into_iter()
            .flatten()
            .map(|view| metadata(&entry.study, view))
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
    write_table(out, "metadata", &head, metadata)?;

    let splits = entries.iter().flat_map(|entry| {
        let Study {
            study_id,
            subject_id,
            ..
        } = entry.study;
        [Some(&entry.frontal), entry.lateral.as_ref()]
            .into_iter()
            .flatten()
            .map(move |image| {
                let split = entry.split.name().to_owned();
                vec![
                    image.dicom_id.clone(),
                    study_id.to_string(),
                    subject_id.to_string(),
                    split,
                ]
            })
    });
    write_table(
        out,
        "split",
        &["dicom_id", "study_id", "subject_id", "split"],
        splits,
    )?;

    let labels = entries.iter().map(|entry| {
        let ids = [entry.study.subject_id, entry.study.study_id].map(|id| id.to_string());
        ids.into_iter()
            .chain(entry.labels.iter().map(|&cell| cell.to_owned()))
            .collect()
    });
    write_table(
        out,
        "chexpert",
        &[&["subject_id", "study_id"], &LABELS[..]].concat(),
        labels,
    )?;

    Ok(atomic::write(places, |file| {
        for entry in entries {
            serde_json::to_writer(&mut *file, &line(entry))?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })?)
}

fn metadata(study: &Study, (image, position, meaning): (&Image, &str, &str)) -> Vec<String> {
    let procedure = study.procedure();
    let orientation = if study.projection == Projection::Pa {
        "Erect"
    } else {
        ""
    };
    vec![
        image.dicom_id.clone(),
        study.subject_id.to_string(),
        study.study_id.to_string(),
        procedure.to_owned(),
        position.to_owned(),
        image.rows.to_string(),
        image.columns.to_string(),
        study.date.to_string(),
        study.time.clone(),
        procedure.to_owned(),
        meaning.to_owned(),
        orientation.to_owned(),
    ]
}

fn line(entry: &Entry) -> Places<'_> {
    let Entry {
        study,
        split,
        frontal,
        findings,
        ..
    } = entry;
    Places {
        index: study.index,
        dicom_id: &frontal.dicom_id,
        subject_id: study.subject_id,
        study_id: study.study_id,
        split: *split,
        width: frontal.columns,
        height: frontal.rows,
        findings,
    }
}

fn write_table(
    out: &Path,
    name: &str,
    head: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<()> {
    let path = out.join(format!("mimic-cxr-2.0.0-{name}.csv.gz"));
    Ok(atomic::write(&path, |file| {
        let mut table = csv::Writer::from_writer(GzEncoder::new(file, Compression::default()));
        table.write_record(head)?;
        for row in rows {
            table.write_record(row)?;
        }
        let gzip = table
            .into_inner()
            .map_err(csv::IntoInnerError::into_error)?;
        gzip.finish().map(|_| ())
    })?)
}
