//! A phantom on disk, in the layout of MIMIC-CXR-JPG 2.x with the reports of MIMIC-CXR.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use mflag_core::progress::Progress;
use mflag_core::{atomic, digest};
use mflag_film::Film;
use rayon::prelude::*;
use serde::Serialize;

use super::cohort::Study;
use super::finding::Kind;
use super::report::Mention;
use super::tables::{self, Entry, Image};
use super::{Case, plan};
use crate::{Error, Result, Split};

/// The file that tells which phantom a folder holds; written first.
const MARKER: &str = "phantom.json";
/// The file with the findings' places; written last, so a folder that has it is complete.
const PLACES: &str = "phantom.jsonl";
/// Changes with anything that changes the bytes of a phantom.
const FORMAT: u32 = 1;
/// Quality of the JPEG films.
const QUALITY: u8 = 90;
/// Grey of the lateral films, which show nothing.
const LATERAL_GREY: u8 = 96;

/// What phantom to write.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Options {
    /// Frontal films, at least 1; each is a study with a report, and some have a lateral film as well.
    pub films: usize,
    /// The same seed gives the same bytes, on any number of threads.
    pub seed: u64,
    /// Pixels of a film's longest side, 64 to 3056.
    pub side: u32,
    /// Part of the patients for validation, in [0, 1).
    pub validate: f64,
    /// Part of the patients for testing, in [0, 1); with `validate` less than 1.
    pub test: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            films: 1000,
            seed: 0,
            side: 512,
            validate: 0.1,
            test: 0.1,
        }
    }
}

impl Options {
    fn check(&self) -> Result<()> {
        let fraction = |f: f64| (0.0..1.0).contains(&f);
        let fault = if !(1..=5_000_000).contains(&self.films) {
            format!("films is {}; choose 1 to 5000000", self.films)
        } else if !(64..=3056).contains(&self.side) {
            format!("side is {}; choose 64 to 3056 pixels", self.side)
        } else if !fraction(self.validate)
            || !fraction(self.test)
            || !fraction(self.validate + self.test)
        {
            let Self { validate, test, .. } = self;
            format!(
                "validate is {validate} and test {test}; choose fractions from 0 whose sum is below 1"
            )
        } else {
            return Ok(());
        };
        Err(Error::Data(format!("phantom: {fault}")))
    }

    fn split(&self, study: &Study) -> Split {
        if study.place < self.test {
            Split::Test
        } else if study.place < self.test + self.validate {
            Split::Validate
        } else {
            Split::Train
        }
    }
}

/// What a phantom holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Patients.
    pub patients: usize,
    /// Frontal films, each a study with its report.
    pub films: usize,
    /// Lateral films.
    pub laterals: usize,
    /// Frontal films without any finding, devices included.
    pub normal: usize,
    /// Frontal films by part, in the order of [`Split::ALL`].
    pub splits: [usize; 3],
    /// Frontal films that show each kind.
    pub kinds: BTreeMap<Kind, usize>,
}

impl Summary {
    fn of(options: &Options) -> Self {
        let mut summary = Self {
            patients: 0,
            films: options.films,
            laterals: 0,
            normal: 0,
            splits: [0; 3],
            kinds: BTreeMap::new(),
        };
        let mut patients = BTreeSet::new();
        for index in 0..options.films as u64 {
            let (study, findings) = plan(options.seed, index);
            patients.insert(study.patient);
            summary.laterals += usize::from(study.lateral);
            summary.normal += usize::from(findings.is_empty());
            summary.splits[options.split(&study) as usize] += 1;
            for finding in findings {
                *summary.kinds.entry(finding.kind).or_default() += 1;
            }
        }
        summary.patients = patients.len();
        summary
    }
}

/// Writes the phantom into `out`, on rayon's current threads: `files/` with the films, `mimic-cxr-reports/`, the tables
/// `mimic-cxr-2.0.0-{metadata,split,chexpert}.csv.gz`, and `phantom.jsonl` with the place of each finding, a film a line.
/// A folder that a killed run has left is completed; a complete one is left as it is.
///
/// # Errors
/// If an option is out of range, `out` holds something else than this phantom, or a file cannot be written.
pub fn write_mimic(out: &Path, options: &Options) -> Result<Summary> {
    options.check()?;
    let summary = Summary::of(options);
    claim(out, options)?;
    if out.join(PLACES).exists() {
        tracing::info!("{}: this phantom is there already", out.display());
        return Ok(summary);
    }
    let progress = Progress::new("phantom", options.films as u64, "films");
    let entries: Vec<Entry> = (0..options.films as u64)
        .into_par_iter()
        .map(|index| {
            let entry = write_study(out, options, index)?;
            progress.inc(1);
            Ok(entry)
        })
        .collect::<Result<_>>()?;
    tables::write_all(out, &entries, &out.join(PLACES))?;
    progress.finish();
    Ok(summary)
}

#[derive(Serialize)]
struct Marker<'a> {
    format: u32,
    #[serde(flatten)]
    options: &'a Options,
}

/// Makes `out` this phantom's folder, or makes sure that it is.
fn claim(out: &Path, options: &Options) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|e| Error::io("create", out, e))?;
    let path = out.join(MARKER);
    let marker = serde_json::to_string_pretty(&Marker {
        format: FORMAT,
        options,
    })
    .map_err(|e| Error::file(&path, e.to_string()))?;
    match std::fs::read_to_string(&path) {
        Ok(there) if there.trim_end() == marker => return Ok(()),
        Ok(there) => {
            let reason = format!(
                "the folder holds another phantom, {}; choose another folder or remove this one",
                there.split_whitespace().collect::<Vec<_>>().join(" ")
            );
            return Err(Error::file(out, reason));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(Error::io("read", &path, e)),
    }
    let entries = std::fs::read_dir(out).map_err(|e| Error::io("read", out, e))?;
    // Hidden files do not count: a run killed at its very start leaves one.
    if entries
        .flatten()
        .any(|e| !e.file_name().as_encoded_bytes().starts_with(b"."))
    {
        return Err(Error::file(
            out,
            "the folder is not empty and holds no phantom; choose another folder",
        ));
    }
    Ok(atomic::write(&path, |f| writeln!(f, "{marker}"))?)
}

/// Films and reports are written plainly: tables come last, so a file cut short is written again before any reader sees it.
fn write_study(out: &Path, options: &Options, index: u64) -> Result<Entry> {
    let Case {
        study,
        film,
        mut findings,
        report,
    } = Case::new(options.seed, index, options.side);
    for finding in &mut findings {
        finding.mask = Vec::new();
    }
    let patient = format!("p{}/p{}", study.subject_id / 1_000_000, study.subject_id);
    let study_name = format!("s{}", study.study_id);
    let reports = make(out.join("mimic-cxr-reports/files").join(&patient))?;
    write(
        &reports.join(format!("{study_name}.txt")),
        report.text.as_bytes(),
    )?;
    let films = make(out.join("files").join(&patient).join(&study_name))?;
    let frontal = write_film(&films, options.seed, &study, study.projection.name(), &film)?;
    let lateral = if study.lateral {
        let film = Film::filled(
            (film.width / 4).max(1),
            (film.height / 4).max(1),
            LATERAL_GREY,
        );
        Some(write_film(&films, options.seed, &study, "LATERAL", &film)?)
    } else {
        None
    };
    let labels = report.labels.map(Mention::cell).to_vec();
    Ok(Entry {
        split: options.split(&study),
        study,
        labels,
        frontal,
        lateral,
        findings,
    })
}

fn write_film(folder: &Path, seed: u64, study: &Study, view: &str, film: &Film) -> Result<Image> {
    let hex = digest::bytes(format!("{seed}/{}/{view}", study.study_id).as_bytes());
    let groups: Vec<_> = (0..5).filter_map(|i| hex.get(i * 8..(i + 1) * 8)).collect();
    let dicom_id = groups.join("-");
    let path = folder.join(format!("{dicom_id}.jpg"));
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(&film.pixels, film.width, film.height, ExtendedColorType::L8)
        .map_err(|e| Error::file(&path, format!("the film cannot be encoded: {e}")))?;
    write(&path, &jpeg)?;
    Ok(Image {
        dicom_id,
        columns: film.width,
        rows: film.height,
    })
}

fn make(folder: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
    Ok(folder)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Error::io("write", path, e))
}
