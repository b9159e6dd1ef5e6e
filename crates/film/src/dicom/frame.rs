//! The first frame's values, out of plain or compressed pixel data.

use std::borrow::Cow;

use jpeg_decoder::PixelFormat;

use super::elements::{Elements, Pixels};
use super::{Layout, jpeg_2000};
use crate::Limits;
use crate::jpeg::{self, Jpeg};
use crate::source::{Raw, Values};

/// The values of the first frame, row by row, shifted down by `shift` bits.
pub(super) fn first<'a>(
    elements: &Elements<'a>,
    layout: &Layout,
    shift: u16,
    limits: &Limits,
) -> Result<Values<'a>, String> {
    let count = usize::from(layout.width) * usize::from(layout.height);
    let values = match &elements.pixels {
        Pixels::Absent => return Err("holds no pixel data".into()),
        Pixels::Native(bytes, words) => native(bytes, *words, elements.big_endian(), layout, count),
        Pixels::Fragments(fragments) => {
            // The first is the table of offsets.
            let fragments = fragments.get(1..).unwrap_or(&[]);
            let values = match elements.syntax.strip_prefix("1.2.840.10008.1.2.") {
                // Encapsulated, yet not compressed.
                Some("1.98") => {
                    let mut values = words(&fragments.concat(), layout);
                    values.truncate(count);
                    values
                }
                Some("5") => rle(fragments.first().unwrap_or(&EMPTY), layout, count)?,
                Some("4.50") if shift == 0 && layout.allocated == 8 => {
                    return baseline(frame(fragments, &jpeg::START), layout, limits);
                }
                Some("4.50" | "4.51" | "4.57" | "4.70") => {
                    other_jpeg(&frame(fragments, &jpeg::START), layout)?
                }
                #[cfg(feature = "jpeg-ls")]
                Some("4.80" | "4.81") => {
                    super::jpeg_ls::decode(&frame(fragments, &jpeg::START), layout)?
                }
                Some("4.90" | "4.91" | "4.92" | "4.93") => {
                    let frame = frame(fragments, &jpeg_2000::START);
                    jpeg_2000::decode(&frame, layout, limits)?
                }
                _ => return Err(foreign(&elements.syntax)),
            };
            Raw::Sixteen(values.into())
        }
    };
    if values.len() < count {
        return Err(format!(
            "is cut short: {} of {count} pixels are there",
            values.len()
        ));
    }
    Ok(Values::Decoded(shifted(values, shift)))
}

const EMPTY: &[u8] = &[];

fn shifted(mut values: Raw<'_>, shift: u16) -> Raw<'_> {
    match &mut values {
        _ if shift == 0 => {}
        Raw::Eight(values) => values.to_mut().iter_mut().for_each(|v| *v >>= shift),
        Raw::Sixteen(values) => values.to_mut().iter_mut().for_each(|v| *v >>= shift),
    }
    values
}

fn foreign(syntax: &str) -> String {
    let name = match syntax.strip_prefix("1.2.840.10008.1.2.") {
        Some("4.80" | "4.81") => "JPEG-LS (only with the feature jpeg-ls)",
        Some("4.110" | "4.111" | "4.112") => "JPEG XL",
        Some("4.201" | "4.202" | "4.203") => "high-throughput JPEG 2000",
        _ => "an unknown way",
    };
    format!(
        "is compressed by {name} (transfer syntax {syntax}), which is not read: \
         write it again uncompressed, in RLE, JPEG or JPEG 2000"
    )
}

fn native<'a>(
    bytes: &'a [u8],
    in_words: bool,
    big_endian: bool,
    layout: &Layout,
    count: usize,
) -> Raw<'a> {
    let each = usize::from(layout.allocated / 8);
    let frame = &bytes[..bytes.len().min(count * each)];
    match (layout.allocated, big_endian) {
        (16, false) if cfg!(target_endian = "little") => {
            // Where the values lie on even addresses, as they nearly always do, they stay where they are.
            let in_place = bytemuck::try_cast_slice(frame).map(Cow::Borrowed);
            Raw::Sixteen(in_place.unwrap_or_else(|_| words(frame, layout).into()))
        }
        (16, true) => {
            let pairs = frame.as_chunks().0.iter();
            Raw::Sixteen(pairs.map(|b| u16::from_be_bytes(*b)).collect())
        }
        (16, _) => Raw::Sixteen(words(frame, layout).into()),
        (_, true) if in_words => {
            // Two pixels of 8 bits share a word, the first in its lower byte.
            let pixel = |at: usize| bytes.get(at ^ 1).copied();
            Raw::Eight((0..count).map_while(pixel).collect())
        }
        _ => Raw::Eight(Cow::Borrowed(frame)),
    }
}

/// Values in little endian, of 8 or 16 bits each.
fn words(bytes: &[u8], layout: &Layout) -> Vec<u16> {
    if layout.allocated == 16 {
        let pairs = bytes.as_chunks().0.iter();
        return pairs.map(|b| u16::from_le_bytes(*b)).collect();
    }
    bytes.iter().map(|b| u16::from(*b)).collect()
}

/// The first frame's fragments: they end where the next frame starts with `marker`.
fn frame<'a>(fragments: &[&'a [u8]], marker: &[u8]) -> Cow<'a, [u8]> {
    let more = fragments.iter().skip(1);
    let end = 1 + more.take_while(|f| !f.starts_with(marker)).count();
    match fragments {
        [only] => Cow::Borrowed(only),
        _ => Cow::Owned(fragments[..end.min(fragments.len())].concat()),
    }
}

/// RLE (DICOM PS3.5 annex G): one PackBits segment for each byte of a value, the upper byte first.
fn rle(fragment: &[u8], layout: &Layout, count: usize) -> Result<Vec<u16>, String> {
    let damaged = || "is damaged: its RLE segments are not where they should be".to_owned();
    let words = fragment.get(..64).ok_or_else(damaged)?.as_chunks().0;
    let header: Vec<usize> = words
        .iter()
        .map(|b| u32::from_le_bytes(*b) as usize)
        .collect();
    let segments = usize::from(layout.allocated / 8);
    if header[0] != segments {
        return Err(damaged());
    }
    let mut values = vec![0u16; count];
    for segment in 1..=segments {
        let end = if segment < segments {
            header[segment + 1]
        } else {
            fragment.len()
        };
        let packed = fragment.get(header[segment]..end).ok_or_else(damaged)?;
        let bytes = unpack(packed, count);
        if bytes.len() < count {
            return Err(format!(
                "is cut short: {} of {count} pixels are there",
                bytes.len()
            ));
        }
        for (value, byte) in values.iter_mut().zip(bytes) {
            *value = *value << 8 | u16::from(byte);
        }
    }
    Ok(values)
}

/// At most `count` bytes of PackBits.
fn unpack(mut packed: &[u8], count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(count);
    while let [control, rest @ ..] = packed
        && out.len() < count
    {
        let room = count - out.len();
        packed = rest;
        match *control {
            literal @ 0..=127 => {
                let n = (usize::from(literal) + 1).min(rest.len());
                out.extend_from_slice(&rest[..n.min(room)]);
                packed = &rest[n..];
            }
            128 => {}
            repeat => {
                let Some((byte, after)) = rest.split_first() else {
                    break;
                };
                let n = 257 - usize::from(repeat);
                out.resize(out.len() + n.min(room), *byte);
                packed = after;
            }
        }
    }
    out
}

/// A JPEG of 8 bits, not decoded yet.
fn baseline<'a>(
    frame: Cow<'a, [u8]>,
    layout: &Layout,
    limits: &Limits,
) -> Result<Values<'a>, String> {
    let jpeg = Jpeg::open(frame, limits)?;
    same_size(layout, jpeg.width, jpeg.height)?;
    if !jpeg.grey {
        return Err(COLOUR.into());
    }
    Ok(Values::Jpeg(jpeg))
}

pub(super) const COLOUR: &str = "its JPEG is in colour, though the file says it is grey";

/// A JPEG that libjpeg does not read: lossless, or of more bits.
fn other_jpeg(frame: &[u8], layout: &Layout) -> Result<Vec<u16>, String> {
    let failed = |e: jpeg_decoder::Error| format!("its JPEG cannot be decoded: {e}");
    let mut decoder = jpeg_decoder::Decoder::new(frame);
    decoder.read_info().map_err(failed)?;
    let info = decoder.info().ok_or("its JPEG says no size: damaged")?;
    same_size(layout, info.width.into(), info.height.into())?;
    if !matches!(info.pixel_format, PixelFormat::L8 | PixelFormat::L16) {
        return Err(COLOUR.into());
    }
    let bytes = decoder.decode().map_err(failed)?;
    Ok(match info.pixel_format {
        PixelFormat::L16 => {
            let pairs = bytes.as_chunks().0;
            pairs.iter().map(|b| u16::from_ne_bytes(*b)).collect()
        }
        _ => bytes.into_iter().map(u16::from).collect(),
    })
}

/// A frame that says another size than its file would take memory that no limit has seen.
pub(super) fn same_size(layout: &Layout, width: u32, height: u32) -> Result<(), String> {
    if (width, height) == (layout.width.into(), layout.height.into()) {
        return Ok(());
    }
    Err(format!(
        "is damaged: a picture of {width}×{height} in a file of {}×{}",
        layout.width, layout.height
    ))
}
