//! The few elements of a DICOM file that its picture needs.
//!
//! The lazy reader names each element before its value is read, so that a length which lies costs nothing: values are
//! copied from what the file holds, and what is not wanted is skipped.

use std::collections::BTreeMap;
use std::io::Cursor;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_parser::StatefulDecode;
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_transfer_syntax_registry::entries::{
    EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};

/// The preamble and the letters DICM.
const START: usize = 132;

/// The longest value kept: a look-up table of 65 536 entries.
const LONGEST: u32 = 1 << 17;

const WANTED: [Tag; 18] = [
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::ROWS,
    tags::COLUMNS,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::PIXEL_PADDING_VALUE,
    tags::WINDOW_CENTER,
    tags::WINDOW_WIDTH,
    tags::VOILUT_FUNCTION,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::LUT_DESCRIPTOR,
    tags::LUT_DATA,
    tags::MODALITY_LUT_SEQUENCE,
    tags::VOILUT_SEQUENCE,
];

/// The picture's elements.
pub(super) struct Elements<'a> {
    /// UID of the transfer syntax.
    pub(super) syntax: String,
    big_endian: bool,
    /// By the sequence (of whose first item it is) and by tag.
    values: BTreeMap<(Option<Tag>, Tag), Vec<u8>>,
    pub(super) pixels: Pixels<'a>,
}

/// The value of Pixel Data.
#[derive(Default)]
pub(super) enum Pixels<'a> {
    #[default]
    Absent,
    /// All frames; whether in words of 16 bits (OW).
    Native(&'a [u8], bool),
    /// Basic offset table and fragments.
    Fragments(Vec<&'a [u8]>),
}

/// Whether these are the first bytes of a DICOM file.
pub(crate) fn is_dicom(bytes: &[u8]) -> bool {
    bytes.get(128..START) == Some(b"DICM")
}

impl<'a> Elements<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Elements<'a>, String> {
        let (syntax, start) = meta(bytes)?;
        let (encoding, big_endian) = match syntax.as_str() {
            "1.2.840.10008.1.2" => (IMPLICIT_VR_LITTLE_ENDIAN.erased(), false),
            "1.2.840.10008.1.2.2" => (EXPLICIT_VR_BIG_ENDIAN.erased(), true),
            "1.2.840.10008.1.2.1.99" => {
                return Err("is a deflated DICOM file: write it again without".into());
            }
            _ => (EXPLICIT_VR_LITTLE_ENDIAN.erased(), false),
        };
        let mut elements = Elements {
            syntax,
            big_endian,
            values: BTreeMap::new(),
            pixels: Pixels::Absent,
        };
        let data = &bytes[start..];
        let mut reader =
            LazyDataSetReader::new_with_ts(Cursor::new(data), &encoding).map_err(damaged)?;
        // The sequences around the current element; none is more than a tag.
        let mut around: Vec<Tag> = Vec::new();
        while let Some(token) = reader.advance() {
            match token.map_err(damaged)? {
                LazyDataToken::SequenceStart { tag, .. } => around.push(tag),
                LazyDataToken::PixelSequenceStart => {
                    if around.is_empty() {
                        elements.pixels = Pixels::Fragments(Vec::new());
                    }
                    around.push(tags::PIXEL_DATA);
                }
                LazyDataToken::SequenceEnd => {
                    let ended = around.pop();
                    if around.is_empty() && ended == Some(tags::PIXEL_DATA) {
                        break;
                    }
                }
                LazyDataToken::LazyValue { header, decoder } => {
                    let length = header.len.get().unwrap_or(0);
                    let native = header.tag == tags::PIXEL_DATA && around.is_empty();
                    let key = match around[..] {
                        [] => Some((None, header.tag)),
                        [sequence] => Some((Some(sequence), header.tag)),
                        _ => None,
                    };
                    let key = key.filter(|(around, tag)| {
                        let known = |tag| WANTED.contains(tag);
                        known(tag) && around.as_ref().is_none_or(known)
                    });
                    match key {
                        _ if native => {
                            let value = borrow(data, decoder, length)?;
                            elements.pixels = Pixels::Native(value, header.vr == VR::OW);
                            break;
                        }
                        Some(key) if length <= LONGEST => {
                            let value = take(decoder, length)?;
                            elements.values.entry(key).or_insert(value);
                        }
                        _ => decoder.skip_bytes(length).map_err(damaged)?,
                    }
                }
                LazyDataToken::LazyItemValue { len, decoder } => match &mut elements.pixels {
                    Pixels::Fragments(fragments) if around[..] == [tags::PIXEL_DATA] => {
                        fragments.push(borrow(data, decoder, len)?);
                        decoder.skip_bytes(len).map_err(damaged)?;
                    }
                    _ => decoder.skip_bytes(len).map_err(damaged)?,
                },
                // An empty item is the offset table that says nothing; it has no value.
                LazyDataToken::ItemStart { len } if len.0 == 0 => {
                    if let (Pixels::Fragments(fragments), 1) = (&mut elements.pixels, around.len())
                    {
                        fragments.push(&[]);
                    }
                }
                _ => {}
            }
        }
        Ok(elements)
    }

    /// The number that `tag` has as a text.
    pub(super) fn number(&self, tag: Tag) -> Option<f64> {
        self.text(tag)?.parse().ok().filter(|v: &f64| v.is_finite())
    }

    /// The first 16-bit number of `tag`.
    pub(super) fn word(&self, tag: Tag) -> Option<u16> {
        self.words(None, tag)?.first().copied()
    }

    /// As [`Self::word`]; `Err` where it is absent.
    pub(super) fn need(&self, tag: Tag, name: &str) -> Result<u16, String> {
        self.word(tag)
            .ok_or_else(|| format!("has no {name}: not a DICOM picture, or damaged"))
    }

    /// The 16-bit numbers of `tag`, in the first item of `sequence` or outside of all.
    pub(super) fn words(&self, sequence: Option<Tag>, tag: Tag) -> Option<Vec<u16>> {
        let word = if self.big_endian {
            u16::from_be_bytes
        } else {
            u16::from_le_bytes
        };
        let value = self.values.get(&(sequence, tag))?;
        Some(value.as_chunks().0.iter().map(|b| word(*b)).collect())
    }

    /// The first text of `tag`.
    pub(super) fn text(&self, tag: Tag) -> Option<&str> {
        let value = std::str::from_utf8(self.values.get(&(None, tag))?).ok()?;
        Some(value.split('\\').next()?.trim_matches([' ', '\0']))
    }

    /// The word in the file's order of bytes.
    pub(super) fn big_endian(&self) -> bool {
        self.big_endian
    }
}

/// The transfer syntax that the file's meta group names, and where the data set begins.
fn meta(bytes: &[u8]) -> Result<(String, usize), String> {
    let group = Cursor::new(&bytes[START..]);
    let mut reader = LazyDataSetReader::new_with_ts(group, &EXPLICIT_VR_LITTLE_ENDIAN.erased())
        .map_err(damaged)?;
    let (mut syntax, mut end) = (None, START);
    // The data set may have another encoding: what cannot be read here is its beginning.
    while let Some(Ok(token)) = reader.advance() {
        match token {
            LazyDataToken::ElementHeader(header) if header.tag.0 == 2 => {}
            LazyDataToken::LazyValue { header, decoder } => {
                let value = take(decoder, header.len.get().unwrap_or(0))?;
                end = START + decoder.position() as usize;
                if header.tag == tags::TRANSFER_SYNTAX_UID {
                    syntax = String::from_utf8(value).ok();
                }
            }
            _ => break,
        }
    }
    let syntax = syntax.ok_or("names no transfer syntax: damaged, or not a DICOM file")?;
    Ok((syntax.trim_matches([' ', '\0']).to_owned(), end))
}

/// `length` bytes, copied as far as there are any: no length makes memory grow beyond the file.
fn take(decoder: &mut impl StatefulDecode, length: u32) -> Result<Vec<u8>, String> {
    let mut value = Vec::new();
    decoder.read_to(length, &mut value).map_err(damaged)?;
    if value.len() < length as usize {
        return Err(CUT.into());
    }
    Ok(value)
}

/// The next `length` bytes of `data`, which `decoder` reads, where they are.
fn borrow<'a>(
    data: &'a [u8],
    decoder: &impl StatefulDecode,
    length: u32,
) -> Result<&'a [u8], String> {
    let start = decoder.position() as usize;
    let end = start.saturating_add(length as usize);
    data.get(start..end).ok_or_else(|| CUT.into())
}

const CUT: &str = "is cut short, or damaged: an element is longer than the file";

fn damaged(error: impl std::fmt::Display) -> String {
    format!("cannot be read as DICOM: {error}")
}
