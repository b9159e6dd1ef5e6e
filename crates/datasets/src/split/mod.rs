//! Which films are for training, validation and test.
//!
//! Each data set offers one or more [rules](Rule). A rule uses the splits of the release, a [hash
//! of the patient's identifier](HashSplit) or the random draw of a published program. The published
//! program is MGCA's, whose evaluation M-FLAG uses (`docs/evaluation.md`). A table of splits can
//! replace the rule: see [`SplitOptions::list`].

mod by_hash;
mod draw;
mod list;
mod rule;

pub use by_hash::HashSplit;
pub(crate) use list::read_splits;
pub(crate) use rule::Splitter;
pub use rule::{Offer, Rule, RuleOptions, SplitOptions};
