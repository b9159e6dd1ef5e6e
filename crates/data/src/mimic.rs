//! MIMIC-CXR-JPG 2.x with the reports of MIMIC-CXR: frontal films, each with its report, labels and split.
//!
//! The layout, the rules and the terms of access are in `datasets/mimic-cxr.md`.

mod tables;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use mflag_core::progress::Progress;
use rayon::prelude::*;

use crate::reader::{Dropped, NO_FILM, told};
use crate::{Dataset, Error, Record, Result, report};
use tables::Film;

/// The labels, as the CheXpert labeller names them.
pub const LABELS: [&str; 14] = [
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
];

/// Why films are left out, in the order of the checks; a film counts under the first that fits.
const REASONS: [&str; 7] = [
    NOT_FRONTAL,
    OTHER_VIEW,
    DUPLICATE,
    NO_SPLIT,
    NO_FILM,
    NO_REPORT,
    NO_TEXT,
];
const NOT_FRONTAL: &str = "not a frontal view";
const OTHER_VIEW: &str = "frontal view that was not asked for";
const DUPLICATE: &str = "duplicate row of the metadata table";
const NO_SPLIT: &str = "no split";
const NO_REPORT: &str = "no report";
const NO_TEXT: &str = "report without findings or impression of three words";

/// A frontal view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Postero-anterior: the patient stands, the back to the tube.
    Pa,
    /// Antero-posterior: mostly bedside films.
    Ap,
}

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Folder of the reports, holding `files/p10/…`; `None` for `mimic-cxr-reports` in the root, or the root itself.
    pub reports: Option<PathBuf>,
    /// Views to keep.
    pub views: Vec<View>,
    /// Leave out films without a report text; otherwise they come with `text: None`.
    pub require_text: bool,
}

impl Default for Options {
    /// Both frontal views, films with a text only.
    fn default() -> Options {
        Options {
            reports: None,
            views: vec![View::Pa, View::Ap],
            require_text: true,
        }
    }
}

/// Reads the data set in the folder `root`, which holds `files/` and the tables
/// `mimic-cxr-<version>-{metadata,split,chexpert}.csv[.gz]`. Without the chexpert table there are no labels.
///
/// Films are checked and reports read in parallel, each report once; about 1 kB of memory a film.
///
/// # Errors
/// The root, a table (in two versions, too), or a column is missing, a value is not allowed, a film has two splits, a
/// study two sets of labels, a report cannot be read, or no film is left.
pub fn read(root: &Path, options: &Options) -> Result<Dataset> {
    let tables = tables::locate(root)?;
    let reports = reports_folder(root, options)?;
    let mut dropped = Dropped::new(&REASONS);
    let films = tables::films(&tables, &options.views, &mut dropped)?;
    let films = with_files(root, films, &mut dropped);
    let texts = texts(&reports, &films, options.require_text)?;
    let labels = match &tables.labels {
        Some(path) => Some(tables::labels(path)?),
        None => {
            tracing::warn!(
                "no table mimic-cxr-*-chexpert.csv.gz in {}: the films have no labels",
                root.display()
            );
            None
        }
    };

    let mut records = Vec::with_capacity(films.len());
    for film in films {
        let text = match texts.get(&film.study) {
            Some(Report::Text(text)) => Some(text.clone()),
            Some(Report::Empty) if options.require_text => {
                dropped.count(NO_TEXT);
                continue;
            }
            None if options.require_text => {
                dropped.count(NO_REPORT);
                continue;
            }
            Some(Report::Empty) | None => None,
        };
        let labels = labels.as_ref().map_or(Vec::new(), |l| {
            l.get(&film.study)
                .map_or(vec![None; LABELS.len()], |values| values.to_vec())
        });
        records.push(Record {
            path: film_path(root, &film),
            patient: film.patient.to_string(),
            study: film.study.to_string(),
            film: film.id,
            split: film.split,
            text,
            labels,
            boxes: Vec::new(),
            mask: None,
            size: None,
        });
    }
    records.sort_unstable_by(|a, b| a.film.cmp(&b.film));
    let dropped = dropped.listed();
    tracing::info!(
        "mimic-cxr: {} films kept; left out: {}",
        records.len(),
        told(&dropped)
    );
    if records.is_empty() {
        return Err(nothing_left(root, &reports, &dropped));
    }
    let labels = if labels.is_some() {
        LABELS.map(str::to_owned).to_vec()
    } else {
        Vec::new()
    };
    Ok(Dataset {
        name: "mimic-cxr".to_owned(),
        labels,
        records,
        dropped,
    })
}

fn nothing_left(root: &Path, reports: &Path, dropped: &[(String, usize)]) -> Error {
    Error::Data(format!(
        "no film of {} is left ({}); films are looked for as {}, reports as {}",
        root.display(),
        told(dropped),
        root.join("files/p10/p1xxxxxxx/sxxxxxxxx/<dicom_id>.jpg")
            .display(),
        reports.join("files/p10/p1xxxxxxx/sxxxxxxxx.txt").display(),
    ))
}

fn reports_folder(root: &Path, options: &Options) -> Result<PathBuf> {
    let Some(folder) = &options.reports else {
        let inside = root.join("mimic-cxr-reports");
        return Ok(if inside.is_dir() {
            inside
        } else {
            root.to_owned()
        });
    };
    if folder.join("files").is_dir() {
        return Ok(folder.clone());
    }
    let reason = "no folder 'files' with the reports is here; unpack mimic-cxr-reports.zip, and give the folder \
                  that holds 'files'";
    Err(Error::file(folder, reason))
}

/// `files/p10/p10000032` for patient 10000032.
fn patient_folder(root: &Path, film: &Film) -> PathBuf {
    let patient = film.patient.to_string();
    let group: String = patient.chars().take(2).collect();
    root.join(format!("files/p{group}/p{patient}"))
}

fn film_path(root: &Path, film: &Film) -> PathBuf {
    patient_folder(root, film).join(format!("s{}/{}.jpg", film.study, film.id))
}

/// Films whose file is there.
fn with_files(root: &Path, films: Vec<Film>, dropped: &mut Dropped) -> Vec<Film> {
    let there: Vec<bool> = films
        .par_iter()
        .map(|film| film_path(root, film).is_file())
        .collect();
    let keep = films.into_iter().zip(there).filter_map(|(film, there)| {
        if !there {
            tracing::debug!("no film file {}", film_path(root, &film).display());
            dropped.count(NO_FILM);
        }
        there.then_some(film)
    });
    keep.collect()
}

/// A report that is there.
enum Report {
    Text(String),
    Empty,
}

/// The reports of the studies by study; studies without a report file are absent.
fn texts(reports: &Path, films: &[Film], required: bool) -> Result<HashMap<u32, Report>> {
    let studies: HashMap<u32, &Film> = films.iter().map(|film| (film.study, film)).collect();
    if !required && !reports.join("files").is_dir() {
        return Ok(HashMap::new());
    }
    let progress = Progress::new("reports", studies.len() as u64, "studies");
    let read = |(study, film): (u32, &Film)| {
        let path = patient_folder(reports, film).join(format!("s{study}.txt"));
        let report = read_report(&path).map_err(|e| {
            tracing::debug!("cannot read {}: {e}", path.display());
            let reason = format!("a report cannot be read ({e}); -v shows which");
            Error::file(reports, reason)
        });
        progress.inc(1);
        report.map(|report| Some((study, report?))).transpose()
    };
    let texts = studies.into_par_iter().filter_map(read).collect();
    progress.finish();
    texts
}

/// `None` if there is no such file.
fn read_report(path: &Path) -> io::Result<Option<Report>> {
    let raw = match std::fs::read(path) {
        Ok(raw) => raw,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            tracing::debug!("no report {}", path.display());
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    let text = report::clean(&String::from_utf8_lossy(&raw));
    if text.is_none() {
        tracing::debug!("no findings or impression in {}", path.display());
    }
    Ok(Some(text.map_or(Report::Empty, Report::Text)))
}
