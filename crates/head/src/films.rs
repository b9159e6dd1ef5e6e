//! The films that a run of a head learns from and is judged by.

use mflag_core::Named;
use std::collections::HashMap;
use std::sync::Arc;

use mflag_store::augment::View;
use mflag_store::loader::{Loader, Options};
use mflag_store::subset;
use mflag_store::{Record, Split, Store};
use rayon::prelude::*;

use crate::config::HeadConfig;
use crate::error::{Error, Result};
use crate::head::Head;

/// Films of a split, with what is known of each.
pub struct Films<H: Head> {
    store: Arc<Store>,
    /// Indices into the store.
    films: Vec<usize>,
    loader: Loader,
    annotations: Arc<HashMap<usize, H::Annotation>>,
}

impl<H: Head> Films<H> {
    /// The labelled films of a split, by their index; of the training split the fraction that the configuration asks for.
    ///
    /// # Errors
    /// If there are none.
    pub fn choose(
        config: &HeadConfig<H::Settings>,
        store: &Store,
        of_split: Split,
    ) -> Result<Vec<usize>> {
        let data = &config.data;
        let is_labelled = H::is_labelled(&config.head, store)?;
        let mut films = store.split(of_split);
        films.retain(|&film| is_labelled(&store.records()[film]));
        if films.is_empty() {
            return Err(Error::Data(format!(
                "{}: no film of its {} split has what {} learns from (of {} films)",
                store.folder().display(),
                of_split.name(),
                H::NAME,
                store.records().len()
            )));
        }
        if of_split != Split::Train || data.fraction >= 1.0 {
            return Ok(films);
        }
        let records: Vec<Record> = films.iter().map(|&f| store.records()[f].clone()).collect();
        let chosen = subset::fraction(&records, data.fraction, data.fraction_seed)?;
        Ok(chosen.into_iter().map(|place| films[place]).collect())
    }

    /// These `films` of the store, with what is known of each.
    ///
    /// # Errors
    /// If that cannot be read, or the store's films are smaller than the views asked for.
    pub fn new(
        config: &HeadConfig<H::Settings>,
        facts: &H::Facts,
        store: Arc<Store>,
        films: Vec<usize>,
    ) -> Result<Films<H>> {
        let options = Options {
            side: config.data.side,
            batch_size: config.train.batch_size,
            full_only: false,
            threads: config.data.loader_threads,
            prefetch: config.data.prefetch,
        };
        let annotations = {
            let annotate = H::annotate(&config.head, facts, &store)?;
            let annotated = films.par_iter().map(|&film| Ok((film, annotate(film)?)));
            annotated.collect::<Result<HashMap<_, _>>>()?
        };
        Ok(Films {
            loader: Loader::new(store.clone(), &films, options)?,
            store,
            films,
            annotations: Arc::new(annotations),
        })
    }

    /// The store that they are of.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Their indices in the store.
    pub fn films(&self) -> &[usize] {
        &self.films
    }

    /// Their loader.
    pub fn loader(&self) -> &Loader {
        &self.loader
    }

    /// What is to be learned of one of these films in a view of it.
    pub fn target(&self) -> impl Fn(usize, &View) -> H::Target + Clone + Send + 'static {
        let annotations = self.annotations.clone();
        move |film, view| H::target(&annotations[&film], view)
    }
}
