//! What a file is by its first bytes.

use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::{jpeg, png};

/// What a file is by its first bytes, whatever its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JPEG.
    Jpeg,
    /// A PNG.
    Png,
    /// A DICOM file, also one without its first 132 bytes (preamble and the letters DICM).
    Dicom,
    /// A DICOMDIR: the table of contents of a CD or of an export. It has no picture.
    DicomIndex,
    /// Something else, with a name for people, such as "TIFF".
    Other(&'static str),
}

/// How many first bytes decide.
const FIRST_BYTES: u64 = 512;

/// SOP class of a DICOMDIR.
const INDEX_CLASS: &[u8] = b"1.2.840.10008.1.3.10";

/// First bytes of other files that lie beside films.
const OTHERS: [(&[u8], &str); 16] = [
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"RIFF", "WebP, WAV or AVI"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf", "7z"),
    (b"Rar!", "RAR"),
    (b"MZ", "Windows program"),
    (b"\x7fELF", "Linux program"),
    (b"\0\x05\x16\x07", "macOS metadata"),
    (b"\x93NUMPY", "NumPy array"),
];

impl Format {
    /// What a file with these first bytes is. 512 bytes are enough.
    pub fn of(bytes: &[u8]) -> Format {
        let has_preamble = bytes.get(128..132) == Some(b"DICM");
        if has_preamble || begins_with_elements(bytes) {
            let first = &bytes[..bytes.len().min(FIRST_BYTES as usize)];
            let is_index = first.windows(INDEX_CLASS.len()).any(|w| w == INDEX_CLASS);
            return if is_index {
                Format::DicomIndex
            } else {
                Format::Dicom
            };
        }
        if bytes.starts_with(&jpeg::START) {
            return Format::Jpeg;
        }
        if bytes.starts_with(&png::START) {
            return Format::Png;
        }
        Format::Other(other(bytes))
    }

    /// What the file at `path` is.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of_file(path: &Path) -> Result<Format> {
        let mut bytes = Vec::new();
        mflag_input::open(path)
            .and_then(|file| file.take(FIRST_BYTES).read_to_end(&mut bytes))
            .map_err(|source| Error::Io {
                path: path.to_owned(),
                source,
            })?;
        Ok(Format::of(&bytes))
    }

    /// Whether this is a format that films have.
    pub fn is_film(self) -> bool {
        matches!(self, Format::Jpeg | Format::Png | Format::Dicom)
    }
}

/// The name of a format that films do not have.
fn other(bytes: &[u8]) -> &'static str {
    if bytes.is_empty() {
        return "empty file";
    }
    if let Some((_, name)) = OTHERS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return name;
    }
    // The last letter may be cut.
    let text = match std::str::from_utf8(bytes) {
        Ok(_) => bytes,
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        Err(_) => return "unknown format",
    };
    if text.contains(&0) {
        "unknown format"
    } else {
        "text"
    }
}

/// Whether a DICOM data set begins with the first byte: two elements in ascending order, the first
/// in the group 0002 or 0008, as in DICOM files without preamble.
pub(crate) fn begins_with_elements(bytes: &[u8]) -> bool {
    let Some((first, rest)) = element(bytes) else {
        return false;
    };
    let second = element(rest).map(|(tag, _)| tag);
    matches!(first[0], 2 | 8) && second.is_some_and(|tag| first < tag && tag[0] <= 0x28)
}

/// The tag (group, element) of the element that `bytes` begin with, and what follows the element.
/// In little endian; `None` if the element does not end within `bytes`.
fn element(bytes: &[u8]) -> Option<([u16; 2], &[u8])> {
    let ([g0, g1, e0, e1, rest @ ..], after) = bytes.split_first_chunk::<8>()?;
    let tag = [
        u16::from_le_bytes([*g0, *g1]),
        u16::from_le_bytes([*e0, *e1]),
    ];
    let (length, value) = match rest {
        // These kinds of values have a length of four bytes, after two empty ones.
        [
            b'O' | b'S' | b'U',
            b'B' | b'D' | b'F' | b'L' | b'V' | b'W' | b'Q' | b'C' | b'N' | b'R' | b'T',
            0,
            0,
        ] => {
            let (length, value) = after.split_first_chunk::<4>()?;
            (u32::from_le_bytes(*length) as usize, value)
        }
        [a, b, l0, l1] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => {
            (usize::from(u16::from_le_bytes([*l0, *l1])), after)
        }
        length => (u32::from_le_bytes(*length) as usize, after),
    };
    Some((tag, value.get(length..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_decide() {
        let implicit = b"\x08\0\x05\0\x02\0\0\0AB\x08\0\x16\0\x02\0\0\x001.\x28\0";
        let explicit = b"\x08\0\x05\0CS\x02\0AB\x08\0\x16\0UI\x02\x001.\x28\0";
        let meta = b"\x02\0\0\0UL\x04\0\x10\0\0\0\x02\0\x01\0OB\0\0\x02\0\0\0\0\x01\x08\0";
        for bytes in [&implicit[..], explicit, meta] {
            assert_eq!(Format::of(bytes), Format::Dicom);
        }
        let mut index = [&[0; 128][..], b"DICM\x02\0\x02\0UI\x14\0", INDEX_CLASS].concat();
        assert_eq!(Format::of(&index), Format::DicomIndex);
        *index.last_mut().unwrap() = b'9';
        assert_eq!(Format::of(&index), Format::Dicom);
        for (bytes, name) in [
            (&b"II*\0"[..], "TIFF"),
            (b"[autorun]\n", "text"),
            (b"", "empty file"),
            (b"\x08\0\x08\0", "unknown format"),
            // Elements in descending order.
            (
                b"\x08\0\x16\0CS\x02\0AB\x08\0\x05\0UI\x02\x001.",
                "unknown format",
            ),
        ] {
            assert_eq!(Format::of(bytes), Format::Other(name));
        }
    }
}
