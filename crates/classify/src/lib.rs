//! Classification of chest films: a linear layer on the film encoder's pooled features, alone or
//! trained together with the encoder. It supports the protocols of MGCA and CheXclusion, and
//! findings of your own.

mod config;
mod curves;
mod fitted;
mod head;
pub mod loss;
mod scores;
mod target;
mod writer;

pub use config::{ClassificationConfig, Task};
pub use fitted::{Fitted, probability};
pub use head::Classification;
pub use scores::Scored;
pub use target::Target;
pub use writer::{ClassifiedFilm, ScoreWriter};
