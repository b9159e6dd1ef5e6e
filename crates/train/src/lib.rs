//! What pre-training and the heads share to train: the life of a run, the training loop, AdamW,
//! learning-rate schedules, precision, checkpoints and metric files.

pub mod checkpoint;
pub mod config;
mod error;
mod fit_result;
pub mod lifecycle;
mod meter;
pub mod optim;
pub mod precision;
mod print;
pub mod schedule;
mod setup;
pub mod shim;
mod sinks;
pub mod task;
mod trainer;
pub mod upload;
pub mod world;

pub use checkpoint::Checkpoint;
pub use config::TrainerConfig;
pub use error::{Error, Result, TaskError, TaskResult, all};
pub use fit_result::{Ended, FitResult};
pub use mflag_core::Direction;
pub use mflag_core::run::{BEST, LAST, METRICS};
pub use mflag_weights::sorted_variables;
pub use optim::AdamW;
pub use precision::Precision;
pub use setup::{resolve_device, setup, setup_inference, threads_of_rank};
pub use task::{Batches, Monitor, Position, Step, Task};
pub use trainer::fit;
pub use upload::{Upload, upload};
pub use world::{Then, World};
