//! The stores and weights that runs read. Each is opened once.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use mflag_core::{Result, config, digest};
use mflag_store::{FilmsConfig, Split, Store};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::job::{Job, JobSpec};

/// What a plan needs to know of a store.
#[derive(Clone)]
struct StoreSummary {
    digest: String,
    training_films: usize,
    /// Side of the films in pixels.
    side: u32,
}

/// Digests of the inputs, and what is missing.
#[derive(Default)]
pub(super) struct Inputs {
    stores: HashMap<PathBuf, Option<StoreSummary>>,
    weights: HashMap<PathBuf, Option<String>>,
    pub(super) problems: Vec<String>,
}

impl Inputs {
    /// The job of a run on a fraction of the training labels.
    pub(super) fn job(
        &mut self,
        spec: JobSpec,
        weights: Option<&Path>,
        fraction: f64,
    ) -> Result<Job> {
        let stated = config::stated(&spec.config, &spec.sets)?;
        let path = stated["data"]["store"].as_str();
        let store = path.and_then(|path| self.store(Path::new(path), &spec.config));
        if let (Some(path), Some(store)) = (path, &store) {
            self.require_view(&stated["data"], path, store.side);
        }
        let most = stated["data"]["max_train"].as_u64().unwrap_or(u64::MAX);
        let epochs = stated["train"]["epochs"].as_u64();
        let passes = epochs.zip(store.as_ref()).map(|(epochs, store)| {
            let films = most.min(store.training_films as u64) as f64 * fraction;
            epochs * films.ceil() as u64
        });
        let encoder = weights.and_then(|path| self.weights(path));
        let mut digests = BTreeMap::new();
        digests.extend(store.map(|store| ("store".to_owned(), store.digest)));
        digests.extend(encoder.map(|digest| ("encoder".to_owned(), digest)));
        Job::new(spec, stated, digests, passes)
    }

    /// Adds a problem if the file of weights cannot be read.
    pub(super) fn require_weights(&mut self, path: &Path) {
        if self.weights(path).is_none() {
            self.problems.push(format!(
                "encoder {}: the file cannot be read; pre-train the encoder, or download it",
                path.display()
            ));
        }
    }

    /// Adds a problem if the views that the section `data` of a configuration states are larger
    /// than the films of its store, which have `stored` pixels a side.
    fn require_view(&mut self, data: &Value, path: &str, stored: u32) {
        let stated = FilmsConfig {
            side: parsed(&data["side"]).unwrap_or(FilmsConfig::default().side),
            resize: parsed(&data["resize"]),
            ..FilmsConfig::default()
        };
        if let Err(reason) = stated.view_of(stored) {
            let problem = format!("store {path}: {reason}");
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }

    /// The summary of a store; `None`, and a problem, if it cannot be opened.
    fn store(&mut self, path: &Path, config: &Path) -> Option<StoreSummary> {
        if let Some(known) = self.stores.get(path) {
            return known.clone();
        }
        let summary = match read_store(path) {
            Ok(summary) => Some(summary),
            Err(error) => {
                let hint = format!("{} describes how to make it", config.display());
                self.problems.push(format!("store {error} ({hint})"));
                None
            }
        };
        self.stores.insert(path.to_owned(), summary.clone());
        summary
    }

    /// The digest of a file of weights; `None` if the file cannot be read.
    fn weights(&mut self, path: &Path) -> Option<String> {
        self.weights
            .entry(path.to_owned())
            .or_insert_with(|| digest::weights(path).ok())
            .clone()
    }
}

/// A value of a configuration; `None` if it is absent or not of this type.
fn parsed<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

fn read_store(path: &Path) -> mflag_store::Result<StoreSummary> {
    let store = Store::open(path)?;
    Ok(StoreSummary {
        digest: store.digest()?,
        training_films: store.split(Split::Train).len(),
        side: store.side(),
    })
}
