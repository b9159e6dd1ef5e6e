//! Zero-shot classification: a film is compared with sentences that state a finding, and with
//! sentences that exclude it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mflag_core::Named;
use mflag_core::config::Config;
use mflag_core::table::write_csv;
use mflag_metrics::bootstrap::{Bootstrap, Patients};
use mflag_metrics::classification::Ranking;
use mflag_metrics::evaluation::Evaluation;
use mflag_metrics::{Counts, mean_defined};
use mflag_store::labels::Policy;
use mflag_store::{Split, Store};
use ndarray::{Array1, Array2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dual_encoder::{DualEncoder, mean_embedding};
use crate::error::{Error, Result};

/// The file of scores, one row per film, in the folder of an evaluation.
pub const SCORES: &str = "scores.csv";

/// Sentences for findings, and the meaning of the store's labels.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ZeroShotConfig {
    /// How to count labels that are uncertain or not mentioned.
    pub policy: Policy,
    /// Sentences by the name of a label of the store.
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

/// Sentences for a finding. The embeddings of several sentences are averaged.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Prompts {
    /// Sentences as in reports of films with the finding.
    pub present: Vec<String>,
    /// Sentences as in reports of films without the finding. Optional.
    pub absent: Vec<String>,
}

impl Config for ZeroShotConfig {
    fn check(&self) -> Vec<String> {
        if self.findings.is_empty() {
            return vec!["findings: is empty; add a label of the store and its sentences".into()];
        }
        self.findings
            .iter()
            .filter(|(_, prompts)| prompts.present.is_empty())
            .map(|(name, _)| format!("findings.{name}.present: is empty; add a sentence"))
            .collect()
    }
}

/// Scores the films of a split, and compares the scores with the store's labels: `auroc:<finding>`
/// for each finding, and `auroc`, the mean over the findings where it is defined. Writes scores and
/// truth to [`SCORES`] in the folder `out`.
///
/// The score of a finding is the cosine between the film and the sentences for its presence, minus
/// the cosine between the film and the sentences for its absence.
///
/// # Errors
/// If the split has no films, a finding is not a label of the store, or `out` cannot be written.
pub fn evaluate(
    model: &DualEncoder,
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
    let findings = findings(model, config, store, &films)?;
    let patients: Vec<&str> = films
        .iter()
        .map(|&film| &*store.records()[film].patient)
        .collect();
    let patients = Patients::new(&patients);
    let mut evaluation = Evaluation::new(
        &store.meta().dataset,
        split.name(),
        films.len(),
        &patients,
        &bootstrap,
    );
    add_auroc(&mut evaluation, &findings, &patients, bootstrap)?;
    write_scores(&out.join(SCORES), store, &films, &findings)?;
    Ok(evaluation)
}

/// A finding with the score and the truth of each film.
struct Finding {
    name: String,
    scores: Array1<f32>,
    truth: Array1<Option<bool>>,
}

fn findings(
    model: &DualEncoder,
    config: &ZeroShotConfig,
    store: &Arc<Store>,
    films: &[usize],
) -> Result<Vec<Finding>> {
    let truth = truth(config, store, films)?;
    let embeddings = model.embed_stored(store, films)?;
    let finding = |((name, prompts), truth): ((&String, &Prompts), Array1<Option<bool>>)| {
        Ok(Finding {
            name: name.clone(),
            scores: scores(model, prompts, &embeddings)?,
            truth,
        })
    };
    config.findings.iter().zip(truth).map(finding).collect()
}

/// The truth of each film, for each finding in the order of the configuration.
fn truth(
    config: &ZeroShotConfig,
    store: &Store,
    films: &[usize],
) -> Result<Vec<Array1<Option<bool>>>> {
    let names: Vec<String> = config.findings.keys().cloned().collect();
    let targets = config.policy.targets(&store.meta().labels)?.only(&names)?;
    let by_film: Vec<Vec<Option<bool>>> = films
        .iter()
        .map(|&film| targets.truth(&store.records()[film].labels))
        .collect();
    let of_finding = |finding: usize| by_film.iter().map(|film| film[finding]).collect();
    Ok((0..names.len()).map(of_finding).collect())
}

/// The score of each film.
fn scores(model: &DualEncoder, prompts: &Prompts, films: &Array2<f32>) -> Result<Array1<f32>> {
    let mut scores = films.dot(&mean_embedding(&model.embed_texts(&prompts.present)?));
    if !prompts.absent.is_empty() {
        scores -= &films.dot(&mean_embedding(&model.embed_texts(&prompts.absent)?));
    }
    Ok(scores)
}

fn add_auroc(
    evaluation: &mut Evaluation,
    findings: &[Finding],
    patients: &Patients,
    bootstrap: Bootstrap,
) -> Result<()> {
    let rankings = findings
        .iter()
        .map(|finding| Ranking::new(&finding.scores, &finding.truth))
        .collect::<mflag_metrics::Result<Vec<Ranking>>>()?;
    let mean = |counts: Counts<'_>| {
        let values = rankings.iter().map(|ranking| ranking.auroc(counts));
        Ok(mean_defined(
            values.collect::<mflag_metrics::Result<Vec<_>>>()?,
        ))
    };
    evaluation.add("auroc".to_owned(), bootstrap.replicates(patients, mean)?)?;
    for (finding, ranking) in findings.iter().zip(&rankings) {
        let replicates = bootstrap.replicates(patients, |counts| ranking.auroc(counts))?;
        evaluation.add(format!("auroc:{}", finding.name), replicates)?;
    }
    Ok(())
}

fn write_scores(path: &Path, store: &Store, films: &[usize], findings: &[Finding]) -> Result<()> {
    let mut header = vec!["film".to_owned()];
    for finding in findings {
        header.push(finding.name.clone());
        header.push(format!("{}_truth", finding.name));
    }
    let rows = films.iter().enumerate().map(|(row, &film)| {
        let mut cells = vec![store.records()[film].film.clone()];
        for finding in findings {
            let truth = finding.truth[row];
            cells.push(finding.scores[row].to_string());
            cells.push(truth.map_or(String::new(), |truth| u8::from(truth).to_string()));
        }
        cells
    });
    Ok(write_csv(path, header, rows)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mflag_core::config::from_yaml;

    #[test]
    fn a_finding_needs_a_sentence() {
        let read = |text| from_yaml::<ZeroShotConfig>(text, Path::new("p.yaml"));
        let message = read("findings: { Edema: { absent: [none] } }")
            .unwrap_err()
            .to_string();
        assert!(message.contains("findings.Edema.present"), "{message}");
        let message = read("policy: zeros").unwrap_err().to_string();
        assert!(message.contains("findings: is empty"), "{message}");
        read("findings: { Edema: { present: [Pulmonary edema.] } }").unwrap();
        read(include_str!("../../../configs/zero-shot/chexpert.yaml")).unwrap();
        read(include_str!("../../../configs/zero-shot/phantoms.yaml")).unwrap();
    }
}
