//! Data sets, reports, the prepared store, augmentation, the loader and phantoms of mflag; needs no libtorch.

mod error;
pub mod mimic;
mod record;
pub mod report;
pub mod table;

pub use error::{Error, Result};
pub use record::{Dataset, Record, Split};
