//! An opened film. Its size and its tone (how stored values become greys) are known; its pixels may
//! not be decoded yet.

use std::borrow::Cow;

use image::metadata::Orientation;

use crate::film::{Film, Grey};
use crate::geometry::Placement;
use crate::jpeg::Jpeg;
use crate::orientation;
use crate::remark::Remark;
use crate::square::square_part;
use crate::tone::{Tone, Window};

pub(crate) struct Source<'a> {
    /// Columns of the stored picture.
    width: u32,
    /// Rows of the stored picture.
    height: u32,
    /// How values become greys.
    tone: Tone,
    values: Values<'a>,
    /// How the stored picture is turned to be upright.
    orientation: Orientation,
    remarks: Vec<Remark>,
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

impl Raw<'_> {
    /// The same values, copied if they are borrowed.
    #[cfg(feature = "dicom")]
    fn into_owned(self) -> Raw<'static> {
        match self {
            Raw::Eight(values) => Raw::Eight(Cow::Owned(values.into_owned())),
            Raw::Sixteen(values) => Raw::Sixteen(Cow::Owned(values.into_owned())),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Raw::Eight(values) => values.len(),
            Raw::Sixteen(values) => values.len(),
        }
    }
}

impl<'a> Source<'a> {
    /// A picture of `size` columns and rows that is stored upright.
    pub(crate) fn new([width, height]: [u32; 2], tone: Tone, values: Values<'a>) -> Source<'a> {
        Source {
            width,
            height,
            tone,
            values,
            orientation: Orientation::NoTransforms,
            remarks: Vec::new(),
        }
    }

    /// A JPEG file.
    pub(crate) fn jpeg(jpeg: Jpeg<'a>) -> Source<'a> {
        let size = [jpeg.width, jpeg.height];
        Source::new(size, Tone::unsigned(8), Values::Jpeg(jpeg))
    }

    /// The same film, whose stored picture must be turned by `orientation`.
    pub(crate) fn turned(mut self, orientation: Orientation) -> Source<'a> {
        if orientation != Orientation::NoTransforms {
            self.orientation = orientation;
            self.remarks.push(Remark::Turned);
        }
        self
    }

    /// The same film, which borrows nothing from the content of its file.
    #[cfg(feature = "dicom")]
    pub(crate) fn into_owned(self) -> Source<'static> {
        Source {
            values: match self.values {
                Values::Decoded(values) => Values::Decoded(values.into_owned()),
                Values::Jpeg(jpeg) => Values::Jpeg(jpeg.into_owned()),
            },
            ..self
        }
    }

    /// The same film with these remarks.
    #[cfg(feature = "dicom")]
    pub(crate) fn remarked(self, remarks: Vec<Remark>) -> Source<'a> {
        Source { remarks, ..self }
    }

    /// Columns and rows of the upright film.
    pub(crate) fn size(&self) -> [u32; 2] {
        orientation::upright_size([self.width, self.height], self.orientation)
    }

    /// Whether the film is a JPEG file, whose values are not exact.
    pub(crate) fn is_jpeg(&self) -> bool {
        matches!(self.values, Values::Jpeg(_))
    }

    /// Decodes the whole film and applies `window`.
    pub(crate) fn film<P: Grey>(self, window: Window) -> Result<Film<P>, String> {
        self.whole(|tone, values| match values {
            Raw::Eight(values) => greys(tone, &values, window),
            Raw::Sixteen(values) => greys(tone, &values, window),
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
        let [width, height] = self.size();
        let (_, values) = self.values.decode(self.width, 8)?;
        let values = orientation::upright(values, self.width, self.orientation);
        Ok(Film {
            width,
            height,
            pixels: pixels(&self.tone, values)?,
        })
    }

    /// Decodes the film at the size that the square needs, applies `window` and resamples.
    pub(crate) fn square<P: Grey>(
        self,
        placement: &Placement,
        window: Window,
    ) -> Result<(Film<P>, Vec<Remark>), String> {
        let eighths = self.eighths(placement, window);
        let (columns, values) = self.values.decode(self.width, eighths)?;
        let part = placement.part().scaled(f64::from(eighths) / 8.0);
        // A turned film is decoded whole, so its columns are those of the upright film.
        let (columns, values) = match self.orientation {
            Orientation::NoTransforms => (columns, values),
            turn => {
                let [columns, _] = placement.film_size();
                (columns, orientation::upright(values, self.width, turn))
            }
        };
        let mut remarks = self.remarks;
        let film = match values {
            Raw::Eight(values) => {
                let mut shades = self.tone.shades(&values, window)?;
                remarks.extend(shades.remark.take());
                square_part(&values, columns, |value| shades.of(value), part, placement)
            }
            Raw::Sixteen(values) => {
                let mut shades = self.tone.shades(&values, window)?;
                remarks.extend(shades.remark.take());
                square_part(&values, columns, |value| shades.of(value), part, placement)
            }
        };
        Ok((film, remarks))
    }

    /// The size at which the film may be decoded for a square, in eighths of its full size.
    fn eighths(&self, placement: &Placement, window: Window) -> u8 {
        // Decoding at a small size gives means of pixels. Some windows clip single pixels, which
        // must happen before the mean is taken: such films are decoded whole. So are films that
        // must be turned: at a small size, their last pixels may reach beyond the picture.
        let small = matches!(self.values, Values::Jpeg(_))
            && self.orientation == Orientation::NoTransforms
            && self.tone.keeps_means(window);
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

/// The greys of all values of a picture.
fn greys<V: Grey, P: Grey>(tone: &Tone, values: &[V], window: Window) -> Result<Vec<P>, String> {
    let shades = tone.shades(values, window)?;
    Ok(values.iter().map(|value| shades.of(*value)).collect())
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
