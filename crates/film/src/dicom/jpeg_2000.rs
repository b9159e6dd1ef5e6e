//! JPEG 2000 codestreams, their headers checked before the decoder takes memory for what they claim.

use hayro_jpeg2000::{DecodeError, DecodeSettings, DecoderContext, Image};

use super::Layout;
use super::frame::same_size;
use crate::Limits;

/// How a codestream begins: start and size markers.
pub(super) const START: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];
/// Of films: one tile, or a few large ones.
const TILES: u64 = 1 << 12;
/// Precincts of less than 2⁵ pixels a side would take more memory than the film.
const PRECINCT: u8 = 5;

/// The values in the codestream that `frame` holds.
pub(super) fn decode(frame: &[u8], layout: &Layout, limits: &Limits) -> Result<Vec<u16>, String> {
    let failed = |e: DecodeError| format!("its JPEG 2000 cannot be decoded: {e}");
    // Some files wrap the codestream into a JP2 file.
    let start = frame.windows(4).position(|w| w == START);
    let stream = &frame[start.ok_or("its JPEG 2000 codestream is missing: damaged")?..];
    let size = Size::of(stream).ok_or("its JPEG 2000 codestream is cut short")?;
    same_size(layout, size.width, size.height)?;
    if size.components != 1 {
        return Err("its JPEG 2000 is in colour, though the file says it is grey".into());
    }
    if size.tiles > TILES {
        return Err(format!("its JPEG 2000 has {} tiles: damaged", size.tiles));
    }
    let precinct = smallest_precinct(stream).ok_or("its JPEG 2000 codestream is cut short")?;
    if precinct < PRECINCT {
        return Err(format!(
            "its JPEG 2000 has precincts of {} pixels: damaged",
            1 << precinct
        ));
    }
    // Coefficients, samples and two buffers of the wavelet transform, of 4 bytes each; the code blocks.
    limits.check(size.width, size.height, 28)?;
    let image = Image::new(stream, &DecodeSettings::default()).map_err(failed)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(failed)?;
    let [component] = decoded.components() else {
        return Err("its JPEG 2000 is in colour, though the file says it is grey".into());
    };
    if component.bit_depth() > 16 {
        return Err(format!(
            "its JPEG 2000 has {} bits: at most 16 can be",
            component.bit_depth()
        ));
    }
    // Lossy values may lie beyond their range; the decoder lifts signed ones as if they were unsigned.
    let top = (1u32 << component.bit_depth()) - 1;
    let lift = if size.signed {
        top.div_ceil(2) as i32
    } else {
        0
    };
    let value = |sample: &f32| (sample.round().clamp(0.0, top as f32) as i32 - lift) as u16;
    Ok(component.samples().iter().map(value).collect())
}

/// The smallest exponent of a precinct's side that the headers of `stream` and of its tile-parts name, 15 where they name
/// none (ISO 15444-1 A.6.1); `None` if a tile-part is not whole.
fn smallest_precinct(stream: &[u8]) -> Option<u8> {
    let mut smallest = 15;
    let (mut at, mut next_part) = (2, 0);
    loop {
        let (marker, rest) = stream.get(at..)?.split_first_chunk::<2>()?;
        match marker {
            // The end.
            [0xff, 0xd9] => return Some(smallest),
            // Coded data, up to the next tile-part; no length means up to the end.
            [0xff, 0x93] if next_part == 0 => return Some(smallest),
            [0xff, 0x93] if next_part == stream.len() => return Some(smallest),
            [0xff, 0x93] => {
                at = next_part;
                continue;
            }
            [0xff, ..] => {}
            _ => return None,
        }
        let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
        let segment = rest.get(2..length)?;
        let precincts = match marker[1] {
            // Coding style, of all components and of one.
            0x52 if segment.first()? & 1 == 1 => segment.get(10..)?,
            0x53 if segment.get(1)? & 1 == 1 => segment.get(7..)?,
            // Start of a tile-part, with its length.
            0x90 => {
                let length = u32::from_be_bytes(*segment.get(2..)?.first_chunk()?) as usize;
                next_part = if length == 0 {
                    0
                } else {
                    at.checked_add(length)?
                };
                // Backwards, this would never end.
                if length > 0 && length < 14 {
                    return None;
                }
                &[]
            }
            _ => &[],
        };
        for precinct in precincts {
            smallest = smallest.min(precinct & 15).min(precinct >> 4);
        }
        at += 2 + length;
    }
}

/// What the size marker of a JPEG 2000 codestream says (ISO 15444-1 A.5.1).
struct Size {
    width: u32,
    height: u32,
    components: u16,
    tiles: u64,
    signed: bool,
}

impl Size {
    fn of(stream: &[u8]) -> Option<Size> {
        // After start, marker, length and capabilities: eight sizes, then the components.
        let (sizes, rest) = stream.get(8..)?.split_at_checked(32)?;
        let sizes = sizes.as_chunks().0.iter().map(|b| u32::from_be_bytes(*b));
        let [right, bottom, left, top, tile_w, tile_h, tile_x, tile_y] =
            sizes.collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let along = |end: u32, start: u32, tile: u32| {
            Some(u64::from(end.checked_sub(start)?.div_ceil(tile.max(1))))
        };
        Some(Size {
            width: right.checked_sub(left)?,
            height: bottom.checked_sub(top)?,
            components: u16::from_be_bytes([*rest.first()?, *rest.get(1)?]),
            tiles: along(right, tile_x, tile_w)? * along(bottom, tile_y, tile_h)?,
            signed: rest.get(2)? & 0x80 != 0,
        })
    }
}
