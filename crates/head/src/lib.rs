//! What the heads share: labelled films, the encoder under a head, training, evaluation with
//! intervals, and prediction. A head implements [`Head`]; `examples/toy_head.rs` is the smallest
//! one.

mod apply;
mod config;
mod drawing;
mod encoder;
mod error;
mod evaluate;
mod feature_cache;
mod film_files;
mod head;
mod labelled_films;
mod model;
mod network;
mod overlay;
mod predict;
mod prepared_film;
mod qualitative;
mod training;
mod view_to_film;

pub use config::{DataConfig, EncoderConfig, HeadConfig, Settings, Unmarked};
pub use drawing::{Drawing, Mark};
pub use encoder::Encoder;
pub use error::{Error, Result};
pub use feature_cache::FeatureCache;
pub use film_files::{FilmFile, FoundFilms, find_films};
pub use head::{
    Calibrate, Details, DrawnBoxes, Head, MetricFn, Metrics, NamedMetric, OutputKind, ShownFilm,
    Writer, warn_of_few_marked,
};
pub use labelled_films::LabelledFilms;
pub use mflag_film::ViewGeometry;
pub use model::{MODEL, Model};
pub use overlay::Overlay;
pub use predict::{Overlays, Predicted, Reading, UnreadableFilm};
pub use training::Training;
pub use view_to_film::ViewToFilm;
