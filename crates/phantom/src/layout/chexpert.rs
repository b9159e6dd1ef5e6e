//! CheXpert-v1.0-small: `train.csv`, `valid.csv` and the films below `train/` and `valid/`. Training labels are what the labeller
//! reads from a report that is not written; those of `valid.csv`, a vote of radiologists there, are what was drawn.

use std::path::Path;

use mflag_film::Film;
use serde::Serialize;

use super::{jpeg, lateral, write, write_table};
use crate::disk::{Entry, Options};
use crate::finding::NO_FINDING;
use crate::{Case, Mention, Sex};
use mflag_datasets::readers::mimic::LABELS;
use mflag_store::{Result, Split};

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

/// A study.
#[derive(Serialize)]
pub(crate) struct Written {
    film: String,
    split: Split,
    /// Path of the lateral film.
    #[serde(skip)]
    lateral: Option<String>,
    #[serde(skip)]
    labels: [Mention; 14],
}

/// Writes a study's films.
pub(crate) fn film(out: &Path, options: &Options, case: &Case) -> Result<Written> {
    let Case { study, film, .. } = case;
    let split = options.split(study);
    let part = if split == Split::Test {
        "valid"
    } else {
        "train"
    };
    let folder = format!(
        "{RELEASE}/{part}/patient{:05}/study{}",
        study.patient + 1,
        study.number + 1
    );
    let view = |name: &str, film: &Film| -> Result<String> {
        let place = format!("{folder}/{name}.jpg");
        let path = out.join(&place);
        write(&path, &jpeg(film, &path)?)?;
        Ok(place)
    };
    Ok(Written {
        film: view("view1_frontal", film)?,
        split,
        lateral: study
            .lateral
            .then(|| view("view2_lateral", &lateral(film)))
            .transpose()?,
        labels: if split == Split::Test {
            drawn(case)
        } else {
            case.report.labels
        },
    })
}

/// What is on the film, each label present or absent.
fn drawn(case: &Case) -> [Mention; 14] {
    let mut labels = [Mention::Absent; 14];
    for located in &case.findings {
        labels[located.finding.kind.label()] = Mention::Present;
    }
    if case.findings.iter().all(|f| f.finding.kind.is_device()) {
        labels[NO_FINDING] = Mention::Present;
    }
    labels
}

/// Writes both tables.
pub(crate) fn tables(out: &Path, entries: &[Entry<Written>]) -> Result<()> {
    let head = [
        &["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA"],
        &COLUMNS[..],
    ]
    .concat();
    for (part, split) in [("train", Split::Train), ("valid", Split::Test)] {
        let of_part = entries.iter().filter(|entry| entry.film.split == split);
        let rows = of_part.flat_map(|entry| {
            let Written { film, lateral, .. } = &entry.film;
            let frontal = row(entry, film, ["Frontal", entry.study.projection.name()]);
            let lateral = lateral.iter().map(|path| row(entry, path, ["Lateral", ""]));
            std::iter::once(frontal).chain(lateral)
        });
        write_table(&out.join(format!("{RELEASE}/{part}.csv")), &head, rows)?;
    }
    Ok(())
}

fn row(entry: &Entry<Written>, path: &str, view: [&str; 2]) -> Vec<String> {
    let sex = match entry.study.sex {
        Sex::Female => "Female",
        Sex::Male => "Male",
    };
    let labels = COLUMNS.iter().filter_map(|column| {
        let place = LABELS.iter().position(|label| label == column)?;
        entry
            .film
            .labels
            .get(place)
            .map(|label| label.cell().to_owned())
    });
    let [side, position] = view.map(str::to_owned);
    [
        path.to_owned(),
        sex.to_owned(),
        entry.study.age.to_string(),
        side,
        position,
    ]
    .into_iter()
    .chain(labels)
    .collect()
}
