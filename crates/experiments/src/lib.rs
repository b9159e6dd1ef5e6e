//! Experiments: a head on each task, of each encoder, from each fraction of the labels, with each seed; the missing cells are run by the
//! heads' own programs, and what they came to is collected in tables beside published numbers.

pub mod config;
mod job;
mod plan;
mod published;
mod results;
mod runner;

pub use job::{Job, State};
pub use plan::{Cell, Plan};
pub use published::Published;
pub use results::Results;
pub use runner::{Ended, Runner};
