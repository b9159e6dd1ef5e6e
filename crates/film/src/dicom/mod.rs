//! DICOM files: the first frame of a grey picture.

mod elements;
mod frame;
mod jpeg_2000;
#[cfg(feature = "jpeg-ls")]
mod jpeg_ls;
mod rle;
mod size;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

pub(crate) use elements::is_dicom;

use crate::limits::Limits;
use crate::source::Source;
use crate::tone::{Modality, Table, Tone, Voi};
use elements::Elements;
use size::PixelFormat;

/// Opens the first frame of the DICOM file in `bytes`.
pub(crate) fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Source<'a>, String> {
    let elements = Elements::read(bytes)?;
    let format = PixelFormat::read(&elements)?;
    let (width, height) = (u32::from(format.width), u32::from(format.height));
    // 4 bytes a pixel for the values and the film. Decoders that need more memory check the limits
    // themselves.
    limits.check(width, height, 4)?;
    let (tone, shift) = tone(&elements, format.allocated)?;
    let values = frame::first(&elements, &format, shift, limits)?;
    Ok(Source {
        width,
        height,
        tone,
        values,
    })
}

/// How values become greys, and the number of bits by which the stored words are shifted down
/// first.
fn tone(elements: &Elements<'_>, allocated: u16) -> Result<(Tone, u16), String> {
    let bits = elements.word(tags::BITS_STORED).unwrap_or(allocated);
    let high = elements
        .word(tags::HIGH_BIT)
        .unwrap_or(bits.saturating_sub(1));
    if bits == 0 || high >= allocated || high + 1 < bits {
        return Err(format!(
            "is damaged: {bits} bits up to bit {high} do not fit into {allocated} bits a pixel"
        ));
    }
    let signed = elements.word(tags::PIXEL_REPRESENTATION) == Some(1);
    let number = |word: u16| {
        if signed {
            i32::from(word as i16)
        } else {
            i32::from(word)
        }
    };
    let linear = Modality::Linear {
        slope: elements.number(tags::RESCALE_SLOPE).unwrap_or(1.0),
        intercept: elements.number(tags::RESCALE_INTERCEPT).unwrap_or(0.0),
    };
    let table = |sequence| table(elements, sequence, |word| f64::from(number(word)));
    let tone = Tone {
        bits: bits.into(),
        signed,
        padding: elements.word(tags::PIXEL_PADDING_VALUE).map(number),
        modality: table(tags::MODALITY_LUT_SEQUENCE).map_or(linear, Modality::Table),
        voi: table(tags::VOILUT_SEQUENCE)
            .map(Voi::Table)
            .or_else(|| window(elements)),
        inverted: elements.text(tags::PHOTOMETRIC_INTERPRETATION) == Some("MONOCHROME1"),
    };
    Ok((tone, high + 1 - bits))
}

/// The file's first window; `None` if it has none, or one of an invalid width.
fn window(elements: &Elements<'_>) -> Option<Voi> {
    let centre = elements.number(tags::WINDOW_CENTER)?;
    let width = elements.number(tags::WINDOW_WIDTH)?;
    match elements.text(tags::VOILUT_FUNCTION) {
        Some("SIGMOID") if width > 0.0 => Some(Voi::Sigmoid { centre, width }),
        Some("LINEAR_EXACT") if width > 0.0 => Some(Voi::LinearExact { centre, width }),
        Some("SIGMOID" | "LINEAR_EXACT") => None,
        _ if width >= 1.0 => Some(Voi::Linear { centre, width }),
        _ => None,
    }
}

/// The look-up table in the first item of `sequence`; `None` if it is missing or incomplete.
/// `number` turns the descriptor's word for the first value into a number.
fn table(elements: &Elements<'_>, sequence: Tag, number: impl Fn(u16) -> f64) -> Option<Table> {
    let descriptor = elements.words(Some(sequence), tags::LUT_DESCRIPTOR)?;
    let [entries, first, bits] = descriptor[..] else {
        return None;
    };
    // 65,536 entries do not fit into a word: 0 stands for them.
    let count = if entries == 0 {
        1 << 16
    } else {
        usize::from(entries)
    };
    let mut data = elements.words(Some(sequence), tags::LUT_DATA)?;
    // Two entries of 8 bits may share a word.
    if data.len() < count && data.len() == count.div_ceil(2) {
        data = data
            .into_iter()
            .flat_map(u16::to_le_bytes)
            .map(u16::from)
            .collect();
    }
    let complete = data.len() >= count && (1..=16).contains(&bits);
    data.truncate(count);
    complete.then(|| Table {
        first: number(first),
        entries: data,
        top: f64::from((1u32 << bits) - 1),
    })
}
