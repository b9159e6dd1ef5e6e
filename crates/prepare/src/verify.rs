//! The check that nothing is in two splits, within a store or across several.

use mflag_core::Named;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use mflag_core::digest;
use mflag_core::progress::Progress;
use rayon::prelude::*;
use serde::Serialize;

use mflag_store::{Error, Result, Split, Store};

/// What makes two films the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    /// Their stored pixels, so all stores must have squares of one kind. Films of one single grey are not compared.
    Pixels,
    /// Their files, which must still be where they were prepared from.
    Files,
}

/// What [`verify`] looked at, once nothing was found in two splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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

/// Checks that no patient is in two splits of data sets of one name, and no film in two splits of any: within a store and
/// across stores, so that a test patient of one that trains in another is found.
///
/// Identifiers of patients are compared within data sets of one name only, as those of others mean other people.
///
/// # Errors
/// If one is. The message gives numbers; which they are is logged at debug level. And if films cannot be compared, or a store is damaged.
pub fn verify(stores: &[&Store], same: Same) -> Result<Verified> {
    if same == Same::Pixels {
        squares_alike(stores)?;
        // Pixels that were damaged later prove nothing.
        stores.iter().try_for_each(|store| store.verify())?;
    }
    let mut found = Found::default();
    for (number, store) in stores.iter().enumerate() {
        let digests = digests(store, same)?;
        for (record, digest) in store.records().iter().zip(digests) {
            let at = (record.split, number);
            let patient = (store.meta().dataset.clone(), record.patient.clone());
            found.patients.entry(patient).or_default().insert(at);
            if let Some(digest) = digest {
                found
                    .films
                    .entry(digest)
                    .or_default()
                    .push((at, &record.film));
            }
        }
    }
    found.verdict(stores)
}

/// Refuses stores whose squares differ in side, fit, window or depth: in them the same film has other pixels.
fn squares_alike(stores: &[&Store]) -> Result<()> {
    let Some(first) = stores.first() else {
        return Ok(());
    };
    let alike = |store: &&&Store| store.squaring() == first.squaring();
    let Some(other) = stores.iter().find(|store| !alike(store)) else {
        return Ok(());
    };
    let told = |store: &Store| format!("{} ({})", store.folder().display(), store.squaring());
    Err(Error::Data(format!(
        "the squares of {} and {} differ, so their films cannot be compared: say --files to compare the films' own files, or \
         prepare both alike",
        told(first),
        told(other)
    )))
}

fn digests(store: &Store, same: Same) -> Result<Vec<Option<String>>> {
    let progress = Progress::new("digests", store.records().len() as u64, "films");
    let digest = |index: usize| {
        let digest = match same {
            Same::Files => Some(digest::file(&store.records()[index].path)?),
            Same::Pixels => {
                let pixels = store.pixels(index);
                let blank = pixels.iter().all(|p| *p == pixels[0]);
                (!blank).then(|| digest::bytes(&pixels))
            }
        };
        progress.inc(1);
        Ok(digest)
    };
    let films = 0..store.records().len();
    let digests = films.into_par_iter().map(digest).collect();
    progress.finish();
    digests
}

/// A split of one of the stores.
type Place = (Split, usize);

/// Where patients and films were seen.
#[derive(Default)]
struct Found<'a> {
    /// By data set and identifier.
    patients: HashMap<(String, String), BTreeSet<Place>>,
    /// By digest, each with its identifier.
    films: HashMap<String, Vec<(Place, &'a str)>>,
}

impl Found<'_> {
    fn verdict(self, stores: &[&Store]) -> Result<Verified> {
        let told = |places: &BTreeSet<Place>| {
            let place = |(split, store): &Place| match stores {
                [_] => split.name().to_owned(),
                _ => format!("{} of {}", split.name(), stores[*store].folder().display()),
            };
            places.iter().map(place).collect::<Vec<_>>().join(" + ")
        };
        let mut overlaps: BTreeMap<(&str, BTreeSet<Place>), usize> = BTreeMap::new();
        for ((dataset, patient), places) in &self.patients {
            if in_two(places) {
                tracing::debug!("patient {patient} of {dataset} is in {}", told(places));
                *overlaps.entry(("patients", places.clone())).or_default() += 1;
            }
        }
        let mut repeated = 0;
        for films in self.films.values() {
            let places: BTreeSet<Place> = films.iter().map(|(place, _)| *place).collect();
            let splits: BTreeSet<Split> = places.iter().map(|(split, _)| *split).collect();
            repeated += films.len() - splits.len();
            if in_two(&places) {
                let names: Vec<&str> = films.iter().map(|(_, film)| *film).collect();
                tracing::debug!("film {} is in {}", names.join(" = "), told(&places));
                *overlaps.entry(("identical films", places)).or_default() += 1;
            }
        }
        if overlaps.is_empty() {
            return Ok(Verified {
                patients: self.patients.len(),
                films: self.films.len(),
                repeated,
            });
        }
        // Patients first.
        let overlaps = overlaps.iter().rev();
        let overlaps =
            overlaps.map(|((things, places), n)| format!("{things} in {}: {n}", told(places)));
        Err(Error::Data(format!(
            "the splits overlap, so measurements would flatter: {}; keep each in one split (-v shows which they are)",
            overlaps.collect::<Vec<_>>().join(", ")
        )))
    }
}

fn in_two(places: &BTreeSet<Place>) -> bool {
    let splits = places.iter().map(|(split, _)| split);
    splits.collect::<BTreeSet<_>>().len() > 1
}
