//! The films that a head is trained and evaluated on, with their annotations.

use std::collections::HashMap;
use std::sync::Arc;

use mflag_core::Named;
use mflag_store::augment::View;
use mflag_store::loader::Loader;
use mflag_store::subset;
use mflag_store::{Record, Split, Store};
use rayon::prelude::*;

use crate::config::HeadConfig;
use crate::error::{Error, Result};
use crate::head::Head;

/// Films of a store with their annotations.
pub struct LabelledFilms<H: Head> {
    store: Arc<Store>,
    /// Indices into the store.
    films: Vec<usize>,
    loader: Loader,
    annotations: Arc<HashMap<usize, H::Annotation>>,
}

impl<H: Head> LabelledFilms<H> {
    /// The indices of a split's labelled films. Of the training split, only the fraction
    /// `data.fraction` of the patients is used.
    ///
    /// # Errors
    /// If the split has no labelled film.
    pub fn choose(
        config: &HeadConfig<H::Settings>,
        store: &Store,
        split: Split,
    ) -> Result<Vec<usize>> {
        let data = &config.data;
        let is_labelled = H::is_labelled(&config.head, store)?;
        let mut films = store.split(split);
        films.retain(|&film| is_labelled(&store.records()[film]));
        if films.is_empty() {
            let why = H::why_unlabelled(&config.head);
            return Err(Error::Data(format!(
                "{}: no film of its {} split has labels for {} (the store has {} films){}",
                store.folder().display(),
                split.name(),
                H::NAME,
                store.records().len(),
                why.map_or(String::new(), |why| format!("; {why}"))
            )));
        }
        if split != Split::Train || data.fraction >= 1.0 {
            return Ok(films);
        }
        let records: Vec<Record> = films.iter().map(|&f| store.records()[f].clone()).collect();
        let chosen = subset::fraction(&records, data.fraction, data.fraction_seed)?;
        Ok(chosen.into_iter().map(|index| films[index]).collect())
    }

    /// Reads the annotations of `films`, which are indices into the store.
    ///
    /// # Errors
    /// If an annotation cannot be read, or `data.side` or `data.resize` is larger than the store's
    /// films.
    pub fn new(
        config: &HeadConfig<H::Settings>,
        fitted: &H::Fitted,
        store: Arc<Store>,
        films: Vec<usize>,
    ) -> Result<LabelledFilms<H>> {
        let data = &config.data.films;
        let view = data.view_geometry(&store)?;
        let options = data.loader_options(view, config.train.batch_size, false);
        let annotations = {
            let annotate = H::annotate(&config.head, fitted, &store, view)?;
            let annotated = films.par_iter().map(|&film| Ok((film, annotate(film)?)));
            annotated.collect::<Result<HashMap<_, _>>>()?
        };
        Ok(LabelledFilms {
            loader: Loader::new(store.clone(), &films, options)?,
            store,
            films,
            annotations: Arc::new(annotations),
        })
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The films' indices in the store.
    pub fn indices(&self) -> &[usize] {
        &self.films
    }

    /// The films' loader.
    pub fn loader(&self) -> &Loader {
        &self.loader
    }

    /// Returns a function for the loader. It computes the target of a view of a film, given the
    /// film's index in the store.
    pub fn target(&self) -> impl Fn(usize, &View) -> H::Target + Clone + Send + 'static {
        let annotations = self.annotations.clone();
        move |film, view| H::target(&annotations[&film], view)
    }
}
