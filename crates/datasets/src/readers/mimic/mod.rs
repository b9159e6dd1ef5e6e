//! MIMIC-CXR-JPG 2.x with the reports of MIMIC-CXR: frontal films, each with its report, labels and split.
//!
//! The layout, the rules and the terms of access are in `datasets/mimic-cxr.md`.

mod tables;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use mflag_core::progress::Progress;
use rayon::prelude::*;

use crate::reader::{self, Dropped, NO_FILM};
use crate::report_text;
use crate::split::{Choice, Offer, Rule};
use mflag_store::{Dataset, Error, Record, Result};
use tables::{Labels, Tables};

/// The labels, as both labellers name them.
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
const REASONS: &[&str] = &[
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

/// The splits, the usual one first.
pub const SPLITS: &[Offer] = &[
    Offer {
        rule: Rule::Official,
        validate: None,
        test: None,
    },
    Offer {
        rule: Rule::Patient,
        validate: Some(0.1),
        test: Some(0.1),
    },
];

/// A frontal view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum View {
    /// Postero-anterior: the patient stands, the back to the tube
    Pa,
    /// Antero-posterior: mostly bedside films
    Ap,
}

/// The program that read the labels from the reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Labeller {
    /// The CheXpert labeller
    #[default]
    Chexpert,
    /// NegBio, which the CheXpert labeller grew out of
    Negbio,
}

impl Labeller {
    /// The name of its table.
    fn table(self) -> &'static str {
        match self {
            Labeller::Chexpert => "chexpert",
            Labeller::Negbio => "negbio",
        }
    }
}

/// What to read.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Folder of the reports, holding `files/p10/…`; `None` for `mimic-cxr-reports` in the root, or the root itself.
    pub reports: Option<PathBuf>,
    /// Views to keep.
    pub views: Vec<View>,
    /// Whose labels; `None` for those of the CheXpert labeller, or none where their table is not there.
    pub labels: Option<Labeller>,
    /// Leave out films without a report text; otherwise they come with `text: None`.
    pub require_text: bool,
    /// One of [`SPLITS`].
    pub split: Choice,
}

impl Default for Options {
    /// Both frontal views, films with a text only.
    fn default() -> Options {
        Options {
            reports: None,
            views: vec![View::Pa, View::Ap],
            labels: None,
            require_text: true,
            split: Choice::default(),
        }
    }
}

/// Reads the data set in the folder `root`, which holds `files/` and the tables
/// `mimic-cxr-<version>-{metadata,split,chexpert,negbio}.csv[.gz]`. The split table is needed for [`Rule::Official`] alone.
///
/// Films are checked and reports read in parallel, each report once; about 1 kB of memory a film.
///
/// # Errors
/// The root, a table (in two versions, too), or a column is missing, a value is not allowed, a film has two splits, a
/// study two sets of labels, a report cannot be read, or no film is left.
pub fn read(root: &Path, options: &Options) -> Result<Dataset> {
    let division = options.split.among(SPLITS)?;
    let tables = tables::locate(root)?;
    let reports = reports_folder(root, options)?;
    let labels = labels(&tables, options.labels)?;
    let mut dropped = Dropped::new(REASONS);
    let films = tables::films(&tables, &division, &options.views, &mut dropped)?;
    let mut films = reader::with_files(films, &mut dropped);

    let texts = texts(root, &reports, &films, options.require_text)?;
    films.retain_mut(|film| {
        let reason = match texts.get(&film.study) {
            Some(Report::Text(text)) => {
                film.text = Some(text.clone());
                return true;
            }
            Some(Report::Empty) => NO_TEXT,
            None => NO_REPORT,
        };
        if options.require_text {
            dropped.count(reason);
        }
        !options.require_text
    });
    if let Some(labels) = &labels {
        for film in &mut films {
            let of_study = labels.get(&film.study);
            film.labels = of_study.map_or(vec![None; LABELS.len()], |values| values.to_vec());
        }
    }
    let names = labels.map_or(&[][..], |_| &LABELS[..]);
    let layout = format!(
        "{}, reports as {}",
        root.join("files/p10/p1xxxxxxx/sxxxxxxxx/<dicom_id>.jpg")
            .display(),
        reports.join("files/p10/p1xxxxxxx/sxxxxxxxx.txt").display(),
    );
    reader::dataset("mimic-cxr", names, films, &dropped, layout)
}

/// The labels of every study; `None` where nobody asked for a labeller and the usual one's table is not there.
fn labels(tables: &Tables, labeller: Option<Labeller>) -> Result<Option<HashMap<String, Labels>>> {
    let table = labeller.unwrap_or_default().table();
    match tables.find(table)? {
        Some(path) => Ok(Some(tables::labels(&path)?)),
        None if labeller.is_some() => Err(tables.missing(table)),
        None => {
            tracing::warn!(
                "no table mimic-cxr-*-{table}.csv.gz in {}: the films have no labels",
                tables.root().display()
            );
            Ok(None)
        }
    }
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

/// A report that is there.
enum Report {
    Text(String),
    Empty,
}

/// The reports of the studies by study; studies without a report file are absent.
fn texts(
    root: &Path,
    reports: &Path,
    films: &[Record],
    required: bool,
) -> Result<HashMap<String, Report>> {
    let studies: HashMap<&str, &Record> = films.iter().map(|f| (f.study.as_str(), f)).collect();
    if !required && !reports.join("files").is_dir() {
        return Ok(HashMap::new());
    }
    let progress = Progress::new("reports", studies.len() as u64, "studies");
    let read = |(study, film): (&str, &Record)| {
        // A study's films are in the folder `files/p10/p10000032/s50414267`, its report in the file `….txt`.
        let folder = film.path.parent().unwrap_or(root);
        let folder = folder.strip_prefix(root).unwrap_or(folder);
        let path = reports.join(folder).with_extension("txt");
        let report = read_report(&path).map_err(|e| {
            tracing::debug!("cannot read {}: {e}", path.display());
            let reason = format!("a report cannot be read ({e}); -v shows which");
            Error::file(reports, reason)
        });
        progress.inc(1);
        report
            .map(|report| Some((study.to_owned(), report?)))
            .transpose()
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
    let text = report_text::clean(&String::from_utf8_lossy(&raw));
    if text.is_none() {
        tracing::debug!("no findings or impression in {}", path.display());
    }
    Ok(Some(text.map_or(Report::Empty, Report::Text)))
}
