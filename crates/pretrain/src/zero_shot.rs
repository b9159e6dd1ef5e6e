//! Findings without labels: a film is compared with sentences that say that a finding is there, and that it is not.

use mflag_core::Named;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mflag_core::config::Config;
use mflag_core::table::write_csv;
use mflag_metrics::bootstrap::{Bootstrap, Patients, Replicates};
use mflag_metrics::classification::Ranking;
use mflag_metrics::evaluation::Evaluation;
use mflag_metrics::{Counts, mean_defined};
use mflag_store::labels::Policy;
use mflag_store::{Split, Store};
use ndarray::{Array1, Array2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::space::{Space, together};

/// The scores, a row a film, in the folder of an evaluation.
pub const SCORES: &str = "scores.csv";

/// Sentences for findings, and what the store's labels mean.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ZeroShotConfig {
    /// What a label that is uncertain, or not mentioned, stands for.
    pub policy: Policy,
    /// By the name of a label of the store.
    pub findings: BTreeMap<String, Prompts>,
}

impl Default for ZeroShotConfig {
    fn default() -> Self {
        ZeroShotConfig {
            policy: Policy::Zeros,
            findings: BTreeMap::new(),
        }
    }
}

/// Sentences for a finding. Several are an ensemble: their directions are averaged.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Prompts {
    /// What a report of a film with the finding says.
    pub present: Vec<String>,
    /// What one without it says; may be left out.
    pub absent: Vec<String>,
}

impl Config for ZeroShotConfig {
    fn check(&self) -> Vec<String> {
        if self.findings.is_empty() {
            return vec![
                "findings: is empty; name a label of the store and what reports say of it".into(),
            ];
        }
        let silent = self.findings.iter().filter(|(_, p)| p.present.is_empty());
        let told = |(name, _): (&String, &Prompts)| {
            format!("findings.{name}.present: is empty; give a sentence or more")
        };
        silent.map(told).collect()
    }
}

/// Scores films of a store, and judges the scores by the store's labels: `auroc:<finding>` each, and `auroc`, their mean over the findings where it
/// is defined. Scores and truth go to [`SCORES`] in the folder `out`.
///
/// The score of a finding is the cosine of the film to the sentences that say that it is there, less that to those that say that it is
/// not.
///
/// # Errors
/// If the split is empty, a finding is no label of the store, or `out` cannot be written.
pub fn judge(
    space: &Space,
    config: &ZeroShotConfig,
    store: &Arc<Store>,
    split: Split,
    bootstrap: Bootstrap,
    out: &Path,
) -> Result<Evaluation> {
    let films = store.split(split);
    if films.is_empty() {
        return Err(Error::Data(format!(
            "{} has no films in the split '{}'; choose another by --split",
            store.folder().display(),
            split.name()
        )));
    }
    let names: Vec<String> = config.findings.keys().cloned().collect();
    let targets = config.policy.targets(&store.meta().labels)?.only(&names)?;
    let records = store.records();
    let truth: Vec<Vec<Option<bool>>> = films
        .iter()
        .map(|&film| targets.truth(&records[film].labels))
        .collect();
    let directions = space.stored(store, &films)?;
    let mut scores = Vec::with_capacity(names.len());
    for prompts in config.findings.values() {
        scores.push(score(space, prompts, &directions)?);
    }

    let patients: Vec<&str> = films.iter().map(|&f| &*records[f].patient).collect();
    let patients = Patients::new(&patients);
    let mut evaluation = Evaluation::new(
        &store.meta().dataset,
        split.name(),
        films.len(),
        &patients,
        &bootstrap,
    );
    let mut rankings = Vec::new();
    for (finding, scores) in scores.iter().enumerate() {
        let truth: Array1<Option<bool>> = truth.iter().map(|film| film[finding]).collect();
        rankings.push(Ranking::new(scores, &truth)?);
    }
    let auroc = |ranking: &Ranking, counts: Counts<'_>| ranking.auroc(counts);
    let mean = |counts: Counts<'_>| {
        let each = rankings.iter().map(|ranking| auroc(ranking, counts));
        Ok(mean_defined(
            each.collect::<mflag_metrics::Result<Vec<_>>>()?,
        ))
    };
    evaluation.add("auroc".to_owned(), bootstrap.replicates(&patients, mean)?)?;
    for (name, ranking) in names.iter().zip(&rankings) {
        let resampled: Option<Replicates> =
            bootstrap.replicates(&patients, |counts| auroc(ranking, counts))?;
        evaluation.add(format!("auroc:{name}"), resampled)?;
    }

    let head = names
        .iter()
        .flat_map(|name| [name.clone(), format!("{name}_truth")]);
    let rows = films.iter().enumerate().map(|(row, &film)| {
        let cells = scores
            .iter()
            .zip(&truth[row])
            .flat_map(move |(scores, truth)| {
                [
                    scores[row].to_string(),
                    truth.map_or(String::new(), |t| u8::from(t).to_string()),
                ]
            });
        std::iter::once(records[film].film.clone())
            .chain(cells)
            .collect::<Vec<_>>()
    });
    write_csv(
        &out.join(SCORES),
        std::iter::once("film".to_owned()).chain(head),
        rows,
    )?;
    Ok(evaluation)
}

/// The score of each film.
fn score(space: &Space, prompts: &Prompts, films: &Array2<f32>) -> Result<Array1<f32>> {
    let mut score = films.dot(&together(&space.texts(&prompts.present)?));
    if !prompts.absent.is_empty() {
        score -= &films.dot(&together(&space.texts(&prompts.absent)?));
    }
    Ok(score)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mflag_core::config::from_yaml;

    #[test]
    fn a_finding_needs_a_sentence() {
        let read = |text| from_yaml::<ZeroShotConfig>(text, Path::new("p.yaml"));
        let told = read("findings: { Edema: { absent: [none] } }")
            .unwrap_err()
            .to_string();
        assert!(told.contains("findings.Edema.present"), "{told}");
        let told = read("policy: zeros").unwrap_err().to_string();
        assert!(told.contains("findings: is empty"), "{told}");
        read("findings: { Edema: { present: [Pulmonary edema.] } }").unwrap();
        read(include_str!("../../../configs/zero-shot/chexpert.yaml")).unwrap();
        read(include_str!("../../../configs/zero-shot/phantoms.yaml")).unwrap();
    }
}
