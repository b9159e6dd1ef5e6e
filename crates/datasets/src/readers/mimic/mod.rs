//! MIMIC-CXR-JPG 2.x with the reports of MIMIC-CXR: frontal films, each with its report, labels and
//! split.
//!
//! The root holds `files/` and the tables
//! `mimic-cxr-<version>-{metadata,split,chexpert,negbio}.csv[.gz]`. Only [`Rule::Official`] needs
//! the split table. `datasets/mimic-cxr.md` describes the layout, the rules and the terms of
//! access.

mod reports;
mod tables;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use mflag_store::{Dataset, Record, Result};

use crate::left_out::{LeftOut, NO_FILM, NO_REPORT, NO_TEXT, NOT_FRONTAL};
use crate::reader::{Reader, Text, dataset};
use crate::report_text::{Headings, TextOptions};
use crate::split::{Offer, Rule, SplitOptions};
use reports::{Report, Reports};
use tables::{StudyLabels, Tables};

/// The labels. Both labellers use these names.
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

/// Why films are left out, in the order of the checks.
const REASONS: &[&str] = &[
    NOT_FRONTAL,
    OTHER_VIEW,
    DUPLICATE,
    NO_SPLIT,
    NO_FILM,
    NO_REPORT,
    NO_TEXT,
];
const OTHER_VIEW: &str = "frontal view that --views leaves out";
const DUPLICATE: &str = "duplicate row of the metadata table";
const NO_SPLIT: &str = "no split";

/// A frontal view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum View {
    /// Postero-anterior: the patient stands with the back to the tube
    Pa,
    /// Antero-posterior: mostly films taken at the bedside
    Ap,
}

/// The program that extracted the labels from the reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Labeller {
    /// The CheXpert labeller
    #[default]
    Chexpert,
    /// NegBio, on which the CheXpert labeller is based
    Negbio,
}

impl Labeller {
    /// The part of the table's name that stands for this labeller.
    fn table(self) -> &'static str {
        match self {
            Labeller::Chexpert => "chexpert",
            Labeller::Negbio => "negbio",
        }
    }
}

/// Options of the reader.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct Options {
    /// Folder that holds the reports in `files/p10/…` [default: mimic-cxr-reports in the root, or
    /// the root itself]
    #[arg(long, value_name = "DIR")]
    pub reports: Option<PathBuf>,
    /// Whether to keep films without report text
    #[arg(long, value_enum, default_value_t = Options::default().text)]
    pub text: Text,
    /// How the text of a report is found.
    #[command(flatten)]
    pub rules: TextOptions,
    /// Views to keep, separated by commas
    #[arg(
        long,
        value_enum,
        value_name = "VIEWS",
        value_delimiter = ',',
        default_value = "pa,ap"
    )]
    pub views: Vec<View>,
    /// Labeller whose labels to read [default: chexpert, or no labels if its table is missing]
    #[arg(long, value_enum, value_name = "LABELLER")]
    pub labels: Option<Labeller>,
    /// How the films are split.
    #[command(flatten)]
    pub split: SplitOptions,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            reports: None,
            text: Text::Required,
            rules: TextOptions::default(),
            views: vec![View::Pa, View::Ap],
            labels: None,
            split: SplitOptions::default(),
        }
    }
}

/// The reader of MIMIC-CXR-JPG.
#[derive(Debug, Clone, Copy)]
pub struct Mimic;

impl Reader for Mimic {
    const NAME: &'static str = "mimic-cxr";
    const TITLE: &'static str = "MIMIC-CXR-JPG 2.x with the reports of MIMIC-CXR";
    const EXAMPLES: &'static str = "Example:
  mflag-data prepare mimic --root MIMIC-CXR-JPG --reports REPORTS --out data/mimic-cxr/store-256";
    /// The data set has no labels if the labeller's table is missing.
    const LABELS: &'static [&'static str] = &LABELS;
    const SPLITS: &'static [Offer] = &[
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
    type Options = Options;

    /// Looks for the films and reads the reports in parallel, each report once. Needs about 1 kB of
    /// memory per film.
    fn read(root: &Path, options: &Options) -> Result<Dataset> {
        let splitter = options.split.splitter(Self::SPLITS)?;
        let tables = Tables::find_in(root)?;
        let reports = Reports::find(root, options.reports.as_deref())?;
        let labels = labels(&tables, options.labels)?;
        let mut left_out = LeftOut::new(REASONS);
        let films = tables::films(&tables, &splitter, &options.views, &mut left_out)?;
        let films = left_out.keep_existing_files(films);

        let rules = options.rules.rules(Headings::Capitals);
        let texts = reports.read(&films, options.text, rules)?;
        let mut films = with_texts(films, &texts, options.text, &mut left_out);
        if let Some(labels) = &labels {
            for film in &mut films {
                let of_study = labels.get(&film.study);
                film.labels = of_study.map_or(vec![None; LABELS.len()], |values| values.to_vec());
            }
        }
        let names = labels.map_or(&[][..], |_| Self::LABELS);
        let layout = format!(
            "{}, and for reports at {}",
            root.join("files/p10/p1xxxxxxx/sxxxxxxxx/<dicom_id>.jpg")
                .display(),
            reports.pattern().display(),
        );
        dataset(Self::NAME, names, films, &left_out, &splitter, layout)
    }
}

/// The labels of every study. `None` if no labeller was chosen and the default labeller's table is
/// missing.
fn labels(
    tables: &Tables,
    labeller: Option<Labeller>,
) -> Result<Option<HashMap<String, StudyLabels>>> {
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

/// Gives each film the text of its study. Films without text are left out if `text` requires one,
/// and counted in any case.
fn with_texts(
    mut films: Vec<Record>,
    texts: &HashMap<String, Report>,
    text: Text,
    left_out: &mut LeftOut,
) -> Vec<Record> {
    films.retain_mut(|film| {
        let reason = match texts.get(&film.study) {
            Some(Report::Text { text, notes }) => {
                film.text = Some(text.clone());
                notes.iter().for_each(|note| left_out.note(note));
                return true;
            }
            Some(Report::Empty) => NO_TEXT,
            None => NO_REPORT,
        };
        match text {
            Text::Required => left_out.count(reason),
            Text::Optional => left_out.note_kept_without_text(reason),
        }
        text == Text::Optional
    });
    films
}
