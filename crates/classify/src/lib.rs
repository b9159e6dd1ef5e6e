//! Classification of chest films: a linear probe on the film encoder, or the encoder trained with it (protocols of MGCA and
//! CheXclusion, and own findings).

mod config;
mod curves;
mod facts;
mod head;
pub mod loss;
mod scores;
mod writer;

pub use config::{ClassificationConfig, Task};
pub use facts::{Facts, probability};
pub use head::{Classification, Target};
pub use scores::Case;
pub use writer::{ScoreWriter, Scored};
