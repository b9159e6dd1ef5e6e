//! The few elements of a DICOM file that its picture needs.
//!
//! The lazy reader gives each element's header before its value. So a wrong length costs no memory:
//! values are copied only as far as the file goes, and elements that are not needed are skipped.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::ControlFlow;

use dicom_core::{DataElementHeader, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_parser::StatefulDecode;
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_transfer_syntax_registry::entries::{
    EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};

/// Length of the preamble and the letters DICM.
const PREAMBLE: usize = 132;

/// UIDs of the transfer syntaxes of data sets that state none.
const IMPLICIT: &str = "1.2.840.10008.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
/// UID of the transfer syntax of deflated data sets.
pub(super) const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// Longest value that is kept, in bytes: a look-up table of 65,536 entries.
const MAX_VALUE: u32 = 1 << 17;

/// Overlay Rows of the first overlay.
const OVERLAY_ROWS: Tag = Tag(0x6000, 0x0010);

/// The elements and sequences that are kept.
const NEEDED: [Tag; 31] = [
    tags::MODALITY,
    tags::BODY_PART_EXAMINED,
    tags::VIEW_POSITION,
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::PLANAR_CONFIGURATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::PIXEL_PADDING_VALUE,
    tags::PIXEL_PADDING_RANGE_LIMIT,
    tags::WINDOW_CENTER,
    tags::WINDOW_WIDTH,
    tags::VOILUT_FUNCTION,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
    tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
    tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
    tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    tags::LUT_DESCRIPTOR,
    tags::LUT_DATA,
    tags::MODALITY_LUT_SEQUENCE,
    tags::VOILUT_SEQUENCE,
    OVERLAY_ROWS,
];

/// The elements of a picture.
pub(super) struct Elements<'a> {
    /// UID of the transfer syntax.
    pub(super) syntax: String,
    /// Whether the file does not state its transfer syntax.
    pub(super) syntax_is_guessed: bool,
    big_endian: bool,
    values: BTreeMap<Key, Value>,
    pub(super) pixels: Pixels<'a>,
}

/// The sequence that an element is in, if any, and the element's tag.
type Key = (Option<Tag>, Tag);

/// The kind and the bytes of an element's value.
type Value = (VR, Vec<u8>);

/// The value of Pixel Data.
#[derive(Default)]
pub(super) enum Pixels<'a> {
    #[default]
    Absent,
    /// All frames, uncompressed.
    Native {
        bytes: &'a [u8],
        /// In words of 16 bits (OW).
        in_words: bool,
    },
    /// Offset table and fragments.
    Fragments(Vec<&'a [u8]>),
}

impl<'a> Elements<'a> {
    /// Reads the elements of a file, whose data set begins at `start`, up to its pixel data. A
    /// deflated data set must be inflated.
    pub(super) fn read(bytes: &'a [u8], start: Start) -> Result<Elements<'a>, String> {
        let Start {
            syntax,
            at,
            syntax_is_guessed,
        } = start;
        let (encoding, big_endian) = match syntax.as_str() {
            IMPLICIT => (IMPLICIT_VR_LITTLE_ENDIAN.erased(), false),
            "1.2.840.10008.1.2.2" => (EXPLICIT_VR_BIG_ENDIAN.erased(), true),
            _ => (EXPLICIT_VR_LITTLE_ENDIAN.erased(), false),
        };
        let data = &bytes[at..];
        let mut reader =
            LazyDataSetReader::new_with_ts(Cursor::new(data), &encoding).map_err(damaged)?;
        let mut collector = Collector::new(data);
        while let Some(token) = reader.advance() {
            if collector.take(token.map_err(damaged)?)?.is_break() {
                break;
            }
        }
        Ok(Elements {
            syntax,
            syntax_is_guessed,
            big_endian,
            values: collector.values,
            pixels: collector.pixels,
        })
    }

    /// The number that the text of `tag` states.
    pub(super) fn number(&self, tag: Tag) -> Option<f64> {
        self.text(tag)?.parse().ok().filter(|v: &f64| v.is_finite())
    }

    /// The first 16-bit number in the value of `tag`.
    pub(super) fn word(&self, tag: Tag) -> Option<u16> {
        self.words(None, tag)?.first().copied()
    }

    /// As [`Self::word`], for an element that every picture has. The error names the element
    /// `name`.
    pub(super) fn required_word(&self, tag: Tag, name: &str) -> Result<u16, String> {
        self.word(tag)
            .ok_or_else(|| format!("has no {name}: it is damaged, or not a DICOM picture"))
    }

    /// The 16-bit numbers of `tag`, in the first item of `sequence` or outside of all sequences.
    pub(super) fn words(&self, sequence: Option<Tag>, tag: Tag) -> Option<Vec<u16>> {
        let word = if self.big_endian {
            u16::from_be_bytes
        } else {
            u16::from_le_bytes
        };
        let (_, value) = self.values.get(&(sequence, tag))?;
        Some(value.as_chunks().0.iter().map(|b| word(*b)).collect())
    }

    /// The first text of `tag`.
    pub(super) fn text(&self, tag: Tag) -> Option<&str> {
        let (_, value) = self.values.get(&(None, tag))?;
        let value = std::str::from_utf8(value).ok()?;
        Some(value.split('\\').next()?.trim_matches([' ', '\0']))
    }

    /// Whether the file states that the numbers of `tag` in `sequence` are signed.
    pub(super) fn is_signed(&self, sequence: Tag, tag: Tag) -> bool {
        let value = self.values.get(&(Some(sequence), tag));
        value.is_some_and(|(vr, _)| *vr == VR::SS)
    }

    /// Whether the file has an overlay (graphics over the picture).
    pub(super) fn has_graphics(&self) -> bool {
        self.word(OVERLAY_ROWS).is_some()
    }

    /// Whether the upper byte of a word comes first.
    pub(super) fn big_endian(&self) -> bool {
        self.big_endian
    }
}

/// Collects what is needed from a stream of tokens.
struct Collector<'a> {
    /// The data set that the reader reads.
    data: &'a [u8],
    /// The sequences around the current element, the outermost first.
    sequences: Vec<Tag>,
    values: BTreeMap<Key, Value>,
    pixels: Pixels<'a>,
}

impl<'a> Collector<'a> {
    fn new(data: &'a [u8]) -> Collector<'a> {
        Collector {
            data,
            sequences: Vec::new(),
            values: BTreeMap::new(),
            pixels: Pixels::Absent,
        }
    }

    /// Takes the next token. Breaks after the pixel data.
    fn take<D: StatefulDecode>(
        &mut self,
        token: LazyDataToken<&mut D>,
    ) -> Result<ControlFlow<()>, String> {
        match token {
            LazyDataToken::SequenceStart { tag, .. } => self.sequences.push(tag),
            LazyDataToken::PixelSequenceStart => self.start_fragments(),
            LazyDataToken::SequenceEnd => return Ok(self.end_sequence()),
            LazyDataToken::LazyValue { header, decoder } => return self.value(&header, decoder),
            LazyDataToken::LazyItemValue { len, decoder } => self.item_value(len, decoder)?,
            LazyDataToken::ItemStart { len } if len.0 == 0 => self.empty_item(),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn start_fragments(&mut self) {
        if self.sequences.is_empty() {
            self.pixels = Pixels::Fragments(Vec::new());
        }
        self.sequences.push(tags::PIXEL_DATA);
    }

    fn end_sequence(&mut self) -> ControlFlow<()> {
        let ended = self.sequences.pop();
        if self.sequences.is_empty() && ended == Some(tags::PIXEL_DATA) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn value(
        &mut self,
        header: &DataElementHeader,
        decoder: &mut impl StatefulDecode,
    ) -> Result<ControlFlow<()>, String> {
        let length = header.len.get().unwrap_or(0);
        if self.sequences.is_empty() && header.tag == tags::PIXEL_DATA {
            self.pixels = Pixels::Native {
                bytes: borrow(self.data, decoder, length)?,
                in_words: header.vr == VR::OW,
            };
            return Ok(ControlFlow::Break(()));
        }
        match self.needed(header.tag) {
            Some(key) if length <= MAX_VALUE => {
                let value = copy(decoder, length)?;
                // Of several items of a sequence, the first counts.
                self.values.entry(key).or_insert((header.vr, value));
            }
            _ => decoder.skip_bytes(length).map_err(damaged)?,
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The key of an element that is needed here.
    fn needed(&self, tag: Tag) -> Option<Key> {
        let is_needed = |tag: &Tag| NEEDED.contains(tag);
        let sequence = match &self.sequences[..] {
            [] => None,
            [sequence] if is_needed(sequence) => Some(*sequence),
            _ => return None,
        };
        is_needed(&tag).then_some((sequence, tag))
    }

    fn item_value(&mut self, length: u32, decoder: &mut impl StatefulDecode) -> Result<(), String> {
        let data = self.data;
        if let Some(fragments) = self.fragments() {
            fragments.push(borrow(data, decoder, length)?);
        }
        decoder.skip_bytes(length).map_err(damaged)
    }

    /// An empty item has no value. In pixel data it is an empty offset table.
    fn empty_item(&mut self) {
        if let Some(fragments) = self.fragments() {
            fragments.push(&[]);
        }
    }

    /// The fragments, if the current item is one of them.
    fn fragments(&mut self) -> Option<&mut Vec<&'a [u8]>> {
        match &mut self.pixels {
            Pixels::Fragments(fragments) if self.sequences.len() == 1 => Some(fragments),
            _ => None,
        }
    }
}

/// Where a data set begins, and how it is encoded.
pub(super) struct Start {
    /// UID of the transfer syntax.
    pub(super) syntax: String,
    syntax_is_guessed: bool,
    /// Position of the data set in the file.
    pub(super) at: usize,
}

impl Start {
    /// A file begins with a preamble and the file meta group, with this group alone, or with the
    /// data set itself.
    pub(super) fn read(bytes: &[u8]) -> Result<Start, String> {
        let has_preamble = bytes.get(PREAMBLE - 4..PREAMBLE) == Some(b"DICM");
        let begin = if has_preamble { PREAMBLE } else { 0 };
        if has_preamble || bytes.starts_with(&[2, 0]) {
            let (syntax, at) = read_meta(bytes, begin)?;
            return Ok(Start {
                syntax,
                syntax_is_guessed: false,
                at,
            });
        }
        // The kind of a value (VR) is two letters, if it is stated.
        let is_explicit = matches!(bytes.get(4..6), Some([b'A'..=b'Z', b'A'..=b'Z']));
        let syntax = if is_explicit { EXPLICIT } else { IMPLICIT };
        Ok(Start {
            syntax: syntax.to_owned(),
            syntax_is_guessed: true,
            at: 0,
        })
    }
}

/// Reads the file meta group, which begins at `begin`: the transfer syntax, and where the data set
/// begins.
fn read_meta(bytes: &[u8], begin: usize) -> Result<(String, usize), String> {
    let group = Cursor::new(&bytes[begin..]);
    let mut reader = LazyDataSetReader::new_with_ts(group, &EXPLICIT_VR_LITTLE_ENDIAN.erased())
        .map_err(damaged)?;
    let (mut syntax, mut end) = (None, begin);
    // The data set that follows may have another encoding. The first token that this reader cannot
    // read is the beginning of the data set.
    while let Some(Ok(token)) = reader.advance() {
        match token {
            LazyDataToken::ElementHeader(header) if header.tag.0 == 2 => {}
            LazyDataToken::LazyValue { header, decoder } => {
                let value = copy(decoder, header.len.get().unwrap_or(0))?;
                end = begin + decoder.position() as usize;
                if header.tag == tags::TRANSFER_SYNTAX_UID {
                    syntax = String::from_utf8(value).ok();
                }
            }
            _ => break,
        }
    }
    let syntax = syntax.ok_or("has no transfer syntax: it is damaged, or not a DICOM file")?;
    Ok((syntax.trim_matches([' ', '\0']).to_owned(), end))
}

/// Copies the next `length` bytes. Memory grows as bytes are read, so a wrong length costs no
/// memory.
fn copy(decoder: &mut impl StatefulDecode, length: u32) -> Result<Vec<u8>, String> {
    let mut value = Vec::new();
    decoder.read_to(length, &mut value).map_err(damaged)?;
    if value.len() < length as usize {
        return Err(CUT_SHORT.into());
    }
    Ok(value)
}

/// Borrows the next `length` bytes of `data`, which is what `decoder` reads.
fn borrow<'a>(
    data: &'a [u8],
    decoder: &impl StatefulDecode,
    length: u32,
) -> Result<&'a [u8], String> {
    let start = decoder.position() as usize;
    let end = start.saturating_add(length as usize);
    data.get(start..end).ok_or_else(|| CUT_SHORT.into())
}

const CUT_SHORT: &str = "is cut short or damaged: an element is longer than the file";

fn damaged(error: impl std::fmt::Display) -> String {
    format!("cannot be read as DICOM: {error}")
}
