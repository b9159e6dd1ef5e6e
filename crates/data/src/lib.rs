//! Data sets, reports, the prepared store, augmentation, the loader and phantoms of mflag; needs no libtorch.

pub mod augment;
mod error;
pub mod inspect;
pub mod loader;
pub mod mimic;
pub mod phantom;
pub mod prepare;
mod record;
pub mod report;
pub mod store;
pub mod table;

pub use error::{Error, Result};
pub use record::{BoundingBox, Dataset, Mask, Record, Split};
