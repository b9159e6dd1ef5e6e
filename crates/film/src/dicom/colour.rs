//! Pictures that are stored in colour but hold only greys.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::elements::Elements;
use super::size::{Colours, PixelFormat};
use crate::source::Raw;

/// Largest difference between the channels of a grey pixel, in levels of 255. Lossy compression
/// moves channels a little apart.
const TOLERANCE: u16 = 4;

/// The descriptors and the entries of the palette's channels.
const PALETTE: [(Tag, Tag); 3] = [
    (
        tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
        tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    ),
    (
        tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
        tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    ),
    (
        tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
        tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    ),
];

/// The greys of an uncompressed frame of several channels; `None` if it has colours.
pub(super) fn of_native(values: &Raw<'_>, format: &PixelFormat) -> Option<Vec<u16>> {
    match values {
        Raw::Eight(values) => of_values(values, format),
        Raw::Sixteen(values) => of_values(values, format),
    }
}

fn of_values<V: Copy + Into<u16>>(values: &[V], format: &PixelFormat) -> Option<Vec<u16>> {
    let bits = format.stored.into();
    if format.colours == Colours::SharedColour {
        // Two of brightness, then the colour of both.
        let pairs = values.as_chunks::<4>().0.iter();
        let pixels = pairs.flat_map(|&[first, second, blue, red]| {
            [[first, blue, red], [second, blue, red]].map(|pixel| pixel.map(Into::into))
        });
        return of_pixels(pixels, bits);
    }
    if format.planar {
        let (first, rest) = values.split_at_checked(format.pixels())?;
        let (second, third) = rest.split_at_checked(format.pixels())?;
        let pixels = first.iter().zip(second).zip(third);
        return of_pixels(pixels.map(|((a, b), c)| [*a, *b, *c].map(Into::into)), bits);
    }
    let pixels = values.as_chunks::<3>().0.iter();
    of_pixels(pixels.map(|pixel| pixel.map(Into::into)), bits)
}

/// The greys of pixels with three channels of `bits` bits. A grey pixel has three equal channels
/// (RGB), or brightness beside two neutral channels (YBR). Files do not always state which, so a
/// picture is grey if all its pixels are grey in the same way. `None` if there are colours.
pub(super) fn of_pixels(pixels: impl Iterator<Item = [u16; 3]>, bits: u32) -> Option<Vec<u16>> {
    let neutral = 1 << (bits - 1);
    let tolerance = ((u32::from(TOLERANCE) << bits) >> 8) as u16;
    let near = |a: u16, b: u16| a.abs_diff(b) <= tolerance;
    let (mut is_rgb, mut is_ybr) = (true, true);
    let mut greys = Vec::new();
    for [first, second, third] in pixels {
        is_rgb &= near(first, second) && near(first, third);
        is_ybr &= near(second, neutral) && near(third, neutral);
        if !is_rgb && !is_ybr {
            return None;
        }
        greys.push(first);
    }
    Some(greys)
}

/// The greys, 0 to 255, of the indices in `values`, by the file's palette.
///
/// # Errors
/// If the palette is missing or of an unusual kind, or if it gives colours.
pub(super) fn by_palette(
    elements: &Elements<'_>,
    values: &Raw<'_>,
    in_colour: &str,
) -> Result<Vec<u8>, String> {
    let channel = |(descriptor, data)| channel(elements, descriptor, data);
    let [Some(red), Some(green), Some(blue)] = PALETTE.map(channel) else {
        return Err(format!(
            "{in_colour}, whose palette is missing or in segments: convert it to MONOCHROME2"
        ));
    };
    let grey = |index: u16| {
        let [r, g, b] = [&red, &green, &blue].map(|channel| channel.look_up(index));
        (r == g && g == b).then_some(r)
    };
    let greys: Option<Vec<u8>> = match values {
        Raw::Eight(values) => values.iter().map(|value| grey(u16::from(*value))).collect(),
        Raw::Sixteen(values) => values.iter().map(|value| grey(*value)).collect(),
    };
    greys.ok_or_else(|| has_colours(in_colour))
}

/// The error for a picture with pixels that are not grey.
pub(super) fn has_colours(in_colour: &str) -> String {
    format!("{in_colour}, and some of its pixels are not grey: films are grey")
}

/// A channel of a palette.
struct Channel {
    /// The value that the first entry belongs to.
    first: u16,
    /// The entries, at least one.
    entries: Vec<u8>,
}

impl Channel {
    fn look_up(&self, index: u16) -> u8 {
        let last = self.entries.len() - 1;
        self.entries[usize::from(index.saturating_sub(self.first)).min(last)]
    }
}

/// A channel of the palette in 8 bits; `None` if it is missing or incomplete.
fn channel(elements: &Elements<'_>, descriptor: Tag, data: Tag) -> Option<Channel> {
    let [count, first, bits] = elements.words(None, descriptor)?[..] else {
        return None;
    };
    let count = if count == 0 {
        1 << 16
    } else {
        usize::from(count)
    };
    let words = elements.words(None, data)?;
    let entries: Vec<u8> = match bits {
        16 => words.iter().map(|word| (word >> 8) as u8).collect(),
        // Two entries of 8 bits share a word, or each has its own.
        8 if words.len() < count => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
        8 => words.iter().map(|word| *word as u8).collect(),
        _ => return None,
    };
    (entries.len() >= count && count > 0).then_some(Channel { first, entries })
}
