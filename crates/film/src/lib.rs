//! Chest films as grey pixels: decoding within limits, squares, area resampling; needs no libtorch.

mod decode;
#[cfg(feature = "dicom")]
mod dicom;
mod error;
mod film;
mod jpeg;
mod png;
mod source;
mod square;
mod squaring;
mod tone;

pub use decode::{Limits, Options, decode, decode_bytes, decode_with};
pub use error::{Error, Result};
pub use film::{Film, Grey, Greys};
pub use png::encode_png;
pub use square::{Area, Fit, Placement, square};
pub use squaring::{Depth, Squared, Squaring};
pub use tone::Window;
