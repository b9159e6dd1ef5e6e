//! An opened film. Its size and its tone (how stored values become greys) are known; its pixels may
//! not be decoded yet.

use std::borrow::Cow;

use crate::film::{Film, Grey};
use crate::geometry::Placement;
use crate::jpeg::Jpeg;
use crate::square::square_part;
use crate::tone::{Tone, Window};

pub(crate) struct Source<'a> {
    /// Columns of the film.
    pub(crate) width: u32,
    /// Rows of the film.
    pub(crate) height: u32,
    /// How values become greys.
    pub(crate) tone: Tone,
    pub(crate) values: Values<'a>,
}

pub(crate) enum Values<'a> {
    Decoded(Raw<'a>),
    /// A JPEG of 8 bits that is not decoded yet.
    Jpeg(Jpeg<'a>),
}

/// Decoded values, row by row. Bits above [`Tone::bits`] are ignored.
pub(crate) enum Raw<'a> {
    Eight(Cow<'a, [u8]>),
    Sixteen(Cow<'a, [u16]>),
}

#[cfg(feature = "dicom")]
impl Raw<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Raw::Eight(values) => values.len(),
            Raw::Sixteen(values) => values.len(),
        }
    }
}

impl<'a> Source<'a> {
    /// A JPEG file.
    pub(crate) fn jpeg(jpeg: Jpeg<'a>) -> Source<'a> {
        Source {
            width: jpeg.width,
            height: jpeg.height,
            tone: Tone::unsigned(8),
            values: Values::Jpeg(jpeg),
        }
    }

    /// Decodes the whole film and applies `window`.
    pub(crate) fn film<P: Grey>(self, window: Window) -> Result<Film<P>, String> {
        self.whole(|tone, values| match values {
            Raw::Eight(values) => tone.apply(&values, window),
            Raw::Sixteen(values) => tone.apply(&values, window),
        })
    }

    /// Decodes the whole film and applies no window.
    pub(crate) fn stored(self) -> Result<Film<u16>, String> {
        self.whole(|tone, values| {
            Ok(match values {
                Raw::Eight(values) => values.iter().map(|value| tone.raw(*value)).collect(),
                Raw::Sixteen(values) => values.iter().map(|value| tone.raw(*value)).collect(),
            })
        })
    }

    /// Decodes the whole film; `pixels` turns its values into pixels.
    fn whole<P>(
        self,
        pixels: impl FnOnce(&Tone, Raw<'a>) -> Result<Vec<P>, String>,
    ) -> Result<Film<P>, String> {
        let (_, values) = self.values.decode(self.width, 8)?;
        Ok(Film {
            width: self.width,
            height: self.height,
            pixels: pixels(&self.tone, values)?,
        })
    }

    /// Decodes the film at the size that the square needs, applies `window` and resamples.
    pub(crate) fn square<P: Grey>(
        self,
        placement: &Placement,
        window: Window,
    ) -> Result<Film<P>, String> {
        let eighths = self.eighths(placement, window);
        let (columns, values) = self.values.decode(self.width, eighths)?;
        let part = placement.part().scaled(f64::from(eighths) / 8.0);
        match values {
            Raw::Eight(values) => {
                let grey = self.tone.grey::<u8, P>(&values, window)?;
                Ok(square_part(&values, columns, grey, part, placement))
            }
            Raw::Sixteen(values) => {
                let grey = self.tone.grey::<u16, P>(&values, window)?;
                Ok(square_part(&values, columns, grey, part, placement))
            }
        }
    }

    /// The size at which the film may be decoded for a square, in eighths of its full size.
    fn eighths(&self, placement: &Placement, window: Window) -> u8 {
        // Decoding at a small size gives means of pixels. Some windows clip single pixels, which
        // must happen before the mean is taken: such films are decoded whole.
        let small = matches!(self.values, Values::Jpeg(_)) && self.tone.keeps_means(window);
        if !small {
            return 8;
        }
        let part = placement.part();
        let fitted = part.width.max(part.height) as u64;
        // A decoded pixel is at most 3/4 as wide as a pixel of the square. Wider pixels would blur
        // the film, because nearly all of them would contribute to two pixels.
        match (32 * u64::from(placement.side())).div_ceil(3 * fitted) {
            needed @ 1..=4 => needed as u8,
            // 5/8 to 7/8 are not decoded faster than the whole film.
            _ => 8,
        }
    }
}

impl<'a> Values<'a> {
    /// The values at `eighths`/8 of the film's size, and how many columns they have. `width` is the
    /// film's width.
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
