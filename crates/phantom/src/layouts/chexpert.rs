//! CheXpert-v1.0-small: `train.csv`, `valid.csv`, and the films below `train/` and `valid/`.
//!
//! The labels of `train.csv` are what a labeller would read from the report; the report itself is
//! not written. The labels of `valid.csv` are what the film shows; in the original, radiologists
//! voted on them.

use std::ops::RangeInclusive;
use std::path::Path;

use mflag_datasets::readers::mimic::LABELS;
use mflag_film::Film;
use mflag_store::{Result, Split};
use serde::Serialize;

use super::ANY_SIDE;
use super::files::{jpeg, lateral, write, write_table};
use crate::finding::NO_FINDING;
use crate::recipe::Recipe;
use crate::write::write_films;
use crate::{Case, Entry, Layout, Mention, Options, Sex};

const RELEASE: &str = "CheXpert-v1.0-small";

/// The columns of the labels, in the release's order.
const COLUMNS: [&str; 14] = [
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
];

/// CheXpert-v1.0-small.
#[derive(Debug, Clone, Copy)]
pub struct Chexpert;

/// A study.
#[derive(Debug, Serialize)]
pub struct Written {
    film: String,
    split: Split,
    /// Path of the lateral film.
    #[serde(skip)]
    lateral: Option<String>,
    /// In the order of [`LABELS`].
    #[serde(skip)]
    labels: [Mention; 14],
}

impl Layout for Chexpert {
    fn name(&self) -> &'static str {
        "chexpert"
    }

    fn meaning(&self) -> &'static str {
        "CheXpert-v1.0-small, with labels as a labeller reads them from reports"
    }

    fn sides(&self) -> RangeInclusive<u32> {
        ANY_SIDE
    }

    fn default_side(&self) -> u32 {
        390
    }

    fn splits(&self) -> &'static [Split] {
        &[Split::Train, Split::Test]
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            laterals: true,
            ..Recipe::ARCHIVE
        }
    }

    type Written = Written;

    fn film(&self, out: &Path, options: &Options, case: &Case) -> Result<Written> {
        let Case { study, film, .. } = case;
        let split = options.split(study);
        let tested = split == Split::Test;
        let folder = format!(
            "{RELEASE}/{}/patient{:05}/study{}",
            if tested { "valid" } else { "train" },
            study.patient + 1,
            study.number + 1
        );
        let write_view = |name: &str, film: &Film| -> Result<String> {
            let relative = format!("{folder}/{name}.jpg");
            let path = out.join(&relative);
            write(&path, &jpeg(film, &path)?)?;
            Ok(relative)
        };
        Ok(Written {
            film: write_view("view1_frontal", film)?,
            split,
            lateral: study
                .lateral
                .then(|| write_view("view2_lateral", &lateral(film)))
                .transpose()?,
            labels: if tested {
                shown_labels(case)
            } else {
                case.report.labels
            },
        })
    }

    fn tables(&self, out: &Path, entries: &[Entry<Written>]) -> Result<()> {
        let head = [
            &["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA"],
            &COLUMNS[..],
        ]
        .concat();
        for (name, split) in [("train", Split::Train), ("valid", Split::Test)] {
            let of_split = entries.iter().filter(|entry| entry.written.split == split);
            let rows = of_split.flat_map(|entry| {
                let Written { film, lateral, .. } = &entry.written;
                let frontal = row(entry, film, ["Frontal", entry.study.projection.name()]);
                let lateral = lateral.iter().map(|path| row(entry, path, ["Lateral", ""]));
                std::iter::once(frontal).chain(lateral)
            });
            write_table(&out.join(format!("{RELEASE}/{name}.csv")), &head, rows)?;
        }
        Ok(())
    }

    fn write(&self, out: &Path, options: &Options) -> Result<()> {
        write_films(self, out, options)
    }
}

/// The labels of what the film shows, each present or absent.
fn shown_labels(case: &Case) -> [Mention; 14] {
    let mut labels = [Mention::Absent; 14];
    for located in &case.findings {
        labels[located.finding.kind.label()] = Mention::Present;
    }
    if case.findings.iter().all(|f| f.finding.kind.is_device()) {
        labels[NO_FINDING] = Mention::Present;
    }
    labels
}

/// The row of one film; `view` has the cells of "Frontal/Lateral" and "AP/PA".
fn row(entry: &Entry<Written>, path: &str, view: [&str; 2]) -> Vec<String> {
    let sex = match entry.study.sex {
        Sex::Female => "Female",
        Sex::Male => "Male",
    };
    let labels = COLUMNS.iter().filter_map(|column| {
        let index = LABELS.iter().position(|label| label == column)?;
        let label = entry.written.labels.get(index)?;
        Some(label.cell().to_owned())
    });
    let age = entry.study.age.to_string();
    let [side, projection] = view;
    [path, sex, &age, side, projection]
        .map(str::to_owned)
        .into_iter()
        .chain(labels)
        .collect()
}
