//! The values of a frame, from plain or compressed pixel data.

use std::borrow::Cow;

use jpeg_decoder::PixelFormat as JpegFormat;

use super::elements::{Elements, Pixels};
use super::size::{Colours, PixelFormat, in_colour};
use super::{colour, jpeg_2000, rle};
use crate::jpeg::{self, Jpeg};
use crate::limits::Limits;
use crate::source::{Raw, Values};

/// Common part of the transfer syntaxes' UIDs.
const SYNTAX: &str = "1.2.840.10008.1.2.";

/// A frame.
pub(super) struct Frame<'a> {
    /// The values, row by row: one a pixel.
    pub(super) values: Values<'a>,
    /// What the compressed picture states of its values; `None` if it states nothing.
    pub(super) coded: Option<Coded>,
    /// Whether the values are greys of a picture that is stored in colour.
    pub(super) was_colour: bool,
}

/// How a compressed picture describes its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coded {
    /// Bits of a value.
    pub(super) bits: u32,
    /// Whether values are in two's complement.
    pub(super) signed: bool,
}

impl Coded {
    pub(super) fn unsigned(bits: u32) -> Coded {
        Coded {
            bits,
            signed: false,
        }
    }
}

/// A decoded compressed picture.
pub(super) struct Decoded {
    /// The values, row by row, with the channels of a pixel side by side.
    pub(super) values: Vec<u16>,
    /// Channels of a pixel, 1 or 3.
    pub(super) channels: usize,
    pub(super) coded: Coded,
}

/// Reads the frame with this index.
pub(super) fn read<'a>(
    elements: &Elements<'a>,
    format: &PixelFormat,
    index: usize,
    limits: &Limits,
) -> Result<Frame<'a>, String> {
    match &elements.pixels {
        Pixels::Absent => Err("has no pixel data".into()),
        Pixels::Native { bytes, in_words } => {
            let values = native(bytes, *in_words, elements.big_endian(), format, index);
            uncompressed(elements, values, format)
        }
        Pixels::Fragments(_) if elements.syntax_is_guessed => {
            Err("is compressed, but has no file header that states how: it is damaged".into())
        }
        Pixels::Fragments(fragments) => {
            // The first fragment is the offset table.
            let fragments = fragments.get(1..).unwrap_or_default();
            compressed(elements, fragments, format, index, limits)
        }
    }
}

/// The frame of values as they lie in an uncompressed file.
fn uncompressed<'a>(
    elements: &Elements<'_>,
    values: Raw<'a>,
    format: &PixelFormat,
) -> Result<Frame<'a>, String> {
    let needed = format.native_values();
    if values.len() < needed {
        let have = values.len() * format.pixels() / needed.max(1);
        return Err(cut_short(have, format));
    }
    let values = match format.colours {
        Colours::Grey => {
            return Ok(Frame {
                values: Values::Decoded(values),
                coded: None,
                was_colour: false,
            });
        }
        Colours::Palette => {
            let in_colour = in_colour(elements);
            Raw::Eight(colour::by_palette(elements, &values, &in_colour)?.into())
        }
        Colours::Channels | Colours::SharedColour => {
            let greys = colour::of_native(&values, format);
            let greys = greys.ok_or_else(|| colour::has_colours(&in_colour(elements)))?;
            Raw::Sixteen(greys.into())
        }
    };
    Ok(Frame {
        values: Values::Decoded(values),
        coded: None,
        was_colour: true,
    })
}

fn cut_short(have: usize, format: &PixelFormat) -> String {
    format!("is cut short: it has {have} of {} pixels", format.pixels())
}

/// The frame of encapsulated pixel data.
fn compressed<'a>(
    elements: &Elements<'_>,
    fragments: &[&'a [u8]],
    format: &PixelFormat,
    index: usize,
    limits: &Limits,
) -> Result<Frame<'a>, String> {
    let syntax = &elements.syntax;
    let one = || fragments.get(index).copied().ok_or_else(|| missing(index));
    let by_marker = |marker: &[u8]| joined(fragments, marker, index).ok_or_else(|| missing(index));
    let decoded = match syntax.strip_prefix(SYNTAX) {
        Some("1.98") => {
            let mut values = little_endian(one()?, format);
            // A fragment of odd length ends with a byte that is no pixel.
            values.truncate(format.native_values());
            let values = Raw::Sixteen(values.into());
            return uncompressed(elements, values, format);
        }
        Some("5") => {
            let planes = rle::decode(one()?, format)?;
            let format = PixelFormat {
                planar: true,
                // Each channel is complete.
                colours: match format.colours {
                    Colours::SharedColour => Colours::Channels,
                    other => other,
                },
                ..*format
            };
            return uncompressed(elements, Raw::Sixteen(planes.into()), &format);
        }
        Some("4.50") if format.allocated == 8 && format.colours != Colours::Palette => {
            let jpeg = Jpeg::open(by_marker(&jpeg::START)?, limits)?;
            format.check_frame_size(jpeg.width, jpeg.height)?;
            if jpeg.grey {
                return Ok(Frame {
                    values: Values::Jpeg(jpeg),
                    coded: Some(Coded::unsigned(8)),
                    was_colour: false,
                });
            }
            Decoded {
                values: jpeg.channels()?.into_iter().map(u16::from).collect(),
                channels: 3,
                coded: Coded::unsigned(8),
            }
        }
        Some("4.50" | "4.51" | "4.57" | "4.70") => other_jpeg(&by_marker(&jpeg::START)?, format)?,
        #[cfg(feature = "jpeg-ls")]
        Some("4.80" | "4.81") => super::jpeg_ls::decode(&by_marker(&jpeg::START)?, format)?,
        Some("4.90" | "4.91" | "4.92" | "4.93") => {
            jpeg_2000::decode(&by_marker(&jpeg_2000::START)?, format, limits)?
        }
        Some("4.201" | "4.202" | "4.203") => {
            let frame = by_marker(&jpeg_2000::START)?;
            jpeg_2000::decode_high_throughput(&frame, format, limits)?
        }
        _ => return Err(unsupported(syntax)),
    };
    reduced(elements, decoded, format)
}

/// The frame of a decoded picture, reduced to one value a pixel.
fn reduced<'a>(
    elements: &Elements<'_>,
    decoded: Decoded,
    format: &PixelFormat,
) -> Result<Frame<'a>, String> {
    let have = decoded.values.len() / decoded.channels.max(1);
    if have < format.pixels() {
        return Err(cut_short(have, format));
    }
    if have > format.pixels() {
        let pixels = format.pixels();
        return Err(format!(
            "is damaged: its picture has {have} values, but {pixels} pixels"
        ));
    }
    let was_colour = decoded.channels == 3;
    let values = if was_colour {
        let pixels = decoded.values.as_chunks::<3>().0.iter().copied();
        let greys = colour::of_pixels(pixels, decoded.coded.bits);
        greys.ok_or_else(|| colour::has_colours(&in_colour(elements)))?
    } else {
        decoded.values
    };
    let values = Raw::Sixteen(values.into());
    if format.colours == Colours::Palette {
        return uncompressed(elements, values, format);
    }
    Ok(Frame {
        values: Values::Decoded(values),
        coded: Some(decoded.coded),
        was_colour,
    })
}

fn missing(index: usize) -> String {
    format!("is cut short: frame {} is missing", index + 1)
}

/// A converter of what pydicom reads. Its package `pylibjpeg[all]` has the decoders.
const BY_PYDICOM: &str = ", for example in Python with the packages pydicom and pylibjpeg[all]: \
                          d = pydicom.dcmread(IN); d.decompress(); d.save_as(OUT)";

fn unsupported(syntax: &str) -> String {
    let (name, way) = match syntax.strip_prefix(SYNTAX) {
        Some("4.80" | "4.81") => ("JPEG-LS (read only with the feature jpeg-ls)", BY_PYDICOM),
        Some("4.110" | "4.111" | "4.112") => ("JPEG XL", ""),
        _ => ("an unknown method", ""),
    };
    format!(
        "is compressed by {name} (transfer syntax {syntax}), which is not supported: convert it to \
         uncompressed DICOM{way}"
    )
}

/// A frame of uncompressed pixel data. Values that already lie in memory as needed are not copied.
fn native<'a>(
    bytes: &'a [u8],
    in_words: bool,
    big_endian: bool,
    format: &PixelFormat,
    index: usize,
) -> Raw<'a> {
    let count = format.native_values();
    let length = count * format.bytes_per_value();
    let begin = index.saturating_mul(length).min(bytes.len());
    let frame = &bytes[begin..bytes.len().min(begin + length)];
    match (format.allocated, big_endian) {
        (16, false) if cfg!(target_endian = "little") => {
            // Pixel data nearly always begin at an even address; only others are copied.
            let in_place = bytemuck::try_cast_slice(frame).map(Cow::Borrowed);
            Raw::Sixteen(in_place.unwrap_or_else(|_| little_endian(frame, format).into()))
        }
        (16, true) => {
            let pairs = frame.as_chunks().0.iter();
            Raw::Sixteen(pairs.map(|b| u16::from_be_bytes(*b)).collect())
        }
        (16, _) => Raw::Sixteen(little_endian(frame, format).into()),
        (_, true) if in_words => {
            // Two values of 8 bits share a word, the first in its lower byte.
            let value = |at: usize| bytes.get((begin + at) ^ 1).copied();
            Raw::Eight((0..count).map_while(value).collect())
        }
        _ => Raw::Eight(Cow::Borrowed(frame)),
    }
}

/// Values of 8 or 16 bits in little endian.
fn little_endian(bytes: &[u8], format: &PixelFormat) -> Vec<u16> {
    if format.allocated == 16 {
        let pairs = bytes.as_chunks().0.iter();
        return pairs.map(|b| u16::from_le_bytes(*b)).collect();
    }
    bytes.iter().map(|b| u16::from(*b)).collect()
}

/// The fragments of the frame with this index, joined. Each frame begins with `marker`; the first
/// one begins with the first fragment, whatever that is. `None` if there are fewer frames.
fn joined<'a>(fragments: &[&'a [u8]], marker: &[u8], index: usize) -> Option<Cow<'a, [u8]>> {
    let is_start = |at: &usize| *at == 0 || fragments[*at].starts_with(marker);
    let mut starts = (0..fragments.len()).filter(is_start);
    let begin = starts.nth(index)?;
    let end = starts.next().unwrap_or(fragments.len());
    Some(match &fragments[begin..end] {
        [only] => Cow::Borrowed(only),
        several => Cow::Owned(several.concat()),
    })
}

/// Decodes a JPEG that libjpeg does not read: lossless, or of more than 8 bits.
fn other_jpeg(frame: &[u8], format: &PixelFormat) -> Result<Decoded, String> {
    if let Some(deep) = jpeg::deep(frame) {
        format.check_frame_size(deep.width, deep.height)?;
        return Ok(Decoded {
            values: deep.decode()?,
            channels: 1,
            coded: Coded::unsigned(jpeg::DEEP_BITS),
        });
    }
    let failed = |e: jpeg_decoder::Error| format!("its JPEG cannot be decoded: {e}");
    let mut decoder = jpeg_decoder::Decoder::new(frame);
    decoder.read_info().map_err(failed)?;
    let info = decoder.info().ok_or("is damaged: its JPEG has no size")?;
    format.check_frame_size(info.width.into(), info.height.into())?;
    let (channels, bits) = match info.pixel_format {
        JpegFormat::L8 => (1, 8),
        JpegFormat::L16 => (1, jpeg::bits(frame).unwrap_or(16)),
        JpegFormat::RGB24 => (3, 8),
        JpegFormat::CMYK32 => return Err("its JPEG is in CMYK (printing colours)".into()),
    };
    let bytes = decoder.decode().map_err(failed)?;
    let values = match info.pixel_format {
        JpegFormat::L16 => {
            let pairs = bytes.as_chunks().0;
            pairs.iter().map(|b| u16::from_ne_bytes(*b)).collect()
        }
        _ => bytes.into_iter().map(u16::from).collect(),
    };
    Ok(Decoded {
        values,
        channels,
        coded: Coded::unsigned(bits),
    })
}
