//! A trained head on the films of a split: metrics with intervals, and every prediction.

use mflag_core::Named;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mflag_metrics::bootstrap::{Bootstrap, Patients};
use mflag_metrics::evaluation::Evaluation;
use mflag_store::{Split, Store};

use crate::cases;
use crate::error::Result;
use crate::files::named;
use crate::films::Films;
use crate::head::{Details, Head, Purpose, Writer};
use crate::model::Model;
use crate::predict::Seen;

impl<H: Head> Model<H> {
    /// Judges the labelled films of a split. Predictions go to the folder `out`, if one is given.
    ///
    /// # Errors
    /// If the store has none, or predictions cannot be written.
    pub fn evaluate(
        &self,
        store: &Arc<Store>,
        split: Split,
        bootstrap: Bootstrap,
        out: Option<&Path>,
    ) -> Result<Evaluation> {
        store.check_squares(&self.preprocess().square)?;
        let chosen = Films::<H>::choose(&self.config, store, split)?;
        let films = Films::<H>::new(&self.config, &self.facts, store.clone(), chosen)?;
        let writer = out.map(|out| H::writer(&self.facts, out, Purpose::Evaluation));
        let mut writer = writer.transpose()?;
        let files = files_of(store, films.films());
        let mut cases = Vec::with_capacity(films.films().len());
        let precision = self.config.train.precision.resolve(self.network.device)?;
        let judge = || {
            self.network
                .judge(&films, None, |_, indices, predictions, targets| {
                    for ((&film, prediction), target) in
                        indices.iter().zip(&predictions).zip(targets)
                    {
                        cases.push(H::judge(&self.facts, prediction, target)?);
                        if let Some(writer) = &mut writer {
                            let seen = self.seen(store, film, &files[&film])?;
                            let entry = writer.write(&seen.shown(), prediction, Some(target))?;
                            writer.add(entry);
                        }
                    }
                    Ok(())
                })
        };
        precision.inference(self.network.device, judge)?;
        if let Some(writer) = writer {
            writer.finish()?;
        }
        let films = films.films();
        let names: Vec<&str> = films
            .iter()
            .map(|&f| &*store.records()[f].patient)
            .collect();
        let patients = Patients::new(&names);
        let details = out.map(|out| Details {
            out,
            patients: &patients,
            bootstrap: &bootstrap,
        });
        let measures = H::measures(&self.config.head, &self.facts, &cases, details)?;
        if let Some(out) = out {
            let draw = || cases::write(self, store, films, &cases, out);
            precision.inference(self.network.device, draw)?;
        }
        let mut evaluation = Evaluation::new(
            &store.meta().dataset,
            split.name(),
            films.len(),
            &patients,
            &bootstrap,
        );
        for (metric, value) in measures {
            evaluation.add(metric, bootstrap.replicates(&patients, value)?)?;
        }
        Ok(evaluation)
    }

    /// A film of the store, as the network sees it.
    fn seen(&self, store: &Store, film: usize, file: &str) -> Result<Seen> {
        let record = &store.records()[film];
        let preprocess = self.preprocess();
        // A store without sizes is of squares alone: boxes and masks are then in its pixels.
        let size = record.size.unwrap_or([preprocess.square.side; 2]);
        let pixels = store.pixels(film);
        Seen::new(
            record.film.clone(),
            file.to_owned(),
            size,
            &pixels,
            preprocess,
        )
    }
}

/// What files that are written of these films are called.
fn files_of(store: &Store, films: &[usize]) -> HashMap<usize, String> {
    let names = films
        .iter()
        .map(|&f| PathBuf::from(&store.records()[f].film));
    let named = named(names.collect()).into_iter().map(|file| file.name);
    films.iter().copied().zip(named).collect()
}
