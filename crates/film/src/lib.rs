//! Chest films as grey pixels: decoding within limits, squares, area resampling. Needs no libtorch.
//!
//! ```
//! use mflag_film::{Film, Fit, square};
//!
//! let film = Film::filled(30, 20, 200_u8);
//! let squared = square(&film, 15, Fit::Pad);
//! assert_eq!((squared.width, squared.height), (15, 15));
//! // The film is wider than high: a black bar above and one below.
//! assert_eq!((squared.pixels[0], squared.pixels[7 * 15]), (0, 200));
//! ```

mod decode;
#[cfg(feature = "dicom")]
mod dicom;
mod error;
mod film;
mod format;
mod geometry;
mod jpeg;
mod limits;
mod open;
mod orientation;
mod png;
mod remark;
mod source;
mod square;
mod squaring;
mod squeeze;
mod tone;
mod view;

pub use decode::{Options, StoredMask, decode, decode_bytes, decode_mask, decode_with, size};
pub use error::{Error, Result};
pub use film::{Film, Grey, Greys};
pub use format::Format;
pub use geometry::{Area, Fit, Placement, centre_start};
pub use limits::Limits;
pub use png::encode_png;
pub use remark::Remark;
pub use square::{resampled, square};
pub use squaring::{Depth, Squared, Squaring};
pub use tone::Window;
pub use view::ViewGeometry;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
