//! Films beside a run's figures: where a head was best, in the middle and worst, drawn when they were judged, as the store may be gone when
//! a report is written.
//!
//! ```text
//! <evaluation>/cases.json    a list of cases
//! <evaluation>/cases/*.png   what was found and what is true, over each film
//! ```

use serde::{Deserialize, Serialize};

/// The list's name in the folder of an evaluation.
pub const CASES: &str = "cases.json";

/// A drawn film.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Why it was chosen.
    pub rank: Rank,
    /// The metric that films are ranked by.
    pub metric: String,
    /// Its value on this film alone.
    pub value: f64,
    /// The film's line in the store's `films.jsonl`, from 1.
    pub line: usize,
    /// The film's name.
    pub film: String,
    /// Its PNG, relative to the folder.
    pub image: String,
    /// What the drawing shows, in words.
    pub words: String,
}

/// Where a film stands among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// Among those with the highest values.
    Best,
    /// In the middle.
    Median,
    /// Among those with the lowest.
    Worst,
}

impl Rank {
    /// All, in the order of a report.
    pub const ALL: [Rank; 3] = [Rank::Best, Rank::Median, Rank::Worst];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Rank::Best => "best",
            Rank::Median => "median",
            Rank::Worst => "worst",
        }
    }
}
