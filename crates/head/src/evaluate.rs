//! The evaluation of a trained head on a split: metrics with intervals, and predictions.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mflag_core::Named;
use mflag_metrics::bootstrap::{Bootstrap, Patients};
use mflag_metrics::evaluation::Evaluation;
use mflag_store::{Split, Store};

use crate::error::Result;
use crate::film_files::named;
use crate::head::{Details, Head, OutputKind, Writer};
use crate::labelled_films::LabelledFilms;
use crate::model::Model;
use crate::prepared_film::PreparedFilm;
use crate::qualitative;

impl<H: Head> Model<H> {
    /// Whether a film of the split has labels, so that the model can be evaluated on it.
    ///
    /// # Errors
    /// If the store lacks a label that the settings name.
    pub fn has_labelled(&self, store: &Store, split: Split) -> Result<bool> {
        let is_labelled = H::is_labelled(&self.config.head, store)?;
        let films = store.split(split).into_iter();
        Ok(films.map(|film| &store.records()[film]).any(is_labelled))
    }

    /// Evaluates the model on the labelled films of a split. Writes predictions, details and
    /// example drawings into the folder `out` if one is given.
    ///
    /// # Errors
    /// If the split has no labelled film, the store's films were prepared in another way than those
    /// of the training, or a file cannot be written.
    pub fn evaluate(
        &self,
        store: &Arc<Store>,
        split: Split,
        bootstrap: Bootstrap,
        out: Option<&Path>,
    ) -> Result<Evaluation> {
        store.check_squares(&self.preprocess().square)?;
        let chosen = LabelledFilms::<H>::choose(&self.config, store, split)?;
        H::warn_of_few(&self.config.head, store, split, &chosen)?;
        let films = LabelledFilms::new(&self.config, &self.fitted, store.clone(), chosen)?;
        let scored = self.score_films(&films, out)?;
        let patients = patients(&films);
        let details = out.map(|out| Details {
            out,
            patients: &patients,
            bootstrap: &bootstrap,
        });
        let metrics = H::metrics(&self.config.head, &self.fitted, &scored, details)?;
        if let Some(out) = out {
            qualitative::write(self, &films, &scored, out)?;
        }
        let dataset = &store.meta().dataset;
        let number = films.indices().len();
        let mut evaluation = Evaluation::new(dataset, split.name(), number, &patients, &bootstrap);
        for (name, metric) in metrics {
            evaluation.add(name, bootstrap.replicates(&patients, metric)?)?;
        }
        for (metric, count) in H::label_counts(&self.fitted, &scored)? {
            evaluation.count_label(&metric, count);
        }
        Ok(evaluation)
    }

    /// Predicts on `films` and scores the predictions. Writes them into `out` if it is given.
    fn score_films(&self, films: &LabelledFilms<H>, out: Option<&Path>) -> Result<Vec<H::Scored>> {
        let writer = out.map(|out| H::writer(&self.fitted, out, OutputKind::Evaluation));
        let mut writer = writer.transpose()?;
        let file_names = file_names(films);
        let mut scored = Vec::with_capacity(films.indices().len());
        self.network.inference(&self.config.train, || {
            self.network.predict_labelled(films, None, |batch| {
                for (film, prediction, target) in batch.films() {
                    scored.push(H::score(&self.fitted, prediction, target)?);
                    if let Some(writer) = &mut writer {
                        let film = self.prepare_film(films.store(), film, &file_names[&film])?;
                        let entry = writer.write(&film.shown(), prediction, Some(target))?;
                        writer.add(entry);
                    }
                }
                Ok(())
            })
        })?;
        if let Some(writer) = writer {
            writer.finish()?;
        }
        Ok(scored)
    }

    /// The film of the store with index `film`, as the network sees it.
    fn prepare_film(&self, store: &Store, film: usize, file_name: &str) -> Result<PreparedFilm> {
        let record = &store.records()[film];
        let preprocess = self.preprocess();
        let placement = record.placement(&preprocess.square)?;
        let (name, file_name) = (record.film.clone(), file_name.to_owned());
        PreparedFilm::new(name, file_name, placement, store.greys(film), preprocess)
    }
}

/// The patient of each film.
fn patients<H: Head>(films: &LabelledFilms<H>) -> Patients {
    let records = films.store().records();
    let patients = films.indices().iter().map(|&film| &*records[film].patient);
    Patients::new(&patients.collect::<Vec<&str>>())
}

/// The name of the files written for each film, by its index in the store.
fn file_names<H: Head>(films: &LabelledFilms<H>) -> HashMap<usize, String> {
    let records = films.store().records();
    let indices = films.indices().iter().copied();
    let paths = indices
        .clone()
        .map(|film| PathBuf::from(&records[film].film));
    let named = named(paths.collect()).into_iter().map(|file| file.name);
    indices.zip(named).collect()
}
