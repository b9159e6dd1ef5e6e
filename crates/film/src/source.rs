//! A film's file, opened: its size and its way to grey are known, its pixels may not be decoded yet.

use std::borrow::Cow;

use crate::jpeg::{self, Jpeg};
use crate::square::scaled_square;
use crate::tone::{Tone, film};
use crate::{Film, Fit, Grey, Greys, Limits, Squaring, Window, png};

pub(crate) struct Source<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// From values to grey.
    pub(crate) tone: Tone,
    pub(crate) values: Values<'a>,
}

/// Row by row, bits above those of the tone ignored.
pub(crate) enum Values<'a> {
    Decoded(Greys),
    /// Of 8 bits.
    Jpeg(Jpeg<'a>),
}

#[cfg(feature = "dicom")]
const UNKNOWN: &str = "is neither JPEG nor PNG nor DICOM by its first bytes";
#[cfg(not(feature = "dicom"))]
const UNKNOWN: &str = "is neither JPEG nor PNG by its first bytes";

impl<'a> Source<'a> {
    /// The film in the content of a file.
    pub(crate) fn open(bytes: &'a [u8], limits: &Limits) -> Result<Source<'a>, String> {
        #[cfg(feature = "dicom")]
        if crate::dicom::is_dicom(bytes) {
            return crate::dicom::open(bytes, limits);
        }
        if bytes.starts_with(&jpeg::START) {
            let jpeg = Jpeg::open(Cow::Borrowed(bytes), limits)?;
            return Ok(Source {
                width: jpeg.width,
                height: jpeg.height,
                tone: Tone::of_bits(8),
                values: Values::Jpeg(jpeg),
            });
        }
        if bytes.starts_with(&png::START) {
            return png::open(bytes, limits);
        }
        Err(UNKNOWN.into())
    }

    /// All of it.
    pub(crate) fn film<P: Grey>(self, window: Window) -> Result<Film<P>, String> {
        self.scaled(8, window)
    }

    /// Its square.
    pub(crate) fn square<P: Grey>(self, squaring: &Squaring) -> Result<Film<P>, String> {
        let size = (self.width, self.height);
        let eighths = self.eighths(squaring);
        let film = self.scaled(eighths, squaring.window)?;
        let scale = f64::from(eighths) / 8.0;
        Ok(scaled_square(
            &film,
            size,
            scale,
            squaring.side,
            squaring.fit,
        ))
    }

    /// At how many eighths of its size the film may be decoded for a square.
    fn eighths(&self, squaring: &Squaring) -> u8 {
        // A window may cut off single pixels of a mean.
        let small = matches!(self.values, Values::Jpeg(_)) && self.tone.is_even(squaring.window);
        if !small {
            return 8;
        }
        let fitted = match squaring.fit {
            Fit::Pad => self.width.max(self.height),
            Fit::Crop => self.width.min(self.height),
        };
        // A decoded pixel is at most 3/4 of a new one: larger ones would blur the film, as nearly all would lie in two.
        match (32 * u64::from(squaring.side)).div_ceil(3 * u64::from(fitted)) {
            needed @ 1..=4 => needed as u8,
            // More are not decoded faster than all.
            _ => 8,
        }
    }

    fn scaled<P: Grey>(self, eighths: u8, window: Window) -> Result<Film<P>, String> {
        let (width, values) = match self.values {
            Values::Decoded(values) => (self.width, values),
            Values::Jpeg(jpeg) => {
                let (columns, values) = jpeg.decode(eighths)?;
                (columns, Greys::Eight(values))
            }
        };
        let height = values.len() as u32 / width;
        film(width, height, values, &self.tone, window)
    }
}
