//! Data sets, reports, the prepared store, augmentation, the loader and phantoms of mflag; needs no libtorch.

pub mod augment;
pub mod chexpert;
pub mod datasets;
mod error;
pub mod inspect;
pub mod labels;
pub mod loader;
pub mod manifest;
pub mod mask;
pub mod mimic;
pub mod nih;
pub mod object_cxr;
pub mod phantom;
pub mod picture;
pub mod prepare;
mod reader;
mod record;
pub mod report;
pub mod rle;
pub mod rsna;
pub mod siim;
pub mod split;
pub mod store;
pub mod table;
pub mod vindr;

pub use error::{Error, Result};
pub use record::{BoundingBox, Dataset, Mask, Record, Split};
