//! JPEG 2000 codestreams. Their headers are checked before the decoder allocates memory for what
//! they claim. The usual ones are decoded by a library in safe Rust; it cannot read high-throughput
//! ones, which are decoded by OpenJPEG.

use hayro_jpeg2000::{DecodeError, DecodeSettings, DecoderContext, Image};
use jpeg2k::DecodeParameters;

use super::frame::{Coded, Decoded};
use super::size::PixelFormat;
use crate::limits::Limits;

/// The first bytes of a codestream: start and size markers.
pub(super) const START: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];
/// Most tiles of a codestream. Films have one tile, or a few large ones.
const MAX_TILES: u64 = 1 << 12;
/// Smallest exponent of a precinct's side. A precinct is a rectangle of a resolution level whose
/// code blocks are stored together. Precincts of less than 2⁵ pixels a side would need more memory
/// than the film.
const MIN_PRECINCT: u8 = 5;

/// Decodes the values of `frame`.
pub(super) fn decode(
    frame: &[u8],
    format: &PixelFormat,
    limits: &Limits,
) -> Result<Decoded, String> {
    let (stream, size) = checked(frame, format, limits)?;
    let failed = |e: DecodeError| format!("its JPEG 2000 cannot be decoded: {e}");
    let image = Image::new(stream, &DecodeSettings::default()).map_err(failed)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(failed)?;
    let planes: Vec<Plane<'_, f32>> = decoded
        .components()
        .iter()
        .map(|plane| (u32::from(plane.bit_depth()), plane.samples()))
        .collect();
    // Lossy values may leave their range. The decoder adds half the range to signed values; it is
    // subtracted again here.
    let (top, lift) = (size.top(), size.lift());
    let value = |sample: &f32| (sample.round().clamp(0.0, top as f32) as i32 - lift) as u16;
    size.interleaved(&planes, format, value)
}

/// As [`decode`], for high-throughput JPEG 2000 (ISO 15444-15).
pub(super) fn decode_high_throughput(
    frame: &[u8],
    format: &PixelFormat,
    limits: &Limits,
) -> Result<Decoded, String> {
    let (stream, size) = checked(frame, format, limits)?;
    let image = jpeg2k::Image::from_bytes_with(stream, DecodeParameters::new().strict(true))
        .map_err(|e| format!("its high-throughput JPEG 2000 cannot be decoded: {e}"))?;
    let planes: Vec<Plane<'_, i32>> = image
        .components()
        .iter()
        .map(|plane| (plane.precision(), plane.data()))
        .collect();
    // Lossy values may leave their range.
    let (top, lift) = (size.top(), size.lift());
    let value = |sample: &i32| (*sample).clamp(-lift, top - lift) as u16;
    size.interleaved(&planes, format, value)
}

/// Bits of a value, and the values of a channel, row by row.
type Plane<'a, T> = (u32, &'a [T]);

/// The codestream in `frame`, after its headers were checked.
fn checked<'a>(
    frame: &'a [u8],
    format: &PixelFormat,
    limits: &Limits,
) -> Result<(&'a [u8], Size), String> {
    // The codestream may lie in a JP2 file.
    let start = frame.windows(4).position(|w| w == START);
    let stream = &frame[start.ok_or("is damaged: its JPEG 2000 codestream is missing")?..];
    let size = Size::read(stream).ok_or("its JPEG 2000 codestream is cut short")?;
    format.check_frame_size(size.width, size.height)?;
    let channels = size.components;
    if channels != 1 && channels != 3 {
        return Err(format!(
            "its JPEG 2000 has {channels} channels: films have 1, or 3"
        ));
    }
    if size.bits > 16 {
        return Err(format!(
            "its JPEG 2000 has {} bits a pixel, more than 16",
            size.bits
        ));
    }
    if size.tiles > MAX_TILES {
        return Err(format!(
            "is damaged: its JPEG 2000 has {} tiles, more than {MAX_TILES}",
            size.tiles
        ));
    }
    let precinct = smallest_precinct(stream).ok_or("its JPEG 2000 codestream is cut short")?;
    if precinct < MIN_PRECINCT {
        return Err(format!(
            "is damaged: its JPEG 2000 has precincts of {} pixels",
            1 << precinct
        ));
    }
    // Memory for coefficients, samples and two buffers of the wavelet transform, 4 bytes a pixel
    // each, and for the code blocks.
    limits.check(size.width, size.height, 28 * u64::from(channels))?;
    Ok((stream, size))
}

/// The smallest exponent of a precinct's side in the headers of `stream` and of its tile-parts; 15
/// if the headers state none (ISO 15444-1 A.6.1). `None` if a tile-part is incomplete.
fn smallest_precinct(stream: &[u8]) -> Option<u8> {
    let mut smallest = 15;
    let (mut at, mut next_part) = (2, 0);
    loop {
        let (marker, rest) = stream.get(at..)?.split_first_chunk::<2>()?;
        match marker {
            // End of the codestream.
            [0xff, 0xd9] => return Some(smallest),
            // Coded data, up to the next tile-part. A tile-part without a length is the last.
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
            // Coding style of all components, and of one.
            0x52 if segment.first()? & 1 == 1 => segment.get(10..)?,
            0x53 if segment.get(1)? & 1 == 1 => segment.get(7..)?,
            // Start of a tile-part.
            0x90 => {
                let length = u32::from_be_bytes(*segment.get(2..)?.first_chunk()?) as usize;
                next_part = if length == 0 {
                    0
                } else {
                    at.checked_add(length)?
                };
                // Going backwards, the loop would never end.
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

/// The size marker of a codestream (ISO 15444-1 A.5.1).
struct Size {
    width: u32,
    height: u32,
    components: u16,
    tiles: u64,
    /// Bits of a value of the first component.
    bits: u32,
    signed: bool,
}

impl Size {
    /// `None` if the codestream is cut short or the sizes contradict each other.
    fn read(stream: &[u8]) -> Option<Size> {
        // Eight sizes, then the components, follow start, marker, length and capabilities.
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
            bits: u32::from(rest.get(2)? & 0x7f) + 1,
            signed: rest.get(2)? & 0x80 != 0,
        })
    }

    /// The largest value, if none is negative.
    fn top(&self) -> i32 {
        (1 << self.bits) - 1
    }

    /// How far signed values reach below 0: half of their range; 0 for unsigned ones.
    fn lift(&self) -> i32 {
        if self.signed { 1 << (self.bits - 1) } else { 0 }
    }

    /// The values of all channels, side by side.
    fn interleaved<T>(
        &self,
        planes: &[Plane<'_, T>],
        format: &PixelFormat,
        value: impl Fn(&T) -> u16,
    ) -> Result<Decoded, String> {
        let channels = usize::from(self.components);
        if planes.len() != channels {
            return Err(
                "is damaged: its JPEG 2000 has another number of channels than it states".into(),
            );
        }
        let count = format.pixels();
        let mut values = vec![0; count * channels];
        for (channel, (bits, samples)) in planes.iter().enumerate() {
            if samples.len() != count || *bits != self.bits {
                return Err("its JPEG 2000 has channels of different kinds".into());
            }
            let places = values.iter_mut().skip(channel).step_by(channels);
            for (place, sample) in places.zip(*samples) {
                *place = value(sample);
            }
        }
        Ok(Decoded {
            values,
            channels,
            coded: Coded {
                bits: self.bits,
                signed: self.signed,
            },
        })
    }
}
