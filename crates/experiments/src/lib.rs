//! Experiments: heads for each combination of task, encoder, fraction of the labels and seed. The
//! programs of the heads run the missing combinations, and tables show the results beside published
//! numbers.

pub mod config;
mod job;
mod plan;
mod published;
mod results;
mod runner;

pub use job::{Claim, Job, JobSpec, JobState};
pub use plan::{Cell, Plan};
pub use published::Published;
pub use results::Results;
pub use runner::{JobOutcome, Runner};
