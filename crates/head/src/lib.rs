//! What the three heads share: which films and labels they learn from, the encoder under them, the training job, evaluation
//! with intervals, prediction, and the command line. A head is what implements [`Head`].

mod apply;
mod cases;
mod config;
mod encoder;
mod error;
mod evaluate;
mod files;
mod films;
mod head;
mod kept;
mod model;
mod network;
mod overlay;
mod predict;
pub mod program;
mod task;
mod view_to_film;

pub use cases::{Drawing, Mark};
pub use config::{DataConfig, EncoderConfig, HeadConfig, Settings, Unmarked};
pub use encoder::Encoder;
pub use error::{Error, Result};
pub use films::Films;
pub use head::{Calibrate, Details, Head, Measure, Measures, Purpose, Shown, Value, Writer};
pub use kept::Kept;
pub use model::{MODEL, Model};
pub use overlay::Overlay;
pub use task::Training;
pub use view_to_film::ViewToFilm;
