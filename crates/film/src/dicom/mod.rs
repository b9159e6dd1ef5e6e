//! DICOM files: a frame of a grey picture.

mod colour;
mod deflated;
mod elements;
mod frame;
mod jpeg_2000;
#[cfg(feature = "jpeg-ls")]
mod jpeg_ls;
mod numbers;
mod rle;
mod size;
mod subject;
mod table;

use dicom_dictionary_std::tags;

use crate::limits::Limits;
use crate::remark::Remark;
use crate::source::{Raw, Source, Values};
use crate::tone::{Modality, Tone, Voi};
use elements::{Elements, Start};
use numbers::Numbers;
use size::PixelFormat;
use table::table;

/// Opens a frame of the DICOM file in `bytes`: the one of this number, from 1, or else the first.
/// The number counts only for files with several frames.
pub(crate) fn open<'a>(
    bytes: &'a [u8],
    number: Option<u32>,
    limits: &Limits,
) -> Result<Source<'a>, String> {
    let start = Start::read(bytes)?;
    if let Some(file) = deflated::inflated(bytes, &start, limits)? {
        return Ok(open_plain(&file, start, number, limits)?.into_owned());
    }
    open_plain(bytes, start, number, limits)
}

/// Columns and rows of the picture in the DICOM file in `bytes`. Its pixels are not decoded.
pub(crate) fn size(bytes: &[u8], limits: &Limits) -> Result<[u32; 2], String> {
    let start = Start::read(bytes)?;
    let inflated = deflated::inflated(bytes, &start, limits)?;
    let elements = Elements::read(inflated.as_deref().unwrap_or(bytes), start)?;
    let format = PixelFormat::read(&elements)?;
    Ok([format.width.into(), format.height.into()])
}

/// As [`open`], for a file that is not deflated.
fn open_plain<'a>(
    bytes: &'a [u8],
    start: Start,
    number: Option<u32>,
    limits: &Limits,
) -> Result<Source<'a>, String> {
    let elements = Elements::read(bytes, start)?;
    let format = PixelFormat::read(&elements)?;
    let (width, height) = (u32::from(format.width), u32::from(format.height));
    // 4 bytes a pixel and channel for the values and the film. Decoders that need more memory check
    // the limits themselves.
    limits.check(width, height, 4 * format.channels() as u64)?;
    let mut remarks = about(&elements);
    let index = frame_index(&format, number, &mut remarks)?;
    let mut frame = frame::read(&elements, &format, index, limits)?;
    let tone = if frame.was_colour {
        remarks.push(Remark::GreyInColour);
        let bits = if matches!(frame.values, Values::Decoded(Raw::Eight(_))) {
            8
        } else {
            frame.coded.map_or(format.stored.into(), |coded| coded.bits)
        };
        Tone::unsigned(bits)
    } else {
        let numbers = Numbers::new(
            &elements,
            &format,
            &mut frame.values,
            frame.coded,
            &mut remarks,
        );
        tone(&elements, numbers, &mut remarks)
    };
    Ok(Source::new([width, height], tone, frame.values).remarked(remarks))
}

/// What the file says of the picture as a whole.
fn about(elements: &Elements<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if elements.syntax_is_guessed {
        remarks.push(Remark::NoHeader);
    }
    remarks.extend(subject::remarks(elements));
    remarks
}

/// The index of the frame to read.
fn frame_index(
    format: &PixelFormat,
    number: Option<u32>,
    remarks: &mut Vec<Remark>,
) -> Result<usize, String> {
    let frames = format.frames;
    if frames == 1 {
        return Ok(0);
    }
    if number.is_none() {
        remarks.push(Remark::FirstFrame(frames));
    }
    let number = number.unwrap_or(1);
    if number == 0 || number > frames {
        return Err(format!(
            "has {frames} frames: there is no frame {number}; give a number from 1 to {frames}"
        ));
    }
    Ok(number as usize - 1)
}

/// How values become greys.
fn tone(elements: &Elements<'_>, numbers: Numbers, remarks: &mut Vec<Remark>) -> Tone {
    let mut tone = Tone {
        bits: numbers.bits,
        signed: numbers.signed,
        inverted: elements.text(tags::PHOTOMETRIC_INTERPRETATION) == Some("MONOCHROME1"),
        ..Tone::default()
    };
    tone.padding = padding(elements, &tone);
    let stored = tone.least_and_largest();
    let stored = (f64::from(stored.0), f64::from(stored.1));
    let modality = table(
        elements,
        tags::MODALITY_LUT_SEQUENCE,
        numbers,
        stored,
        remarks,
    );
    tone.modality = match modality {
        Some(table) => Modality::Table(table),
        None => Modality::Linear {
            slope: elements.number(tags::RESCALE_SLOPE).unwrap_or(1.0),
            intercept: elements.number(tags::RESCALE_INTERCEPT).unwrap_or(0.0),
        },
    };
    if matches!(tone.modality, Modality::Linear { slope: 0.0, .. }) {
        // A slope of 0 makes all values equal, so nothing in its unit is of use.
        remarks.push(Remark::FullRange);
        tone.modality = Modality::default();
        return tone;
    }
    let values = tone.modality_range();
    tone.voi = table(elements, tags::VOILUT_SEQUENCE, numbers, values, remarks)
        .map(Voi::Table)
        .or_else(|| window(elements, remarks));
    tone
}

/// The stored values that do not belong to the picture, from the least to the largest: Pixel
/// Padding Value, or all values from there to Pixel Padding Range Limit.
fn padding(elements: &Elements<'_>, tone: &Tone) -> Option<(i32, i32)> {
    let stored = |tag| elements.word(tag).map(|word| tone.stored(tone.raw(word)));
    let value = stored(tags::PIXEL_PADDING_VALUE)?;
    let limit = stored(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value);
    Some((value.min(limit), value.max(limit)))
}

/// The file's first window; `None` if it has none, or one that is not valid, which is a remark.
fn window(elements: &Elements<'_>, remarks: &mut Vec<Remark>) -> Option<Voi> {
    let centre = elements.number(tags::WINDOW_CENTER);
    let width = elements.number(tags::WINDOW_WIDTH);
    if centre.is_none() && width.is_none() {
        return None;
    }
    let function = elements.text(tags::VOILUT_FUNCTION);
    let window = centre.zip(width).and_then(|(centre, width)| {
        // DICOM PS3.3 C.11.2.1.2: which widths are valid depends on the function.
        match function {
            Some("SIGMOID") => (width > 0.0).then_some(Voi::Sigmoid { centre, width }),
            Some("LINEAR_EXACT") => (width > 0.0).then_some(Voi::LinearExact { centre, width }),
            _ => (width >= 1.0).then_some(Voi::Linear { centre, width }),
        }
    });
    if window.is_none() {
        remarks.push(Remark::WindowLeftOut);
    }
    window
}
