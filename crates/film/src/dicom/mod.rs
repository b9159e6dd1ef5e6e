//! DICOM files: the first frame of a grey picture.

mod elements;
mod frame;
mod jpeg_2000;
#[cfg(feature = "jpeg-ls")]
mod jpeg_ls;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

pub(crate) use elements::is_dicom;

use crate::Limits;
use crate::source::Source;
use crate::tone::{Modality, Table, Tone, Voi};
use elements::Elements;

/// How a picture's values lie in its pixel data.
struct Layout {
    width: u16,
    height: u16,
    /// 8 or 16 bits a value.
    allocated: u16,
}

/// The first frame of the DICOM file in `bytes`.
pub(crate) fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Source<'a>, String> {
    let elements = Elements::read(bytes)?;
    let layout = layout(&elements)?;
    let (width, height) = (u32::from(layout.width), u32::from(layout.height));
    // Values and film; the codecs count what they need besides.
    limits.check(width, height, 4)?;
    let (tone, shift) = tone(&elements, layout.allocated)?;
    let values = frame::first(&elements, &layout, shift, limits)?;
    Ok(Source {
        width,
        height,
        tone,
        values,
    })
}

/// The picture's layout, when it is one that a film has.
fn layout(elements: &Elements<'_>) -> Result<Layout, String> {
    let colours = elements.text(tags::PHOTOMETRIC_INTERPRETATION);
    let grey = matches!(colours, None | Some("MONOCHROME1" | "MONOCHROME2"));
    let samples = elements.word(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    if !grey || samples != 1 {
        let colours = colours.unwrap_or("no photometric interpretation");
        return Err(format!(
            "is a picture in colour ({colours}, {samples} samples a pixel): films are MONOCHROME1 or MONOCHROME2"
        ));
    }
    let allocated = elements.need(tags::BITS_ALLOCATED, "Bits Allocated")?;
    if allocated != 8 && allocated != 16 {
        return Err(format!(
            "has {allocated} bits a pixel: films have 8 or 16 allocated"
        ));
    }
    Ok(Layout {
        width: elements.need(tags::COLUMNS, "Columns")?,
        height: elements.need(tags::ROWS, "Rows")?,
        allocated,
    })
}

/// The way from values to grey, and by how many bits values are shifted up.
fn tone(elements: &Elements<'_>, allocated: u16) -> Result<(Tone, u16), String> {
    let bits = elements.word(tags::BITS_STORED).unwrap_or(allocated);
    let high = elements
        .word(tags::HIGH_BIT)
        .unwrap_or(bits.saturating_sub(1));
    if bits == 0 || high >= allocated || high + 1 < bits {
        return Err(format!(
            "has {bits} bits stored up to bit {high} of {allocated}, which cannot be: damaged"
        ));
    }
    let signed = elements.word(tags::PIXEL_REPRESENTATION) == Some(1);
    let signed_word = |word: u16| {
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
    let table = |sequence| table(elements, sequence, |word| f64::from(signed_word(word)));
    let tone = Tone {
        bits: bits.into(),
        signed,
        padding: elements.word(tags::PIXEL_PADDING_VALUE).map(signed_word),
        modality: table(tags::MODALITY_LUT_SEQUENCE).map_or(linear, Modality::Table),
        voi: table(tags::VOILUT_SEQUENCE)
            .map(Voi::Table)
            .or_else(|| window(elements)),
        inverted: elements.text(tags::PHOTOMETRIC_INTERPRETATION) == Some("MONOCHROME1"),
    };
    Ok((tone, high + 1 - bits))
}

/// The first window; none where its width cannot be.
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

/// The look-up table in the first item of `sequence`; none where it is not whole.
fn table(elements: &Elements<'_>, sequence: Tag, signed: impl Fn(u16) -> f64) -> Option<Table> {
    let descriptor = elements.words(Some(sequence), tags::LUT_DESCRIPTOR)?;
    let [entries, first, bits] = descriptor[..] else {
        return None;
    };
    // 65 536 does not fit: 0 stands for it.
    let count = if entries == 0 {
        1 << 16
    } else {
        usize::from(entries)
    };
    let mut data = elements.words(Some(sequence), tags::LUT_DATA)?;
    // Entries of 8 bits may lie two in a word.
    if data.len() < count && data.len() == count.div_ceil(2) {
        data = data
            .into_iter()
            .flat_map(u16::to_le_bytes)
            .map(u16::from)
            .collect();
    }
    let whole = data.len() >= count && (1..=16).contains(&bits);
    data.truncate(count);
    whole.then(|| Table {
        first: signed(first),
        entries: data,
        top: f64::from((1u32 << bits) - 1),
    })
}
