//! The trait that every head implements.

use std::path::Path;

use mflag_core::Named;
use mflag_encoder::{Arch, Features};
use mflag_film::{Film, Remark, ViewGeometry};
use mflag_metrics::Counts;
use mflag_metrics::bootstrap::{Bootstrap, Patients};
use mflag_metrics::classification::LabelCount;
use mflag_store::augment::View;
use mflag_store::{Record, Split, Store};
use mflag_train::Step;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Tensor, nn};

use crate::config::Settings;
use crate::drawing::Drawing;
use crate::error::Result;
use crate::overlay::Overlay;
use crate::view_to_film::ViewToFilm;

/// Computes a metric, given how often each film counts; `None` where the metric is undefined.
pub type MetricFn<'a> =
    Box<dyn Fn(Counts<'_>) -> mflag_metrics::Result<Option<f64>> + Send + Sync + 'a>;

/// A metric's name, and the function that computes it.
pub type NamedMetric<'a> = (String, MetricFn<'a>);

/// Metrics, in the order of the results table.
pub type Metrics<'a> = Vec<NamedMetric<'a>>;

/// Takes the fitted values that [`Head::fit`] returned, and the scored validation films. Returns
/// the fitted values with values such as thresholds added.
pub type Calibrate<H> =
    fn(&<H as Head>::Fitted, &[<H as Head>::Scored]) -> Result<<H as Head>::Fitted>;

/// A head: a network on the encoder's features, with its labels, loss and metrics.
///
/// Labels go from [`Record`] to [`Head::Annotation`] (once per film, in pixels of the resized
/// square) to [`Head::Target`] (once per view of the film, on the loader's threads).
///
/// Predictions go from [`Head::Output`] (of a batch) to [`Head::Prediction`] (of a film, in pixels
/// of the view) to [`Head::Scored`] (prediction and target together) to the metrics.
pub trait Head: Sized {
    /// The head's name, such as `segmentation`.
    const NAME: &'static str;
    /// Fits values such as thresholds on the validation films after training. `None`: there is
    /// nothing to fit.
    const CALIBRATE: Option<Calibrate<Self>> = None;
    /// The name of the metric that [`Head::film_metric`] computes. Without it, no example films are
    /// drawn.
    const FILM_METRIC: Option<&'static str> = None;
    /// Whether predictions are boxes, so that [`DrawnBoxes`] can choose which of them are drawn.
    const HAS_BOXES: bool = false;
    /// The head's own part of the configuration.
    type Settings: Settings;
    /// What is fitted to the data and needed for prediction beside the weights: label names,
    /// anchors, thresholds.
    type Fitted: std::fmt::Debug + Clone + Serialize + DeserializeOwned + Send + Sync;
    /// The labels of a film; places are in pixels of the resized square.
    type Annotation: Send + Sync + 'static;
    /// The labels of a view of a film; places are in pixels of the view.
    type Target: Send + 'static;
    /// The network's output for a batch.
    type Output;
    /// The prediction for one film; places are in pixels of the view.
    type Prediction: Send + Sync;
    /// The values of a film's prediction and target that the metrics need. They are kept in memory
    /// for all films of a split, so they should be small.
    type Scored: Send + Sync;
    /// Writes predictions to files.
    type Writer: Writer<Self::Prediction, Self::Target>;

    /// Returns a function that tells whether a film of the store is used for training and
    /// evaluation.
    ///
    /// # Errors
    /// If the store lacks a label that the settings name.
    fn is_labelled(settings: &Self::Settings, store: &Store) -> Result<impl Fn(&Record) -> bool>;

    /// Says why no metric is defined on `films` (indices into the store), such as "none has a mask".
    /// `None` if one is defined.
    ///
    /// # Errors
    /// As [`Head::fit`].
    fn unmeasurable(
        _settings: &Self::Settings,
        _store: &Store,
        _films: &[usize],
    ) -> Result<Option<String>> {
        Ok(None)
    }

    /// Says by which setting films are left out as unlabelled, if there is one.
    fn why_unlabelled(_settings: &Self::Settings) -> Option<&'static str> {
        None
    }

    /// Collects from the training films what prediction needs beside the weights. `train` has the
    /// indices of these films in the store, whose squares become views by `view`.
    ///
    /// # Errors
    /// If the store lacks a label that the settings name, or no training film has one.
    fn fit(
        settings: &Self::Settings,
        store: &Store,
        view: ViewGeometry,
        train: &[usize],
    ) -> Result<Self::Fitted>;

    /// Replaces settings that depend on the store, such as "all labels", by their values, so that
    /// they have the same meaning with any other store.
    fn resolve_settings(settings: &Self::Settings, _fitted: &Self::Fitted) -> Self::Settings {
        settings.clone()
    }

    /// Returns a function that reads the annotation of a film, given its index in the store, whose
    /// squares become views by `view`.
    ///
    /// # Errors
    /// If the store lacks a label that the settings name. The returned function fails if the
    /// annotation of a film cannot be read.
    fn annotate(
        settings: &Self::Settings,
        fitted: &Self::Fitted,
        store: &Store,
        view: ViewGeometry,
    ) -> Result<impl Fn(usize) -> Result<Self::Annotation> + Sync>;

    /// Computes the target of a view from the annotation of its film.
    fn target(annotation: &Self::Annotation, view: &View) -> Self::Target;

    /// Creates the network with random weights, for an encoder of architecture `arch` and views of
    /// `side` pixels. `p` is the root of all variables; those of the encoder begin with `encoder.`.
    ///
    /// # Errors
    /// If libtorch cannot create a variable.
    fn new(
        p: &nn::Path<'_>,
        arch: Arch,
        side: u32,
        settings: &Self::Settings,
        fitted: &Self::Fitted,
    ) -> Result<Self>;

    /// Picks the encoder features that the network reads, in the order that [`Head::forward`]
    /// expects.
    fn inputs(features: Features) -> Vec<Tensor>;

    /// Runs the network on a batch. With `train`, BatchNorm uses the statistics of the batch and
    /// updates its running ones.
    ///
    /// # Errors
    /// If `inputs` are not as [`Head::inputs`] returns them.
    fn forward(&self, inputs: &[Tensor], train: bool) -> Result<Self::Output>;

    /// Computes the mean loss of a batch. Autocast is off.
    ///
    /// # Errors
    /// If the targets do not match the output in shape.
    fn loss(&self, output: &Self::Output, targets: &[Self::Target]) -> Result<Step>;

    /// Splits the output for a batch into a prediction per film.
    ///
    /// # Errors
    /// If the output is NaN, or cannot be copied from the device.
    fn predictions(&self, output: &Self::Output) -> Result<Vec<Self::Prediction>>;

    /// Compares the prediction for a film with its target. What the view does not show of the
    /// target counts as missed.
    ///
    /// # Errors
    /// If the prediction is NaN.
    fn score(
        fitted: &Self::Fitted,
        prediction: &Self::Prediction,
        target: &Self::Target,
    ) -> Result<Self::Scored>;

    /// Returns the metrics of scored films. If `details` are given, also writes what the report
    /// shows beside the metrics, such as curves.
    ///
    /// # Errors
    /// If a score is NaN, or a file cannot be written.
    fn metrics<'a>(
        settings: &Self::Settings,
        fitted: &Self::Fitted,
        scored: &'a [Self::Scored],
        details: Option<Details<'_>>,
    ) -> Result<Metrics<'a>>;

    /// The metrics that are computed after each epoch, one of which chooses the best epoch. They may
    /// leave out what the validation films are too few for.
    ///
    /// # Errors
    /// As [`Head::metrics`].
    fn validation_metrics<'a>(
        settings: &Self::Settings,
        fitted: &Self::Fitted,
        scored: &'a [Self::Scored],
    ) -> Result<Metrics<'a>> {
        Self::metrics(settings, fitted, scored, None)
    }

    /// For each metric of one label: how many films have the label, and how many lack it.
    ///
    /// # Errors
    /// If a score is NaN.
    fn label_counts(
        _fitted: &Self::Fitted,
        _scored: &[Self::Scored],
    ) -> Result<Vec<(String, LabelCount)>> {
        Ok(Vec::new())
    }

    /// Logs a warning if the films of a split are too few for what they are used for. `films` has
    /// their indices in the store.
    ///
    /// # Errors
    /// If the store lacks a label that the settings name.
    fn warn_of_few(
        _settings: &Self::Settings,
        _store: &Store,
        _split: Split,
        _films: &[usize],
    ) -> Result<()> {
        Ok(())
    }

    /// Starts writing predictions into the existing folder `out`.
    ///
    /// # Errors
    /// If a folder or file in it cannot be created.
    fn writer(fitted: &Self::Fitted, out: &Path, kind: OutputKind) -> Result<Self::Writer>;

    /// Computes the metric of a single film, which ranks films to find the examples to draw. `None`
    /// where it is undefined, as on films with nothing to find.
    ///
    /// # Errors
    /// If the metric cannot be computed.
    fn film_metric(_scored: &Self::Scored) -> Result<Option<f64>> {
        Ok(None)
    }

    /// Draws target and prediction over a view of a film, and returns the caption.
    fn draw_comparison(
        _fitted: &Self::Fitted,
        _drawing: &mut Drawing,
        _prediction: &Self::Prediction,
        _target: &Self::Target,
    ) -> String {
        String::new()
    }

    /// Draws a prediction over its film.
    ///
    /// # Errors
    /// If the overlay has another size than the film.
    fn draw_overlay(
        fitted: &Self::Fitted,
        film: &ShownFilm<'_>,
        prediction: &Self::Prediction,
        boxes: DrawnBoxes,
        overlay: &mut Overlay,
    ) -> Result<()>;
}

/// Logs a warning if only a few films of a split are `marked` by a `what` (a mask, a box).
pub fn warn_of_few_marked(split: Split, marked: usize, what: &str) {
    let fewest = LabelCount::FEWEST;
    if (1..fewest).contains(&marked) {
        tracing::warn!(
            "only {marked} {} films have a {what}; with fewer than {fewest}, their metrics are a \
             matter of chance, and so is the epoch that they choose",
            split.name()
        );
    }
}

/// Which predicted boxes an overlay shows. Files of predictions have all of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawnBoxes {
    /// The lowest confidence, 0 to 1.
    pub confidence: f64,
    /// The number of boxes; the most confident ones are shown.
    pub top: usize,
}

impl Default for DrawnBoxes {
    fn default() -> Self {
        DrawnBoxes {
            confidence: 0.0,
            top: 5,
        }
    }
}

/// Where [`Head::metrics`] writes details, and how it computes their intervals.
#[derive(Debug, Clone, Copy)]
pub struct Details<'a> {
    /// An existing folder.
    pub out: &'a Path,
    /// The patient of each scored film.
    pub patients: &'a Patients,
    /// How patients are resampled.
    pub bootstrap: &'a Bootstrap,
}

/// Which command writes the predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// `eval`: films of a store, with their targets.
    Evaluation,
    /// `predict`: film files without targets, some of which may be unreadable.
    Prediction,
}

/// A film whose prediction is written or drawn.
#[derive(Debug, Clone, Copy)]
pub struct ShownFilm<'a> {
    /// The film's identifier, or its path as the user gave it.
    pub name: &'a str,
    /// The name of files written for this film, without extension.
    pub file_name: &'a str,
    /// Maps pixels of the view to pixels of the film.
    pub view_to_film: ViewToFilm,
    /// The view, `side · side` pixels.
    pub view: &'a Film,
    /// What is unusual about the film's file; empty in an evaluation.
    pub remarks: &'a [Remark],
}

impl ShownFilm<'_> {
    /// The cell of the column `warning` in a table of predictions: the remarks, joined by `; `.
    pub fn warning(&self) -> String {
        let remarks: Vec<String> = self.remarks.iter().map(Remark::to_string).collect();
        remarks.join("; ")
    }
}

/// Writes predictions `P` to files, next to targets `T` where they are known.
pub trait Writer<P, T>: Sync {
    /// What the writer keeps of a film until [`Writer::finish`].
    type Entry: Send;

    /// Writes the files of one film. Several threads call this at once.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn write(
        &self,
        film: &ShownFilm<'_>,
        prediction: &P,
        target: Option<&T>,
    ) -> Result<Self::Entry>;

    /// Adds a film to the tables. Films are added in order.
    fn add(&mut self, film: Self::Entry);

    /// Adds a film that could not be read, with the reason.
    fn add_unreadable(&mut self, film: &str, reason: &str);

    /// Writes the tables.
    ///
    /// # Errors
    /// If a table cannot be written.
    fn finish(self) -> Result<()>;
}
