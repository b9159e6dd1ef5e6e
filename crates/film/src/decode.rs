//! Image files into grey pixels.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

use crate::source::Source;
use crate::{Error, Film, Result, Window};

/// What a film may be at most: a small file can claim a huge picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest side in pixels.
    pub side: u32,
    /// Bytes that decoding may take, and that the file may have.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            side: 16_384,
            bytes: 1 << 30,
        }
    }
}

impl Limits {
    /// Whether a picture may be decoded that takes `each` bytes a pixel; `Err` says why not.
    pub(crate) fn check(
        &self,
        width: u32,
        height: u32,
        each: u64,
    ) -> std::result::Result<(), String> {
        if width == 0 || height == 0 {
            return Err(format!("has {width}×{height} pixels: damaged"));
        }
        if width.max(height) > self.side {
            return Err(format!(
                "has {width}×{height} pixels, more than the limit of {} pixels a side",
                self.side
            ));
        }
        let bytes = u64::from(width) * u64::from(height) * each;
        if bytes > self.bytes {
            return Err(format!(
                "has {width}×{height} pixels: decoding may take {bytes} bytes, more than the limit of {}",
                self.bytes
            ));
        }
        Ok(())
    }
}

/// How films are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Options {
    /// What is refused.
    pub limits: Limits,
    /// What becomes black and white of films deeper than 8 bits.
    pub window: Window,
}

impl From<Limits> for Options {
    fn from(limits: Limits) -> Self {
        Options {
            limits,
            window: Window::default(),
        }
    }
}

/// The film in a JPEG, PNG or DICOM file, by the default [`Window`]. See [`decode_with`].
///
/// # Errors
/// As [`decode_with`].
pub fn decode(path: &Path, limits: &Limits) -> Result<Film> {
    decode_with(path, &Options::from(*limits))
}

/// The film in a JPEG, PNG or DICOM file; which of them, its content says. Colour becomes luma (ITU-R 601, as Pillow's
/// mode L), more than 8 bits become 8 by `options.window`, transparency is dropped. Of a DICOM file with several frames
/// it is the first.
///
/// # Errors
/// If the file cannot be read, is no such image or of a kind that is not read (JPEG in CMYK, DICOM in colour, or by
/// JPEG-LS without the feature `jpeg-ls`), is cut short or damaged, or is beyond the limits.
pub fn decode_with(path: &Path, options: &Options) -> Result<Film> {
    from_file(path, &options.limits, |bytes| {
        Source::open(bytes, &options.limits)?.film(options.window)
    })
}

/// As [`decode`], for the content of a file; the error says what is wrong with it.
///
/// # Errors
/// As [`decode_with`].
pub fn decode_bytes(bytes: &[u8], limits: &Limits) -> std::result::Result<Film, String> {
    guarded(|| Source::open(bytes, limits)?.film(Window::default()))
}

/// The values that a JPEG, PNG or DICOM file has, in no window: of up to 16 bits, 0 black; of masks, whose values are no greys. Colour and
/// transparency as of [`decode_with`].
///
/// # Errors
/// As [`decode_with`].
pub fn decode_stored(path: &Path, limits: &Limits) -> Result<Film<u16>> {
    from_file(path, limits, |bytes| Source::open(bytes, limits)?.stored())
}

/// What `decode` makes of the content of the file.
pub(crate) fn from_file<T>(
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
    // A pipe or a device may never end.
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() {
        return Err(refused("is not a file".into()));
    }
    if meta.len() > limits.bytes {
        let limit = limits.bytes;
        let reason = format!("has {} bytes, more than the limit of {limit}", meta.len());
        return Err(refused(reason));
    }
    let mut bytes = BUFFER.take();
    bytes.clear();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(unreadable)?;
    let decoded = guarded(|| decode(&bytes)).map_err(refused);
    if bytes.capacity() <= KEPT {
        BUFFER.set(bytes);
    }
    decoded
}

/// Bytes that the buffer of a thread may keep.
const KEPT: usize = 64 << 20;

thread_local! {
    /// Where this thread reads files into: new memory for each would be cleared by the system, page by page.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    /// Whether this thread decodes: a panic of it is an error of the film.
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// A decoder that panics on damaged bytes costs this film, not the run, and says nothing of it by itself.
pub(crate) fn guarded<T>(
    decode: impl FnOnce() -> std::result::Result<T, String>,
) -> std::result::Result<T, String> {
    quieten();
    DECODING.set(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(false);
    decoded.unwrap_or_else(|_| {
        Err("cannot be decoded: the decoder failed on it, it is damaged".into())
    })
}

/// From now on no panic of a decoder reaches the program's panic hook; all others do.
fn quieten() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |info| {
            if !DECODING.get() {
                hook(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "the test below runs it"]
    fn a_decoder_that_panics() {
        let refused = guarded::<()>(|| panic!("inside"));
        assert!(refused.unwrap_err().contains("it is damaged"));
    }

    #[test]
    fn a_panic_of_a_decoder_says_nothing_by_itself() {
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "decode::tests::a_decoder_that_panics",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(run.status.success() && said.is_empty(), "{said}");
        let passed = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(passed.contains("1 passed"), "{passed}");
    }
}
