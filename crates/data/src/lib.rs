//! Data sets, reports, the prepared store, augmentation, the loader and phantoms of mflag; needs no libtorch.

mod error;
mod record;

pub use error::{Error, Result};
pub use record::{Dataset, Record, Split};
