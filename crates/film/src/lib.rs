//! Chest films as grey pixels: decoding within limits, squares, area resampling; needs no libtorch.

mod error;

pub use error::{Error, Result};
