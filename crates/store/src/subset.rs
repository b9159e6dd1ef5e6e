//! Fractions of the training patients.

use std::collections::{BTreeMap, HashSet};

use mflag_core::seed::uniform;

use crate::{Error, Record, Result, Split};

/// A part of the training patients for runs with few labels: the indices of their films in `records`, ascending.
///
/// `records` are all of a store ([`Store::records`](crate::Store::records)), or those of its films that a head can learn
/// from; films of other splits than [`Split::Train`] take no part in it. Validation and test stay whole, whatever the fraction.
///
/// - **By patient.** Of `n` training patients `max(1, round(fraction · n))` are chosen, each with all training films.
/// - **Nested.** A smaller fraction is part of any larger one of the same seed: 1 % of 10 % of 100 %.
/// - **Stratified.** Patients are grouped by the rarest label that any of their training films has (raw value 1, whatever the
///   policy of [`labels`](crate::labels)), or by having none; each group gives its share to within one patient.
/// - **Never without positives, where that can be helped.** For each label that occurs, from the rarest on, a patient with
///   it comes first, then one with none: as many patients as there are labels, and one more, hold them all. So a fraction
///   of few patients has rare labels more often than the whole; of hundreds, that is no longer seen.
/// - **Deterministic.** It depends on identifiers, labels, `fraction` and `seed`, on no order of `records` and no threads.
///   Take the seeds 0, 1, 2 … for repetitions.
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
    let order = each_label_first(&patients, in_strata(&patients, seed));
    let chosen: HashSet<&str> = order.into_iter().take(number).collect();
    let films = records.iter().enumerate();
    let kept = films.filter(|(_, r)| r.split == Split::Train && chosen.contains(&*r.patient));
    Ok(kept.map(|(i, _)| i).collect())
}

/// Which labels any training film of a patient has, by patient.
type Patients<'a> = BTreeMap<&'a str, Vec<bool>>;

fn positives(records: &[Record]) -> Patients<'_> {
    let mut patients = Patients::new();
    for record in records.iter().filter(|r| r.split == Split::Train) {
        let has = patients.entry(&record.patient).or_default();
        has.resize(has.len().max(record.labels.len()), false);
        for (has, value) in has.iter_mut().zip(&record.labels) {
            *has |= *value == Some(1.0);
        }
    }
    patients
}

/// The labels that patients have, the rarest first.
fn by_rarity(patients: &Patients<'_>) -> Vec<usize> {
    let labels = patients.values().map(Vec::len).max().unwrap_or(0);
    let count = |label: usize| {
        patients
            .values()
            .filter(|has| has_label(has, label))
            .count()
    };
    let mut counted: Vec<(usize, usize)> = (0..labels).map(|label| (count(label), label)).collect();
    counted.retain(|(count, _)| *count > 0);
    counted.sort_unstable();
    counted.into_iter().map(|(_, label)| label).collect()
}

fn has_label(has: &[bool], label: usize) -> bool {
    has.get(label) == Some(&true)
}

/// The order in which patients are chosen. Each stratum spreads its patients, ordered by hash, evenly over [0, 1), from
/// a start by hash: so every beginning of the order has its share of every stratum.
fn in_strata<'a>(patients: &Patients<'a>, seed: u64) -> Vec<&'a str> {
    let mut order = Vec::with_capacity(patients.len());
    for (stratum, mut names) in strata(patients) {
        let name = stratum.map_or("none".to_owned(), |label| label.to_string());
        let start = uniform(b"mflag-strat-01", seed, &name);
        names.sort_by_cached_key(|name| uniform(b"mflag-fract-01", seed, name).to_bits());
        let n = names.len() as f64;
        let spread = names.iter().enumerate();
        order.extend(spread.map(|(rank, &name)| ((rank as f64 + start) / n, name)));
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
    order.into_iter().map(|(_, name)| name).collect()
}

/// Patients by the rarest label that they have.
fn strata<'a>(patients: &Patients<'a>) -> BTreeMap<Option<usize>, Vec<&'a str>> {
    let rarity = by_rarity(patients);
    let mut strata: BTreeMap<Option<usize>, Vec<&str>> = BTreeMap::new();
    for (&name, has) in patients {
        let rarest = rarity.iter().copied().find(|&label| has_label(has, label));
        strata.entry(rarest).or_default().push(name);
    }
    strata
}

/// `order` with those moved to its front without whom its beginning would lack a label, or patients without any.
fn each_label_first<'a>(patients: &Patients<'a>, order: Vec<&'a str>) -> Vec<&'a str> {
    let mut front: Vec<&str> = Vec::new();
    let mut need = |wanted: &dyn Fn(&[bool]) -> bool| {
        if !front.iter().any(|&name| wanted(&patients[name])) {
            front.extend(order.iter().find(|&&name| wanted(&patients[name])));
        }
    };
    for label in by_rarity(patients) {
        need(&|has| has_label(has, label));
    }
    need(&|has| !has.contains(&true));
    let moved: HashSet<&str> = front.iter().copied().collect();
    let rest = order.into_iter().filter(|name| !moved.contains(name));
    front.iter().copied().chain(rest).collect()
}
