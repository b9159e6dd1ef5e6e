//! Training, validation and test by patient; fractions of the training patients; a check that nothing is in two splits.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use mflag_core::digest;
use mflag_core::progress::Progress;
use rayon::prelude::*;

use crate::store::Store;
use crate::{Dataset, Error, Record, Result, Split};

/// Splits by a hash of the patient's identifier: all films of a patient share a split, and it depends on nothing but
/// the identifier, the seed and the two parts, so films that come or go move nobody.
///
/// A larger test part keeps the test patients that a smaller one had; a larger validation part leaves the test
/// patients alone and keeps the validation patients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts {
    validate: f64,
    test: f64,
    seed: u64,
}

impl Parts {
    /// Parts of the patients for validation and test, each in [0, 1) and less than 1 together; the rest trains.
    ///
    /// # Errors
    /// If nobody is left to train on, or a part is no such number.
    pub fn new(validate: f64, test: f64, seed: u64) -> Result<Parts> {
        let part = 0.0..1.0;
        if part.contains(&validate) && part.contains(&test) && validate + test < 1.0 {
            return Ok(Parts {
                validate,
                test,
                seed,
            });
        }
        Err(Error::Data(format!(
            "the parts {validate} for validation and {test} for test are not allowed: each must be from 0 to below 1, \
             and both together below 1"
        )))
    }

    /// The split of a patient.
    pub fn of(&self, patient: &str) -> Split {
        // Test first, so that the validation part can change without moving the test patients.
        match place(b"mflag-split-01", self.seed, patient) {
            place if place < self.test => Split::Test,
            place if place < self.test + self.validate => Split::Validate,
            _ => Split::Train,
        }
    }
}

/// The place of `name` in [0, 1): uniform, independent for another `use_of_it` or seed. It never changes.
fn place(use_of_it: &[u8; 14], seed: u64, name: &str) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(use_of_it);
    hasher.update(&seed.to_le_bytes());
    hasher.update(name.as_bytes());
    let mut bits = [0; 8];
    bits.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    (u64::from_le_bytes(bits) >> 11) as f64 / (1u64 << 53) as f64
}

/// A part of the training patients for runs with few labels: the indices of their films in `records`, ascending.
///
/// Of `n` training patients `max(1, round(fraction · n))` are chosen. A smaller fraction is part of any larger one of the
/// same seed. Patients are stratified by the rarest label that any of their training films has (value 1), or none, so
/// each stratum gives its share to within one patient, and labels of few patients are not lost by chance. The choice
/// does not depend on the order of `records`, and films of other splits take no part in it.
///
/// MGCA draws films and not patients; its 1 % is another sample of about the same number of films.
///
/// # Errors
/// If `fraction` is not in (0, 1], or there are no training films.
pub fn fraction(records: &[Record], fraction: f64, seed: u64) -> Result<Vec<usize>> {
    if !(fraction > 0.0 && fraction <= 1.0) {
        let told = format!("fraction {fraction} is not allowed: it must be above 0 and at most 1");
        return Err(Error::Data(told));
    }
    let patients = positives(records);
    if patients.is_empty() {
        let told = "there are no training films to take a fraction of: check the splits";
        return Err(Error::Data(told.to_owned()));
    }
    let number = (fraction * patients.len() as f64).round().max(1.0) as usize;
    let chosen: std::collections::HashSet<&str> =
        in_order(&patients, seed).into_iter().take(number).collect();
    let films = records.iter().enumerate();
    let kept = films.filter(|(_, r)| r.split == Split::Train && chosen.contains(&*r.patient));
    Ok(kept.map(|(i, _)| i).collect())
}

/// For every training patient, which labels any of the films has.
fn positives(records: &[Record]) -> BTreeMap<&str, Vec<bool>> {
    let mut patients: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for record in records.iter().filter(|r| r.split == Split::Train) {
        let has = patients.entry(&record.patient).or_default();
        has.resize(has.len().max(record.labels.len()), false);
        for (has, value) in has.iter_mut().zip(&record.labels) {
            *has |= *value == Some(1.0);
        }
    }
    patients
}

/// The order in which patients are chosen. Each stratum spreads its patients, ordered by hash, evenly over [0, 1), from
/// a start by hash: so every beginning of the order has its share of every stratum.
fn in_order<'a>(patients: &BTreeMap<&'a str, Vec<bool>>, seed: u64) -> Vec<&'a str> {
    let mut order = Vec::with_capacity(patients.len());
    for (stratum, mut names) in strata(patients) {
        let name = stratum.map_or("none".to_owned(), |label| label.to_string());
        let start = place(b"mflag-strat-01", seed, &name);
        names.sort_by_cached_key(|name| place(b"mflag-fract-01", seed, name).to_bits());
        let n = names.len() as f64;
        let spread = names.iter().enumerate();
        order.extend(spread.map(|(rank, &name)| ((rank as f64 + start) / n, name)));
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
    order.into_iter().map(|(_, name)| name).collect()
}

/// Patients by the rarest label that they have.
fn strata<'a>(patients: &BTreeMap<&'a str, Vec<bool>>) -> BTreeMap<Option<usize>, Vec<&'a str>> {
    let labels = patients.values().map(Vec::len).max().unwrap_or(0);
    let count = |label: usize| {
        let has = |p: &&Vec<bool>| p.get(label) == Some(&true);
        patients.values().filter(has).count()
    };
    let counts: Vec<usize> = (0..labels).map(count).collect();
    let mut strata: BTreeMap<Option<usize>, Vec<&str>> = BTreeMap::new();
    for (&name, has) in patients {
        let present = (0..has.len()).filter(|&label| has[label]);
        let rarest = present.min_by_key(|&label| counts[label]);
        strata.entry(rarest).or_default().push(name);
    }
    strata
}

/// What [`verify_datasets`] and [`verify_stores`] looked at, once nothing was found in two splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Distinct patients.
    pub patients: usize,
    /// Distinct films, by their content.
    pub films: usize,
    /// Films whose content another film of the same split has.
    pub repeated: usize,
}

impl std::fmt::Display for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Verified {
            patients,
            films,
            repeated,
        } = self;
        write!(
            f,
            "no patient and no film is in two splits: {patients} patients, {films} films, {repeated} repeated within a split"
        )
    }
}

/// Checks that no patient is in two splits of a data set, and no film file (by its BLAKE3) in two splits of any.
///
/// Identifiers of patients are compared within data sets of one name only; films across all, so that a test film of one
/// set that is a training film of another is found where the files are the same.
///
/// # Errors
/// If one is, or a film cannot be read. The message gives numbers; which they are is logged at debug level.
pub fn verify_datasets(datasets: &[&Dataset]) -> Result<Verified> {
    let total = datasets.iter().map(|d| d.records.len()).sum::<usize>();
    let progress = Progress::new("digests", total as u64, "films");
    let mut found = Found::default();
    for data in datasets {
        let digest = |record: &Record| {
            let digest = digest::file(&record.path);
            progress.inc(1);
            digest
        };
        let digests: mflag_core::Result<Vec<String>> =
            data.records.par_iter().map(digest).collect();
        for (record, digest) in data.records.iter().zip(digests?) {
            found.add(&data.name, record, Some(digest));
        }
    }
    progress.finish();
    found.verdict()
}

/// Like [`verify_datasets`], for stores: films are the same where their stored pixels are. Films of one single grey are
/// not compared.
///
/// # Errors
/// Those of [`verify_datasets`].
pub fn verify_stores(stores: &[&Store]) -> Result<Verified> {
    let mut found = Found::default();
    for store in stores {
        let digest = |index: usize| {
            let pixels = store.pixels(index);
            let blank = pixels.iter().all(|p| *p == pixels[0]);
            (!blank).then(|| digest::bytes(&pixels))
        };
        let films = 0..store.records().len();
        let digests: Vec<Option<String>> = films.into_par_iter().map(digest).collect();
        for (record, digest) in store.records().iter().zip(digests) {
            found.add(&store.meta().dataset, record, digest);
        }
    }
    found.verdict()
}

/// In which splits patients and films were seen.
#[derive(Default)]
struct Found {
    /// By data set and identifier.
    patients: HashMap<(String, String), Seen>,
    /// By digest.
    films: HashMap<String, Seen>,
    repeated: usize,
}

/// In which splits something was seen, in the order of [`Split::ALL`].
#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Seen([bool; 3]);

impl Seen {
    fn mark(&mut self, split: Split) {
        self.0[split as usize] = true;
    }

    fn in_two(self) -> bool {
        self.0.iter().filter(|seen| **seen).count() > 1
    }

    /// Such as `train + test`.
    fn told(self) -> String {
        let seen = Split::ALL.iter().filter(|split| self.0[**split as usize]);
        seen.map(|s| s.name()).collect::<Vec<_>>().join(" + ")
    }
}

impl Found {
    fn add(&mut self, dataset: &str, record: &Record, digest: Option<String>) {
        let patient = (dataset.to_owned(), record.patient.clone());
        self.patients.entry(patient).or_default().mark(record.split);
        let Some(digest) = digest else { return };
        let seen = self.films.entry(digest).or_default();
        self.repeated += usize::from(seen.0[record.split as usize]);
        seen.mark(record.split);
        if seen.in_two() {
            tracing::debug!("film {} of {dataset} is in {}", record.film, seen.told());
        }
    }

    fn verdict(self) -> Result<Verified> {
        for ((dataset, patient), seen) in self.patients.iter().filter(|(_, s)| s.in_two()) {
            tracing::debug!("patient {patient} of {dataset} is in {}", seen.told());
        }
        let patients = in_two("patients", self.patients.values());
        let films = in_two("identical films", self.films.values());
        let told: Vec<String> = patients.into_iter().chain(films).collect();
        if told.is_empty() {
            return Ok(Verified {
                patients: self.patients.len(),
                films: self.films.len(),
                repeated: self.repeated,
            });
        }
        Err(Error::Data(format!(
            "the splits overlap, so measurements would flatter: {}; keep each in one split (-v shows which they are)",
            told.join(", ")
        )))
    }
}

/// Such as `patients in train + test: 2`, for each set of splits that occurs.
fn in_two<'a>(things: &str, seen: impl Iterator<Item = &'a Seen>) -> Vec<String> {
    let mut counts: BTreeMap<Seen, usize> = BTreeMap::new();
    for seen in seen.filter(|s| s.in_two()) {
        *counts.entry(*seen).or_default() += 1;
    }
    let told = counts.iter().rev();
    told.map(|(seen, n)| format!("{things} in {}: {n}", seen.told()))
        .collect()
}
