//! Chest films as grey pixels: decoding within limits, squares, area resampling; needs no libtorch.

mod decode;
#[cfg(feature = "dicom")]
mod dicom;
mod entropy;
mod error;
mod jpeg;
mod scaled;
mod square;
mod tone;

pub use decode::{Limits, Options, decode, decode_bytes, decode_square, decode_with};
pub use error::{Error, Result};
pub use square::{Area, Fit, Placement, square};
pub use tone::Window;

/// A film: 8-bit grey, row by row from the top, 0 black.
#[derive(Clone, PartialEq, Eq)]
pub struct Film {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width · height` values.
    pub pixels: Vec<u8>,
}

impl Film {
    /// A film of one grey.
    pub fn filled(width: u32, height: u32, grey: u8) -> Film {
        Film {
            width,
            height,
            pixels: vec![grey; width as usize * height as usize],
        }
    }
}

impl std::fmt::Debug for Film {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Film({}×{})", self.width, self.height)
    }
}
