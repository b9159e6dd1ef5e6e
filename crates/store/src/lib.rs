//! The prepared store and all that training reads of it: records, masks, labels, the loader, augmentation. Needs no libtorch.

pub mod augment;
mod error;
pub mod labels;
pub mod loader;
pub mod mask;
pub mod picture;
mod record;
pub mod rle;
pub mod store;
pub mod subset;

pub use error::{Error, Result};
pub use record::{BoundingBox, Dataset, Mask, Record, Split, fits, misfit};
pub use store::Store;
