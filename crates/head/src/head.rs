//! What makes a head.

use std::path::Path;

use mflag_encoder::{Arch, Features};
use mflag_film::Film;
use mflag_metrics::Counts;
use mflag_metrics::bootstrap::{Bootstrap, Patients};
use mflag_store::augment::View;
use mflag_store::{Record, Store};
use mflag_train::Step;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Tensor, nn};

use crate::cases::Drawing;
use crate::config::Settings;
use crate::error::Result;
use crate::overlay::Overlay;
use crate::view_to_film::ViewToFilm;

/// A metric of some cases: given how often each case counts, its value; `None` where it is undefined.
pub type Value<'a> =
    Box<dyn Fn(Counts<'_>) -> mflag_metrics::Result<Option<f64>> + Send + Sync + 'a>;

/// A metric by its name.
pub type Measure<'a> = (String, Value<'a>);

/// Metrics in the order of the table.
pub type Measures<'a> = Vec<Measure<'a>>;

/// What the validation films, as the best weights see them, add to the facts.
pub type Calibrate<H> = fn(&<H as Head>::Facts, &[<H as Head>::Case]) -> Result<<H as Head>::Facts>;

/// A head: a network on the encoder's features, what it learns of a film, and how it is judged.
///
/// What is known of a film goes `Record` → [`Head::Annotation`] (once, in the stored square) → [`Head::Target`] (in a view of
/// it, by the loader's threads). What the network says goes [`Head::Output`] (a batch) → [`Head::Prediction`] (a film, in
/// the view) → [`Head::Case`] (with the target: all that the metrics need).
pub trait Head: Sized {
    /// Name, such as `segmentation`.
    const NAME: &'static str;
    /// What the validation films say at the end, such as thresholds. Without it they are not judged for that.
    const CALIBRATE: Option<Calibrate<Self>> = None;
    /// What [`Head::film_value`] is, in the words of the metrics; films are drawn of no head without it.
    const FILMS_BY: Option<&'static str> = None;
    /// The part of the configuration that is its own.
    type Settings: Settings;
    /// What the data tell that prediction needs, too: names of labels, anchors, thresholds.
    type Facts: std::fmt::Debug + Clone + Serialize + DeserializeOwned + Send + Sync;
    /// What is known of a film, in the pixels of the stored square.
    type Annotation: Send + Sync + 'static;
    /// The same in the pixels of a view.
    type Target: Send + 'static;
    /// What the network says of a batch.
    type Output;
    /// What it says of a film, in the pixels of the view.
    type Prediction: Send + Sync;
    /// A prediction and its target, as the metrics need them: small, as all of a split are kept.
    type Case: Send + Sync;
    /// Writes predictions to files.
    type Writer: Writer<Self::Prediction, Self::Target>;

    /// Whether a film of the store has what the head learns from, or is judged by.
    ///
    /// # Errors
    /// If the store lacks what the settings ask for.
    fn is_labelled(settings: &Self::Settings, store: &Store) -> Result<impl Fn(&Record) -> bool>;

    /// What the training films (indices into the store) tell.
    ///
    /// # Errors
    /// If the store lacks what the settings ask for.
    fn facts(settings: &Self::Settings, store: &Store, train: &[usize]) -> Result<Self::Facts>;

    /// The settings with what the data tell in place of what was left to them, so that they say the same of any other store.
    fn settled(settings: &Self::Settings, _facts: &Self::Facts) -> Self::Settings {
        settings.clone()
    }

    /// Tells what is known of a film of the store, by its index; an error if that cannot be read.
    ///
    /// # Errors
    /// If the store lacks what the facts ask for.
    fn annotate(
        settings: &Self::Settings,
        facts: &Self::Facts,
        store: &Store,
    ) -> Result<impl Fn(usize) -> Result<Self::Annotation> + Sync>;

    /// The same in a view.
    fn target(annotation: &Self::Annotation, view: &View) -> Self::Target;

    /// A network with fresh weights in `p`, the root of all variables (the encoder's begin with `encoder.`), for an encoder of this architecture and views of `side` pixels.
    ///
    /// # Errors
    /// libtorch's own.
    fn new(
        p: &nn::Path<'_>,
        arch: Arch,
        side: u32,
        settings: &Self::Settings,
        facts: &Self::Facts,
    ) -> Result<Self>;

    /// Those of the encoder's features that the network reads, in the order that [`Head::forward`] takes them.
    fn inputs(features: Features) -> Vec<Tensor>;

    /// What the network says of a batch; with `train`, BatchNorm uses and updates the statistics of the batch.
    ///
    /// # Errors
    /// libtorch's own.
    fn forward(&self, inputs: &[Tensor], train: bool) -> Result<Self::Output>;

    /// The mean loss over a batch; runs outside of autocast.
    ///
    /// # Errors
    /// libtorch's own.
    fn loss(&self, output: &Self::Output, targets: &[Self::Target]) -> Result<Step>;

    /// What a batch's output says of each film.
    ///
    /// # Errors
    /// libtorch's own.
    fn predictions(&self, output: &Self::Output) -> Result<Vec<Self::Prediction>>;

    /// A prediction against what is true.
    ///
    /// # Errors
    /// If the prediction is no number.
    fn judge(
        facts: &Self::Facts,
        prediction: &Self::Prediction,
        target: &Self::Target,
    ) -> Result<Self::Case>;

    /// The metrics of some cases. What an evaluation shows beside them, such as curves with their bands, goes where `details` say.
    ///
    /// # Errors
    /// If they cannot be computed, as from scores that are NaN, or a file cannot be written.
    fn measures<'a>(
        settings: &Self::Settings,
        facts: &Self::Facts,
        cases: &'a [Self::Case],
        details: Option<Details<'_>>,
    ) -> Result<Measures<'a>>;

    /// Starts writing predictions into the folder `out`, which exists.
    ///
    /// # Errors
    /// If it cannot be written.
    fn writer(facts: &Self::Facts, out: &Path, purpose: Purpose) -> Result<Self::Writer>;

    /// The metric of one film alone, by which films are chosen to be [drawn](Head::draw_case); `None` where it is undefined, as without
    /// anything to find.
    ///
    /// # Errors
    /// If it cannot be computed.
    fn film_value(_case: &Self::Case) -> Result<Option<f64>> {
        Ok(None)
    }

    /// Draws what is true and what was found over a view of a film, and says in words what is what.
    fn draw_case(
        _facts: &Self::Facts,
        _drawing: &mut Drawing,
        _prediction: &Self::Prediction,
        _target: &Self::Target,
    ) -> String {
        String::new()
    }

    /// Draws a prediction over its film.
    ///
    /// # Errors
    /// If the overlay is not of that film.
    fn draw(
        facts: &Self::Facts,
        film: &Shown<'_>,
        prediction: &Self::Prediction,
        overlay: &mut Overlay,
    ) -> Result<()>;
}

/// Where the details of an evaluation go, and by what their intervals are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Details<'a> {
    /// A folder that exists.
    pub out: &'a Path,
    /// The patients of the cases.
    pub patients: &'a Patients,
    /// How these are resampled.
    pub bootstrap: &'a Bootstrap,
}

/// What predictions are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To judge films of a store, of which the truth is known.
    Evaluation,
    /// To know of film files, of which some cannot be read.
    Prediction,
}

/// A film whose prediction is written.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The film's identifier, or its file as it was named.
    pub name: &'a str,
    /// The name, without an ending, of files that are written of it.
    pub file_name: &'a str,
    /// From the pixels of the view to those of the film.
    pub view_to_film: ViewToFilm,
    /// The pixels of the view, `side · side`.
    pub view: &'a Film,
}

/// Writes predictions `P` to files, film by film, beside what is true, `T`.
pub trait Writer<P, T>: Sync {
    /// What it keeps of a film until the end.
    type Entry: Send;

    /// Writes the files of a film, several films at once; `truth` where it is known.
    ///
    /// # Errors
    /// If one cannot be written.
    fn write(&self, film: &Shown<'_>, prediction: &P, truth: Option<&T>) -> Result<Self::Entry>;

    /// Adds a film, in the order of the tables.
    fn add(&mut self, film: Self::Entry);

    /// Adds a film that could not be read, and why.
    fn add_bad(&mut self, film: &str, reason: &str);

    /// Writes what is written at the end.
    ///
    /// # Errors
    /// If it cannot be written.
    fn finish(self) -> Result<()>;
}
