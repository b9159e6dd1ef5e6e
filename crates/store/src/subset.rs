//! Subsets of the training patients, for runs with few labels.

use std::collections::{BTreeMap, HashSet};

use mflag_core::seed::uniform;

use crate::{Error, Record, Result, Split};

/// Chooses a fraction of the training patients. Returns the indices of their films in `records`,
/// ascending.
///
/// `records` are those of a whole store ([`Store::records`](crate::Store::records)), or of its
/// films that a head can learn from. Films of other splits than [`Split::Train`] are ignored:
/// validation and test stay complete.
///
/// - **By patient.** Of `n` training patients, `max(1, round(fraction · n))` are chosen, each with
///   all training films.
/// - **Nested.** A smaller fraction is part of every larger one with the same seed.
/// - **Stratified.** Patients are grouped by the rarest label of their training films (raw value 1,
///   independent of the policy of [`labels`](crate::labels)), or as having no label. Each group
///   gets its share to within one patient.
/// - **With positives.** A patient with the rarest label is chosen first, then one with the next
///   rarest, and so on, then one without labels. So a subset has all labels if it has one patient
///   more than there are labels. Small fractions therefore have more rare labels than the whole;
///   with hundreds of patients, the effect is negligible.
/// - **Deterministic.** The choice depends on identifiers, labels, `fraction` and `seed`, and not
///   on the order of `records` or on threads. Use the seeds 0, 1, 2 … for repetitions.
///
/// MGCA draws films, not patients. So MGCA's 1 % has about as many films, but other ones.
///
/// # Errors
/// If `fraction` is not in (0, 1], or there are no training films.
pub fn fraction(records: &[Record], fraction: f64, seed: u64) -> Result<Vec<usize>> {
    if !(fraction > 0.0 && fraction <= 1.0) {
        let reason = format!("fraction {fraction} is invalid: it must be above 0 and at most 1");
        return Err(Error::Data(reason));
    }
    let patients = positives(records);
    if patients.is_empty() {
        let reason = "there are no training films to choose from: check the splits";
        return Err(Error::Data(reason.to_owned()));
    }
    let number = (fraction * patients.len() as f64).round().max(1.0) as usize;
    let order = labels_first(&patients, stratified(&patients, seed));
    let chosen: HashSet<&str> = order.into_iter().take(number).collect();
    let films = records.iter().enumerate();
    let kept = films.filter(|(_, r)| r.split == Split::Train && chosen.contains(&*r.patient));
    Ok(kept.map(|(i, _)| i).collect())
}

/// For each patient: which labels any training film has.
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

/// The labels that any patient has, the rarest first.
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

/// Orders patients so that the first `n` patients have their share of every stratum, for any `n`.
/// The patients of a stratum are spread evenly over [0, 1). Hashes decide the first position and
/// the order within the stratum.
fn stratified<'a>(patients: &Patients<'a>, seed: u64) -> Vec<&'a str> {
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

/// Groups patients by the rarest label that they have; `None`: no label.
fn strata<'a>(patients: &Patients<'a>) -> BTreeMap<Option<usize>, Vec<&'a str>> {
    let rarity = by_rarity(patients);
    let mut strata: BTreeMap<Option<usize>, Vec<&str>> = BTreeMap::new();
    for (&name, has) in patients {
        let rarest = rarity.iter().copied().find(|&label| has_label(has, label));
        strata.entry(rarest).or_default().push(name);
    }
    strata
}

/// Moves the first patient with each label to the front of `order`, from the rarest label on, and
/// then the first patient without labels.
fn labels_first<'a>(patients: &Patients<'a>, order: Vec<&'a str>) -> Vec<&'a str> {
    let mut front: Vec<&str> = Vec::new();
    let mut require = |matches: &dyn Fn(&[bool]) -> bool| {
        if !front.iter().any(|&name| matches(&patients[name])) {
            front.extend(order.iter().find(|&&name| matches(&patients[name])));
        }
    };
    for label in by_rarity(patients) {
        require(&|has| has_label(has, label));
    }
    require(&|has| !has.contains(&true));
    let moved: HashSet<&str> = front.iter().copied().collect();
    let rest = order.into_iter().filter(|name| !moved.contains(name));
    front.iter().copied().chain(rest).collect()
}
