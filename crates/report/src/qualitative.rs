//! Example films of an evaluation: where a head was best, average and worst. The evaluation draws
//! them, because the store may no longer exist when a report is written.
//!
//! ```text
//! <evaluation>/cases.json    the list of films
//! <evaluation>/cases/*.png   each film with prediction and truth drawn over it
//! ```

use serde::{Deserialize, Serialize};

/// Name of the list in an evaluation's folder.
pub const CASES: &str = "cases.json";

/// A drawn film.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExampleFilm {
    /// The film's rank among the films, for which it was chosen.
    pub rank: Rank,
    /// The metric that ranks the films.
    pub metric: String,
    /// The metric of this film alone.
    pub value: f64,
    /// The film's line in the store's `films.jsonl`, counted from 1.
    pub line: usize,
    /// The film's name.
    pub film: String,
    /// Path of the film's PNG, relative to the folder of the evaluation.
    pub image: String,
    /// What the drawing shows, for people who cannot see it.
    pub words: String,
}

/// The rank of a film among all films.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// One of the highest values.
    Best,
    /// One of the middle values.
    Median,
    /// One of the lowest values.
    Worst,
}

impl Rank {
    /// All ranks in the order of a report.
    pub const ALL: [Rank; 3] = [Rank::Best, Rank::Median, Rank::Worst];

    /// The rank as a word.
    pub fn name(self) -> &'static str {
        match self {
            Rank::Best => "best",
            Rank::Median => "median",
            Rank::Worst => "worst",
        }
    }
}
