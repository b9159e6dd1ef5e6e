//! Films with their reports: what the store holds, with a row of report embeddings for each film.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use mflag_core::progress::Progress;
use mflag_encoder::text::TextEncoder;
use mflag_store::loader::{Loader, Options};
use mflag_store::{Split, Store};
use tch::Tensor;

use crate::config::{DataConfig, PretrainConfig};
use crate::error::{Error, Result};
use crate::text_cache::{Filled, Place, TextCache, Vectors};

/// Tokens in one batch of the language model: more of them wait for memory, fewer for the processor.
pub(crate) const BATCH_TOKENS: usize = 2048;

/// The role of the language model's [fingerprint](TextEncoder::fingerprint) among the digests of a run.
pub const LANGUAGE_MODEL: &str = "language model";

/// The films of the store that have a report, chosen by the configuration.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Films to train on, by their index in the store.
    pub train: Vec<usize>,
    /// Films to validate on.
    pub validation: Vec<usize>,
}

impl Chosen {
    /// Films of the training and the validation split.
    ///
    /// # Errors
    /// If there are too few of either.
    pub fn of(store: &Store, data: &DataConfig, batch_size: usize) -> Result<Chosen> {
        let with_text = |split, most: usize| -> Vec<usize> {
            let films = store.split(split).into_iter();
            films
                .filter(|&i| store.records()[i].text.is_some())
                .take(most)
                .collect()
        };
        let train = with_text(Split::Train, data.max_train.unwrap_or(usize::MAX));
        let validation = with_text(Split::Validate, data.max_validation);
        let folder = store.folder().display();
        if train.len() < batch_size {
            return Err(Error::Data(format!(
                "{folder} has {} training films with a report, fewer than train.batch_size ({batch_size}): lower it or prepare more films",
                train.len()
            )));
        }
        if validation.len() < 2 {
            return Err(Error::Data(format!(
                "{folder} has {} validation films with a report, 2 or more are needed: prepare a data set with a validation split",
                validation.len()
            )));
        }
        Ok(Chosen { train, validation })
    }

    /// The reports of all films chosen.
    pub fn texts(&self, store: &Store) -> Vec<String> {
        let films = self.train.iter().chain(&self.validation);
        films
            .filter_map(|&i| store.records()[i].text.clone())
            .collect()
    }
}

/// Encodes what the cache in the folder `cache` lacks of `texts`.
///
/// # Errors
/// If the cache cannot be used.
pub fn encode_texts(
    encoder: &TextEncoder,
    cache: &Path,
    texts: &[String],
) -> Result<(TextCache, Filled)> {
    let mut cache = TextCache::open(cache, &encoder.fingerprint(), encoder.hidden())?;
    let filled = cache.fill(texts, |missing| {
        let progress = Progress::new("encode texts", missing.len() as u64, "texts");
        let vectors = encoder.embed(missing, BATCH_TOKENS, &|n| progress.inc(n as u64))?;
        progress.finish();
        Ok(vectors)
    })?;
    Ok((cache, filled))
}

/// Everything that training reads.
#[derive(Debug)]
pub struct Pairs {
    /// The films.
    pub store: Arc<Store>,
    /// Loader of the training films.
    pub train: Loader,
    /// Loader of the validation films.
    pub validation: Loader,
    /// For each validation film a number that is the same where the report is.
    pub groups: Vec<u32>,
    text_width: i64,
    reports: Vectors,
    places: HashMap<usize, Place>,
}

impl Pairs {
    /// The films chosen, with the embeddings of their reports from the cache.
    ///
    /// # Errors
    /// If the cache lacks a report, or the store's films are too small.
    pub fn new(
        store: Arc<Store>,
        chosen: &Chosen,
        cache: TextCache,
        config: &PretrainConfig,
    ) -> Result<Pairs> {
        let options = Options {
            side: config.data.side,
            batch_size: config.train.batch_size,
            full_only: true,
            threads: config.data.loader_threads,
            prefetch: config.data.prefetch,
        };
        let mut places = HashMap::new();
        for &film in chosen.train.iter().chain(&chosen.validation) {
            let record = &store.records()[film];
            let place = record.text.as_deref().and_then(|text| cache.place(text));
            let place = place.ok_or_else(|| {
                Error::Data(format!(
                    "the report of film {} is not in the text cache",
                    record.film
                ))
            })?;
            places.insert(film, place);
        }
        Ok(Pairs {
            train: Loader::new(store.clone(), &chosen.train, options)?,
            validation: Loader::new(store.clone(), &chosen.validation, options)?,
            groups: groups(&store, &chosen.validation),
            store,
            text_width: cache.hidden() as i64,
            reports: cache.into_vectors(),
            places,
        })
    }

    /// Values in the embedding of a report.
    pub fn text_width(&self) -> i64 {
        self.text_width
    }

    /// Embeddings of the reports of these films, `[n, text_width]`.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn reports(&self, films: &[usize]) -> Result<Tensor> {
        let places = films.iter().filter_map(|film| self.places.get(film));
        self.reports.gather(&places.copied().collect::<Vec<_>>())
    }
}

fn groups(store: &Store, films: &[usize]) -> Vec<u32> {
    let mut numbers = HashMap::new();
    let mut number = |film: &usize| {
        let next = numbers.len() as u32;
        *numbers
            .entry(store.records()[*film].text.as_deref())
            .or_insert(next)
    };
    films.iter().map(&mut number).collect()
}
