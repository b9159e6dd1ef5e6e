//! A film's file, opened: its size and its way to grey are known, its pixels may not be decoded yet.

use std::borrow::Cow;

use crate::jpeg::{self, Jpeg};
use crate::square::scaled_square;
use crate::tone::Tone;
use crate::{Film, Fit, Grey, Limits, Squaring, Window, png};

pub(crate) struct Source<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// From values to grey.
    pub(crate) tone: Tone,
    pub(crate) values: Values<'a>,
}

pub(crate) enum Values<'a> {
    Decoded(Raw<'a>),
    /// Of 8 bits.
    Jpeg(Jpeg<'a>),
}

/// Decoded values, row by row; bits above those of the tone are ignored.
pub(crate) enum Raw<'a> {
    Eight(Cow<'a, [u8]>),
    Sixteen(Cow<'a, [u16]>),
}

impl Raw<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Raw::Eight(values) => values.len(),
            Raw::Sixteen(values) => values.len(),
        }
    }
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
        let (width, height) = (self.width, self.height);
        let tone = self.tone;
        let (_, values) = self.values.decode(width, 8)?;
        let pixels = match values {
            Raw::Eight(values) => tone.apply(&values, window)?,
            Raw::Sixteen(values) => tone.apply(&values, window)?,
        };
        Ok(Film {
            width,
            height,
            pixels,
        })
    }

    /// All of it, in no window.
    pub(crate) fn stored(self) -> Result<Film<u16>, String> {
        let (width, height) = (self.width, self.height);
        let tone = self.tone;
        let (_, values) = self.values.decode(width, 8)?;
        let pixels = match values {
            Raw::Eight(values) => values.iter().map(|value| tone.raw(*value)).collect(),
            Raw::Sixteen(values) => values.iter().map(|value| tone.raw(*value)).collect(),
        };
        Ok(Film {
            width,
            height,
            pixels,
        })
    }

    /// Its square.
    pub(crate) fn square<P: Grey>(self, squaring: &Squaring) -> Result<Film<P>, String> {
        let size = (self.width, self.height);
        let eighths = self.eighths(squaring);
        let (columns, values) = self.values.decode(self.width, eighths)?;
        let scale = f64::from(eighths) / 8.0;
        match values {
            Raw::Eight(values) => {
                let grey = self.tone.grey::<u8, P>(&values, squaring.window)?;
                Ok(scaled_square(&values, columns, grey, size, scale, squaring))
            }
            Raw::Sixteen(values) => {
                let grey = self.tone.grey::<u16, P>(&values, squaring.window)?;
                Ok(scaled_square(&values, columns, grey, size, scale, squaring))
            }
        }
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
}

impl<'a> Values<'a> {
    /// The values at `eighths`/8 of the size, and their columns; `width` is that of the film.
    fn decode(self, width: u32, eighths: u8) -> Result<(u32, Raw<'a>), String> {
        match self {
            Values::Decoded(values) => Ok((width, values)),
            Values::Jpeg(jpeg) => {
                let (columns, values) = jpeg.decode(eighths)?;
                Ok((columns, Raw::Eight(Cow::Owned(values))))
            }
        }
    }
}
