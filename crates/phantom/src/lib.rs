//! Phantoms: synthetic chest films with findings in known places, and reports about them, written
//! in the layouts of real data sets.
//!
//! The anatomy is coarse. Phantoms are for tests, demonstrations and benchmarks; no number measured
//! on them says anything about patients.
//!
//! # From (layout, seed, index) to bytes
//!
//! Film `index` depends only on the layout, the seed and the index, so films can be made in any
//! order and on any number of threads. [`Case::new`] makes one in memory:
//!
//! 1. [`Layout::recipe`] says how many films a patient has, and which share of the films is
//!    positive (shows the findings that the data set is about). The recipe, the seed and the index
//!    give a plan: a [`Study`], its [findings](Finding), and whether the film has foreign objects.
//! 2. The plan gives the film at any size, a mask of each finding, and the [`Report`].
//!
//! [`write`](fn@write) makes the cases of a whole phantom in parallel. It calls [`Layout::film`] to
//! write each of them, and [`Layout::tables`] at the end.
//!
//! # Where to look
//!
//! | file or folder | content |
//! | --- | --- |
//! | `options.rs` | the options of a phantom, and their checks |
//! | `write.rs` | the folder of a phantom, and how a killed run continues |
//! | `entry.rs` | one study of that folder, and the summary of all studies |
//! | `recipe.rs` | what the films of a layout show |
//! | `cohort.rs` | patients and studies |
//! | `finding.rs` | kinds, sides, zones and severities of findings, and which occur together |
//! | `case.rs`, `located.rs` | a film in memory; masks and boxes |
//! | `body/` | how a film is drawn: anatomy, skeleton, findings, devices, objects, exposure |
//! | `text/` | reports, and `phrases.toml` with their words |
//! | `layouts/` | one file per data set |
//!
//! # How to add a layout
//!
//! 1. `layouts/NAME.rs`: a unit struct, the struct `Written` with what the tables need to know
//!    about a film, and `impl Layout`. Start from the most similar layout, and import what the data
//!    set's reader exports (`LABELS`, `SIDE`) from `mflag_datasets::readers`.
//! 2. `layouts/mod.rs`: `mod`, `pub use`, and an entry of [`LAYOUTS`]. The command line, its help,
//!    and the tests over all layouts read this list.
//! 3. `tests/phantom/layouts.rs`: a test that the reader reads what was drawn.
//! 4. `datasets/phantoms.md`: a row of the table. `scripts/digests.py`: an entry of `PHANTOMS`.
//!
//! If the films need something new, such as another share of positive films, add a field to
//! [`Recipe`], and leave it off in [`Recipe::ARCHIVE`]: the bytes of the other layouts must not
//! change.

mod body;
mod case;
mod cohort;
mod entry;
mod finding;
pub mod layouts;
mod located;
mod options;
mod recipe;
mod text;
mod write;

pub use body::{Form, Object};
pub use case::Case;
pub use cohort::{Projection, Sex, Study};
pub use entry::{Entry, Summary};
pub use finding::{Finding, Kind, Severity, Side, Zone};
pub use layouts::{DEFAULT_LAYOUT, LAYOUTS, Layout};
pub use located::{Bounds, Located};
pub use options::Options;
pub use recipe::{Positives, Recipe};
pub use text::{Mention, Report};
pub use write::{write, write_films};
