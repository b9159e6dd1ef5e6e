//! The values of the first frame, from plain or compressed pixel data.

use std::borrow::Cow;

use jpeg_decoder::PixelFormat as JpegFormat;

use super::elements::{Elements, Pixels};
use super::size::{COLOUR, PixelFormat};
use super::{jpeg_2000, rle};
use crate::jpeg::{self, Jpeg};
use crate::limits::Limits;
use crate::source::{Raw, Values};

/// Common part of the transfer syntaxes' UIDs.
const SYNTAX: &str = "1.2.840.10008.1.2.";

/// The values of the first frame, row by row, shifted down by `shift` bits.
pub(super) fn first<'a>(
    elements: &Elements<'a>,
    format: &PixelFormat,
    shift: u16,
    limits: &Limits,
) -> Result<Values<'a>, String> {
    let values = match &elements.pixels {
        Pixels::Absent => return Err("has no pixel data".into()),
        Pixels::Native { bytes, in_words } => {
            native(bytes, *in_words, elements.big_endian(), format)
        }
        Pixels::Fragments(fragments) => {
            // The first fragment is the offset table.
            let fragments = fragments.get(1..).unwrap_or_default();
            match elements.syntax.strip_prefix(SYNTAX) {
                Some("4.50") if shift == 0 && format.allocated == 8 => {
                    let frame = frame(fragments, &jpeg::START);
                    return baseline_jpeg(frame, format, limits);
                }
                _ => Raw::Sixteen(decompress(&elements.syntax, fragments, format, limits)?.into()),
            }
        }
    };
    let count = format.pixels();
    if values.len() < count {
        return Err(format!(
            "is cut short: it has {} of {count} pixels",
            values.len()
        ));
    }
    Ok(Values::Decoded(shifted(values, shift)))
}

/// Decodes the first frame of encapsulated pixel data.
fn decompress(
    syntax: &str,
    fragments: &[&[u8]],
    format: &PixelFormat,
    limits: &Limits,
) -> Result<Vec<u16>, String> {
    match syntax.strip_prefix(SYNTAX) {
        Some("1.98") => Ok(encapsulated(fragments, format)),
        Some("5") => rle::decode(fragments.first().unwrap_or(&EMPTY), format),
        Some("4.50" | "4.51" | "4.57" | "4.70") => {
            other_jpeg(&frame(fragments, &jpeg::START), format)
        }
        #[cfg(feature = "jpeg-ls")]
        Some("4.80" | "4.81") => super::jpeg_ls::decode(&frame(fragments, &jpeg::START), format),
        Some("4.90" | "4.91" | "4.92" | "4.93") => {
            jpeg_2000::decode(&frame(fragments, &jpeg_2000::START), format, limits)
        }
        _ => Err(unsupported(syntax)),
    }
}

const EMPTY: &[u8] = &[];

fn unsupported(syntax: &str) -> String {
    let name = match syntax.strip_prefix(SYNTAX) {
        Some("4.80" | "4.81") => "JPEG-LS (only with the feature jpeg-ls)",
        Some("4.110" | "4.111" | "4.112") => "JPEG XL",
        Some("4.201" | "4.202" | "4.203") => "high-throughput JPEG 2000",
        _ => "an unknown method",
    };
    format!(
        "is compressed by {name} (transfer syntax {syntax}), which is not supported: \
         convert it to uncompressed DICOM, RLE, JPEG or JPEG 2000"
    )
}

fn shifted(mut values: Raw<'_>, shift: u16) -> Raw<'_> {
    match &mut values {
        _ if shift == 0 => {}
        Raw::Eight(values) => values.to_mut().iter_mut().for_each(|v| *v >>= shift),
        Raw::Sixteen(values) => values.to_mut().iter_mut().for_each(|v| *v >>= shift),
    }
    values
}

/// The first frame of uncompressed pixel data. Values that already lie in memory as needed are not
/// copied.
fn native<'a>(bytes: &'a [u8], in_words: bool, big_endian: bool, format: &PixelFormat) -> Raw<'a> {
    let count = format.pixels();
    let frame = &bytes[..bytes.len().min(count * format.bytes_per_value())];
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
            // Two pixels of 8 bits share a word, the first in its lower byte.
            let pixel = |at: usize| bytes.get(at ^ 1).copied();
            Raw::Eight((0..count).map_while(pixel).collect())
        }
        _ => Raw::Eight(Cow::Borrowed(frame)),
    }
}

/// The first frame of pixel data that are encapsulated without being compressed.
fn encapsulated(fragments: &[&[u8]], format: &PixelFormat) -> Vec<u16> {
    let mut values = little_endian(&fragments.concat(), format);
    values.truncate(format.pixels());
    values
}

/// Values of 8 or 16 bits in little endian.
fn little_endian(bytes: &[u8], format: &PixelFormat) -> Vec<u16> {
    if format.allocated == 16 {
        let pairs = bytes.as_chunks().0.iter();
        return pairs.map(|b| u16::from_le_bytes(*b)).collect();
    }
    bytes.iter().map(|b| u16::from(*b)).collect()
}

/// The fragments of the first frame, joined. They end before the next fragment that starts with
/// `marker`.
fn frame<'a>(fragments: &[&'a [u8]], marker: &[u8]) -> Cow<'a, [u8]> {
    let more = fragments.iter().skip(1);
    let end = 1 + more.take_while(|f| !f.starts_with(marker)).count();
    match fragments {
        [only] => Cow::Borrowed(only),
        _ => Cow::Owned(fragments[..end.min(fragments.len())].concat()),
    }
}

/// A JPEG of 8 bits, which is decoded later, at the size that is needed.
fn baseline_jpeg<'a>(
    frame: Cow<'a, [u8]>,
    format: &PixelFormat,
    limits: &Limits,
) -> Result<Values<'a>, String> {
    let jpeg = Jpeg::open(frame, limits)?;
    format.check_frame_size(jpeg.width, jpeg.height)?;
    if !jpeg.grey {
        return Err(COLOUR.into());
    }
    Ok(Values::Jpeg(jpeg))
}

/// Decodes a JPEG that libjpeg does not read: lossless, or of more than 8 bits.
fn other_jpeg(frame: &[u8], format: &PixelFormat) -> Result<Vec<u16>, String> {
    let failed = |e: jpeg_decoder::Error| format!("its JPEG cannot be decoded: {e}");
    let mut decoder = jpeg_decoder::Decoder::new(frame);
    decoder.read_info().map_err(failed)?;
    let info = decoder.info().ok_or("is damaged: its JPEG has no size")?;
    format.check_frame_size(info.width.into(), info.height.into())?;
    if !matches!(info.pixel_format, JpegFormat::L8 | JpegFormat::L16) {
        return Err(COLOUR.into());
    }
    let bytes = decoder.decode().map_err(failed)?;
    Ok(match info.pixel_format {
        JpegFormat::L16 => {
            let pairs = bytes.as_chunks().0;
            pairs.iter().map(|b| u16::from_ne_bytes(*b)).collect()
        }
        _ => bytes.into_iter().map(u16::from).collect(),
    })
}
