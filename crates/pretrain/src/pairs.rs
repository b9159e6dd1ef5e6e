//! Pairs of films and reports: films from the store, report embeddings from the text cache.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use mflag_core::progress::Progress;
use mflag_encoder::text::TextEncoder;
use mflag_store::loader::Loader;
use mflag_store::{Seen, Split, Store};
use mflag_train::{World, threads_of_rank};
use tch::Tensor;

use crate::config::{DataConfig, PretrainConfig};
use crate::error::{Error, Result};
use crate::text_cache::{CutTexts, Filled, Row, TextCache, Vectors};

/// Tokens in one batch of the language model, chosen for speed: with larger batches, memory limits
/// the speed of the language model; with smaller ones, the processor does.
pub(crate) const BATCH_TOKENS: usize = 2048;

/// The name of the language model's [fingerprint](TextEncoder::fingerprint) among the digests of a
/// run's inputs.
pub const LANGUAGE_MODEL: &str = "language model";

/// The pairs of a run, as indices of films in the store.
#[derive(Debug, Clone)]
pub struct PairIndices {
    /// Films to train on.
    pub train: Vec<usize>,
    /// Films to validate on.
    pub validation: Vec<usize>,
}

impl PairIndices {
    /// Selects the films with a report from the training and the validation split, up to the
    /// numbers in `data`.
    ///
    /// # Errors
    /// If there are fewer training films than `batch_size`, or fewer than 2 validation films.
    pub fn select(store: &Store, data: &DataConfig, batch_size: usize) -> Result<PairIndices> {
        let with_text = |split, limit: usize| -> Vec<usize> {
            let films = store.split(split).into_iter();
            films
                .filter(|&film| store.records()[film].text.is_some())
                .take(limit)
                .collect()
        };
        let train = with_text(Split::Train, data.max_train.unwrap_or(usize::MAX));
        let validation = with_text(Split::Validate, data.max_validation);
        let folder = store.folder().display();
        if train.len() < batch_size {
            return Err(Error::Data(format!(
                "{folder} has {} training films with a report, fewer than train.batch_size \
                 ({batch_size}): lower it, or prepare more films",
                train.len()
            )));
        }
        if validation.len() < 2 {
            return Err(Error::Data(format!(
                "{folder} has {} validation films with a report, but 2 are needed: prepare a data set \
                 with a validation split",
                validation.len()
            )));
        }
        Ok(PairIndices { train, validation })
    }

    /// The reports of all pairs.
    pub fn texts(&self, store: &Store) -> Vec<String> {
        self.films()
            .filter_map(|film| store.records()[film].text.clone())
            .collect()
    }

    fn films(&self) -> impl Iterator<Item = usize> {
        self.train.iter().chain(&self.validation).copied()
    }
}

/// Opens the text cache in the folder `cache`, and encodes those of the `texts` that it lacks.
///
/// # Errors
/// If the cache is damaged or cannot be written, or a text cannot be encoded.
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
    warn_of_cut(cache.count_cut(texts), texts.len());
    Ok((cache, filled))
}

/// Says how many reports are longer than the language model reads.
fn warn_of_cut(CutTexts { cut, unknown }: CutTexts, reports: usize) {
    if cut > 0 {
        tracing::warn!(
            "{cut} of {reports} reports have more than text.max_tokens tokens: their ends are not \
             read; raise text.max_tokens if the language model allows it"
        );
    }
    if unknown > 0 {
        tracing::info!(
            "{unknown} of {reports} reports are from an older text cache, which does not say \
             whether they were cut at text.max_tokens; a new cache (text.cache) says it"
        );
    }
}

/// The pairs of a run, ready to load.
#[derive(Debug)]
pub struct Pairs {
    /// The films.
    pub store: Arc<Store>,
    /// Loader of the training films.
    pub train: Loader,
    /// Loader of the validation films.
    pub validation: Loader,
    /// How much of the training films the network sees.
    pub seen: Seen,
    /// A number for each validation film. Films with the same report have the same number.
    pub groups: Vec<u32>,
    text_width: i64,
    reports: Vectors,
    /// The row of each film's report, by the film's index in the store.
    rows: HashMap<usize, Row>,
}

impl Pairs {
    /// Prepares to load the pairs `indices`, or this rank's share of their batches.
    ///
    /// # Errors
    /// If the cache lacks a report, or the store's squares are smaller than `data.side` or
    /// `data.resize`.
    pub fn new(
        store: Arc<Store>,
        indices: &PairIndices,
        cache: TextCache,
        config: &PretrainConfig,
        world: Option<&World>,
    ) -> Result<Pairs> {
        let films = &config.data.films;
        let view = films.view_geometry(&store)?;
        let mut options = films.loader_options(view, config.train.batch_size, true);
        if let Some(world) = world
            && options.threads == 0
        {
            // As without other ranks: a quarter of the cores.
            options.threads = threads_of_rank(world.launch()).div_ceil(4);
        }
        let loader = |films| {
            let loader = Loader::new(store.clone(), films, options)?;
            let (rank, ranks) = world.map_or((0, 1), |world| (world.rank(), world.size()));
            Ok::<_, Error>(loader.for_rank(rank, ranks))
        };
        let row = |film: usize| {
            let record = &store.records()[film];
            let row = record.text.as_deref().and_then(|text| cache.row(text));
            let row = row.ok_or_else(|| {
                let film = &record.film;
                Error::Data(format!(
                    "the report of film {film} is not in the text cache"
                ))
            })?;
            Ok((film, row))
        };
        let rows = indices.films().map(row).collect::<Result<_>>()?;
        Ok(Pairs {
            train: loader(&indices.train)?,
            validation: loader(&indices.validation)?,
            seen: films.seen(&store, &indices.train, &config.augment)?,
            groups: groups(&store, &indices.validation),
            store,
            text_width: cache.hidden() as i64,
            reports: cache.into_vectors(),
            rows,
        })
    }

    /// The width of a report embedding.
    pub fn text_width(&self) -> i64 {
        self.text_width
    }

    /// The embeddings of the films' reports, `[films, text_width]`.
    ///
    /// # Errors
    /// If `films` is empty.
    pub fn reports(&self, films: &[usize]) -> Result<Tensor> {
        let rows = films.iter().filter_map(|film| self.rows.get(film));
        self.reports.gather(&rows.copied().collect::<Vec<_>>())
    }
}

/// A number for each film: the same for films with the same report.
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
