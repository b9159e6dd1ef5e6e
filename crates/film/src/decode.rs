//! Decodes image files to grey pixels.

use std::cell::Cell;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::error::{Error, Result};
use crate::film::Film;
use crate::limits::Limits;
use crate::open::{self, open, open_mask};
use crate::tone::Window;

/// How films are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Options {
    /// Larger films are refused.
    pub limits: Limits,
    /// What becomes black and white in films deeper than 8 bits.
    pub window: Window,
    /// Which frame of a DICOM file with several frames is read, from 1; `None`: the first.
    pub frame: Option<u32>,
}

impl From<Limits> for Options {
    fn from(limits: Limits) -> Self {
        Options {
            limits,
            window: Window::default(),
            frame: None,
        }
    }
}

/// Decodes the film in a JPEG, PNG or DICOM file, by the default [`Window`]. See [`decode_with`].
///
/// # Errors
/// As [`decode_with`].
pub fn decode(path: &Path, limits: &Limits) -> Result<Film> {
    decode_with(path, &Options::from(*limits))
}

/// Decodes the film in a JPEG, PNG or DICOM file. The file's content decides the format, not its
/// name.
///
/// JPEG and PNG are turned upright, as their EXIF orientation says. Colour becomes luma (ITU-R 601,
/// as Pillow's mode L). Values of more than 8 bits become 8 bits by
/// `options.window`. Transparency is dropped. A film that comes out blank by the window is
/// decoded in the full range of its values.
///
/// # Errors
/// If the file cannot be read, is in none of these formats or of an unsupported kind (JPEG in CMYK,
/// DICOM with coloured pixels, JPEG-LS without the feature `jpeg-ls`), is cut short, damaged, blank
/// or exceeds the limits, if it has no such frame, or if the window's percentiles are out of range.
pub fn decode_with(path: &Path, options: &Options) -> Result<Film> {
    read_file(path, &options.limits, |bytes| {
        open(bytes, options.frame, &options.limits)?.film(options.window)
    })
}

/// As [`decode`], for the content of a file. The error is only the reason, without a file name.
///
/// # Errors
/// As [`decode_with`].
pub fn decode_bytes(bytes: &[u8], limits: &Limits) -> std::result::Result<Film, String> {
    catch_panic(|| open(bytes, None, limits)?.film(Window::default()))
}

/// The values of a mask's file, which are not greys.
#[derive(Debug, Clone)]
pub struct StoredMask {
    /// Values of up to 16 bits, without a window.
    pub values: Film<u16>,
    /// Whether the values were compressed as JPEG, which changes them a little.
    pub lossy: bool,
}

/// Decodes the values of a mask, upright. A PNG's colour becomes the largest of its three channels,
/// and its transparent pixels become black.
///
/// # Errors
/// As [`decode_with`].
pub fn decode_mask(path: &Path, limits: &Limits) -> Result<StoredMask> {
    read_file(path, limits, |bytes| {
        let source = open_mask(bytes, limits)?;
        Ok(StoredMask {
            lossy: source.is_jpeg(),
            values: source.stored()?,
        })
    })
}

/// Columns and rows of the upright film in a file, without decoding its pixels.
///
/// # Errors
/// As [`decode_with`], except for damaged pixels.
pub fn size(path: &Path, limits: &Limits) -> Result<(u32, u32)> {
    read_file(path, limits, |bytes| {
        let [width, height] = open::size(bytes, limits)?;
        Ok((width, height))
    })
}

/// Reads a file and passes its content to `decode`.
pub(crate) fn read_file<T>(
    path: &Path,
    limits: &Limits,
    decode: impl FnOnce(&[u8]) -> std::result::Result<T, String>,
) -> Result<T> {
    let unreadable = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let refused = |reason| Error::Film {
        path: path.to_owned(),
        reason,
    };
    let file = mflag_input::open(path).map_err(|e| match e.kind() {
        ErrorKind::InvalidInput => refused(e.to_string()),
        _ => unreadable(e),
    })?;
    let (length, limit) = (file.metadata().map_err(unreadable)?.len(), limits.bytes);
    if length > limit {
        let reason = format!("has {length} bytes, more than the limit of {limit}");
        return Err(refused(reason));
    }
    let mut bytes = BUFFER.take();
    bytes.clear();
    // The file may grow while it is read.
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let decoded = catch_panic(|| decode(&bytes)).map_err(refused);
    if bytes.capacity() <= MAX_BUFFER {
        BUFFER.set(bytes);
    }
    decoded
}

/// The largest buffer that a thread keeps for its next file, in bytes.
const MAX_BUFFER: usize = 64 << 20;

thread_local! {
    /// This thread's buffer for files. Reusing it saves the system from clearing new memory for
    /// each file.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Runs a decoder. If it panics, as on damaged bytes, the panic becomes an error of the film and
/// prints nothing.
pub(crate) fn catch_panic<T>(
    decode: impl FnOnce() -> std::result::Result<T, String>,
) -> std::result::Result<T, String> {
    let damaged = |_| Err("is damaged: the decoder failed on it".into());
    mflag_input::catch_panic(decode).unwrap_or_else(damaged)
}
