//! The configuration keys of films, shared by pre-training and the heads.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::loader::Options;

/// Which store to read, and how to load its films.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FilmsConfig {
    /// Prepared store (`mflag-data prepare`).
    pub store: PathBuf,
    /// Side of the square that the encoder sees, in pixels; at most the store's.
    #[schemars(range(min = 32, max = 2048))]
    pub side: u32,
    /// Threads that load and augment films; 0: a quarter of the cores.
    #[schemars(range(min = 0, max = 256))]
    pub num_workers: usize,
    /// Number of batches to load in advance.
    #[schemars(range(min = 1, max = 64))]
    pub prefetch: usize,
}

impl Default for FilmsConfig {
    fn default() -> Self {
        FilmsConfig {
            store: PathBuf::from("data/store"),
            side: 224,
            num_workers: 0,
            prefetch: 4,
        }
    }
}

impl FilmsConfig {
    /// The options of a loader for batches of `batch_size` films. With `full_only`, the last,
    /// smaller batch of an epoch is left out.
    pub fn loader_options(&self, batch_size: usize, full_only: bool) -> Options {
        Options {
            side: self.side,
            batch_size,
            full_only,
            threads: self.num_workers,
            prefetch: self.prefetch,
        }
    }
}
