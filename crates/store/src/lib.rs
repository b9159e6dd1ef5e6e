//! Prepared data and all that training reads of it: store, records, masks, labels, subsets, loader,
//! augmentation, pictures. Needs no libtorch.

pub mod augment;
mod config;
mod error;
pub mod labels;
pub mod loader;
pub mod mask;
mod mask_file;
pub mod picture;
mod record;
pub mod rle;
mod seen;
mod store;
pub mod subset;

pub use config::{FilmsConfig, Resize, ResizeWord};
pub use error::{Error, Result};
pub use record::{BoundingBox, Dataset, Mask, Record, Split, check_boxes};
pub use seen::Seen;
pub use store::{
    Greys, STORE_FORMAT, Shard, Store, StoreFiles, StoreMeta, Verification, film_bytes, read_json,
};
