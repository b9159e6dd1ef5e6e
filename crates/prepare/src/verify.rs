//! Checks that no patient and no film is in two splits, within one store or across several.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mflag_core::progress::Progress;
use mflag_core::{Named, digest};
use mflag_store::{Error, Result, Split, Store};
use rayon::prelude::*;
use serde::Serialize;

/// How two films are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    /// By the pixels of their squares. All stores must have squares of the same side, fit, window
    /// and depth. A film of a single grey value counts as equal to no other film.
    Pixels,
    /// By their original files, which must still exist at the paths in the store.
    Files,
}

/// What [`verify`] counted, if nothing is in two splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Different patients.
    pub patients: usize,
    /// Different films, by content.
    pub films: usize,
    /// Films that repeat another film of the same split.
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
            "no patient and no film is in two splits: {patients} patients, {films} films, {repeated} \
             repeated within a split"
        )
    }
}

/// Checks that no patient and no film is in two splits, within each store and across all stores.
/// For example, it finds a test patient of one store who is a training patient of another.
///
/// Patients are compared only between stores whose data sets have the same name, because in another
/// data set the same identifier means another patient.
///
/// # Errors
/// If a patient or a film is in two splits; the message has counts, and the log at debug level has
/// the identifiers. If the stores' squares differ in side, fit, window or depth (only with
/// [`Same::Pixels`]), if a store is damaged, or if a file cannot be read.
pub fn verify(stores: &[&Store], same: Same) -> Result<Verified> {
    if same == Same::Pixels {
        check_squares_are_alike(stores)?;
        // A damaged film would not be recognised as equal to another film.
        stores.iter().try_for_each(|store| store.verify())?;
    }
    let mut index = Index::default();
    for (number, store) in stores.iter().enumerate() {
        index.add(number, store, same)?;
    }
    let overlaps = index.overlaps(stores);
    if overlaps.is_empty() {
        return Ok(Verified {
            patients: index.patients.len(),
            films: index.films.len(),
            repeated: index.repeated(),
        });
    }
    Err(Error::Data(format!(
        "the splits overlap, so metrics would be too high: {}; keep each patient and each film in \
         one split (-v lists those that are in two)",
        overlaps.join(", ")
    )))
}

/// Refuses stores whose squares differ in side, fit, window or depth, because in them the same film
/// has different pixels.
fn check_squares_are_alike(stores: &[&Store]) -> Result<()> {
    let Some(first) = stores.first() else {
        return Ok(());
    };
    let is_alike = |store: &&&Store| store.squaring() == first.squaring();
    let Some(other) = stores.iter().find(|store| !is_alike(store)) else {
        return Ok(());
    };
    let describe = |store: &Store| format!("{} ({})", store.folder().display(), store.squaring());
    Err(Error::Data(format!(
        "cannot compare the films of {} and {}, because their squares differ: add --files to \
         compare the films' original files, or prepare both data sets with the same settings",
        describe(first),
        describe(other)
    )))
}

/// Digests of the films of a store. `None` for a film of a single grey value.
fn digests(store: &Store, same: Same) -> Result<Vec<Option<String>>> {
    let progress = Progress::new("digests", store.records().len() as u64, "films");
    let digest = |film: usize| {
        let digest = match same {
            Same::Files => Some(digest::file(&store.records()[film].path)?),
            Same::Pixels => {
                let pixels = store.pixels(film);
                let is_blank = pixels.iter().all(|p| *p == pixels[0]);
                (!is_blank).then(|| digest::bytes(&pixels))
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

/// A split, and the position of a store in the list of stores.
type Location = (Split, usize);

/// Where patients and films occur.
#[derive(Default)]
struct Index<'a> {
    /// The locations of each patient, by data set and identifier.
    patients: HashMap<(String, String), BTreeSet<Location>>,
    /// The films of each digest, with their identifiers.
    films: HashMap<String, Vec<(Location, &'a str)>>,
}

impl<'a> Index<'a> {
    /// Adds the patients and films of a store.
    fn add(&mut self, number: usize, store: &'a Store, same: Same) -> Result<()> {
        let digests = digests(store, same)?;
        for (record, digest) in store.records().iter().zip(digests) {
            let location = (record.split, number);
            let patient = (store.meta().dataset.clone(), record.patient.clone());
            self.patients.entry(patient).or_default().insert(location);
            if let Some(digest) = digest {
                let films = self.films.entry(digest).or_default();
                films.push((location, &record.film));
            }
        }
        Ok(())
    }

    /// How many films repeat another film of the same split; the first of equal films does not
    /// count.
    fn repeated(&self) -> usize {
        let repeated = self.films.values().map(|films| {
            let splits: BTreeSet<Split> = films.iter().map(|((split, _), _)| *split).collect();
            films.len() - splits.len()
        });
        repeated.sum()
    }

    /// Describes which splits share patients or films, and how many; patients come first.
    fn overlaps(&self, stores: &[&Store]) -> Vec<String> {
        let mut counts: BTreeMap<(&str, BTreeSet<Location>), usize> = BTreeMap::new();
        for ((dataset, patient), locations) in &self.patients {
            if in_two_splits(locations) {
                let places = describe(locations, stores);
                tracing::debug!("patient {patient} of {dataset} is in {places}");
                *counts.entry(("patients", locations.clone())).or_default() += 1;
            }
        }
        for films in self.films.values() {
            let locations: BTreeSet<Location> = films.iter().map(|(at, _)| *at).collect();
            if in_two_splits(&locations) {
                let names: Vec<&str> = films.iter().map(|(_, film)| *film).collect();
                let places = describe(&locations, stores);
                tracing::debug!("film {} is in {places}", names.join(" = "));
                *counts.entry(("identical films", locations)).or_default() += 1;
            }
        }
        let counts = counts.iter().rev();
        counts
            .map(|((kind, locations), n)| format!("{kind} in {}: {n}", describe(locations, stores)))
            .collect()
    }
}

fn in_two_splits(locations: &BTreeSet<Location>) -> bool {
    let splits: BTreeSet<&Split> = locations.iter().map(|(split, _)| split).collect();
    splits.len() > 1
}

/// Names the locations, for example `train + test`.
fn describe(locations: &BTreeSet<Location>, stores: &[&Store]) -> String {
    let name = |(split, store): &Location| match stores {
        [_] => split.name().to_owned(),
        _ => format!("{} of {}", split.name(), stores[*store].folder().display()),
    };
    let names: Vec<String> = locations.iter().map(name).collect();
    names.join(" + ")
}
