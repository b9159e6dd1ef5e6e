//! Device and precision, AdamW, schedules, checkpoints, sinks and the training loop shared by pre-training and the heads.

pub mod checkpoint;
pub mod config;
pub mod device;
mod error;
pub mod lifecycle;
mod meter;
pub mod optim;
mod outcome;
pub mod precision;
pub mod schedule;
pub mod shim;
mod sinks;
mod summary;
pub mod task;
mod trainer;
pub mod upload;

pub use checkpoint::Checkpoint;
pub use config::TrainerConfig;
pub use error::{Error, Result, TaskError, TaskResult};
pub use mflag_core::Direction;
pub use mflag_core::run::{BEST, LAST, METRICS};
pub use optim::AdamW;
pub use outcome::{Ended, Outcome};
pub use precision::Precision;
pub use summary::summary;
pub use task::{Batches, Monitor, Position, Step, Task, variables};
pub use trainer::fit;
pub use upload::{Upload, upload};
