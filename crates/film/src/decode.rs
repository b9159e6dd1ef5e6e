//! Image files into grey pixels.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use crate::tone::{Deep, Tone};
use crate::{Error, Film, Fit, Result, Window, jpeg, scaled, square};

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
/// If the file cannot be read, is no such image or of a kind that is not read (JPEG in CMYK, DICOM in colour or by
/// JPEG-LS), is cut short or damaged, or is beyond the limits.
pub fn decode_with(path: &Path, options: &Options) -> Result<Film> {
    from_file(path, options, |bytes| film(bytes, options))
}

/// The film in `path` as a square of `side` pixels. It is that of [`decode_with`] and [`square`], but for large JPEGs in
/// grey: these are decoded at 1/2, 1/4 or 1/8 of their size where that is at least 4/3 of what the square needs, which is
/// faster, and the rest is resampled by the exact area. Their pixels differ by less than 1.5 grey levels on average, so
/// films for training and for prediction should both go one way. `side` is at least 1.
///
/// # Errors
/// As [`decode_with`].
pub fn decode_square(path: &Path, side: u32, fit: Fit, options: &Options) -> Result<Film> {
    from_file(path, options, |bytes| {
        if let Some(square) = scaled::square(bytes, side, fit, &options.limits) {
            return Ok(square);
        }
        Ok(square(&film(bytes, options)?, side, fit))
    })
}

/// As [`decode`], for the content of a file; the error says what is wrong with it.
///
/// # Errors
/// As [`decode_with`].
pub fn decode_bytes(bytes: &[u8], limits: &Limits) -> std::result::Result<Film, String> {
    guarded(|| film(bytes, &Options::from(*limits)))
}

fn from_file(
    path: &Path,
    options: &Options,
    decode: impl FnOnce(&[u8]) -> std::result::Result<Film, String>,
) -> Result<Film> {
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
    if meta.len() > options.limits.bytes {
        let limit = options.limits.bytes;
        let reason = format!("has {} bytes, more than the limit of {limit}", meta.len());
        return Err(refused(reason));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    guarded(|| decode(&bytes)).map_err(refused)
}

/// A decoder that panics on damaged bytes costs this film, not the run.
fn guarded(
    decode: impl FnOnce() -> std::result::Result<Film, String>,
) -> std::result::Result<Film, String> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        Err("cannot be decoded: the decoder failed on it, it is damaged".into())
    })
}

fn film(bytes: &[u8], options: &Options) -> std::result::Result<Film, String> {
    #[cfg(feature = "dicom")]
    if crate::dicom::is_dicom(bytes) {
        return crate::dicom::decode(bytes, &options.limits)?.film(options.window);
    }
    let format = image::guess_format(bytes)
        .ok()
        .filter(|f| matches!(f, ImageFormat::Jpeg | ImageFormat::Png))
        .ok_or(UNKNOWN)?;
    picture(bytes, format, options)
}

#[cfg(feature = "dicom")]
const UNKNOWN: &str = "is neither JPEG nor PNG nor DICOM by its first bytes";
#[cfg(not(feature = "dicom"))]
const UNKNOWN: &str = "is neither JPEG nor PNG by its first bytes";

/// A JPEG or PNG.
fn picture(
    bytes: &[u8],
    format: ImageFormat,
    options: &Options,
) -> std::result::Result<Film, String> {
    whole(bytes, format)?;
    let reason = |error: ImageError| format!("cannot be decoded: {error}");
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.no_limits();
    let mut decoder = reader.into_decoder().map_err(reason)?;
    let (width, height) = decoder.dimensions();
    let color = decoder.color_type();
    // The picture, and the coefficients of a progressive JPEG or the values of a deep film.
    options
        .limits
        .check(width, height, 3 * u64::from(color.bytes_per_pixel()))?;
    let components = jpeg::header(bytes).map_or(0, |header| header.components.len());
    if format == ImageFormat::Jpeg && components == 4 {
        return Err("is a JPEG in CMYK, for printing: save it in grey".into());
    }
    let mut bounds = image::Limits::no_limits();
    bounds.max_alloc = Some(options.limits.bytes);
    decoder.set_limits(bounds).map_err(reason)?;
    let image = DynamicImage::from_decoder(decoder).map_err(reason)?;
    grey(image, options.window)
}

/// JPEG decoders fill what is missing at the end with grey: a film without its end marker is refused.
fn whole(bytes: &[u8], format: ImageFormat) -> std::result::Result<(), String> {
    let end_of_image = || {
        bytes
            .windows(2)
            .rev()
            .take(1 << 16)
            .any(|w| w == [0xff, 0xd9])
    };
    if format == ImageFormat::Jpeg && !end_of_image() {
        return Err("is cut short: the end of the JPEG is missing".into());
    }
    Ok(())
}

fn grey(image: DynamicImage, window: Window) -> std::result::Result<Film, String> {
    let (width, height) = (image.width(), image.height());
    let pixels = match image {
        DynamicImage::ImageLuma8(grey) => grey.into_raw(),
        DynamicImage::ImageLumaA8(grey) => grey.pixels().map(|p| p.0[0]).collect(),
        DynamicImage::ImageLuma16(deep) => return deepened(width, height, deep.into_raw(), window),
        DynamicImage::ImageLumaA16(deep) => {
            let values = deep.pixels().map(|p| p.0[0]).collect();
            return deepened(width, height, values, window);
        }
        colour => colour.into_rgb8().pixels().map(|p| luma(p.0)).collect(),
    };
    Ok(Film {
        width,
        height,
        pixels,
    })
}

fn deepened(
    width: u32,
    height: u32,
    values: Vec<u16>,
    window: Window,
) -> std::result::Result<Film, String> {
    let tone = Tone {
        bits: 16,
        ..Tone::default()
    };
    Deep {
        width,
        height,
        values,
        tone,
    }
    .film(window)
}

/// ITU-R 601 luma in the fixed point that Pillow uses.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000) >> 16) as u8
}
