//! Image files into grey pixels.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, ImageReader};

use crate::{Error, Film, Result};

/// What a film may be at most: a small file can claim a huge picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest side in pixels.
    pub side: u32,
    /// Bytes that decoding may take.
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

/// The film in a JPEG or PNG file. Colour becomes luma (ITU-R 601, as Pillow's mode L), 16 bits become the upper 8,
/// transparency is dropped.
///
/// # Errors
/// If the file cannot be read, is no such image, is cut short, or is beyond the limits.
pub fn decode(path: &Path, limits: &Limits) -> Result<Film> {
    let bytes = std::fs::read(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    decode_bytes(&bytes, limits).map_err(|reason| Error::Film {
        path: path.to_owned(),
        reason,
    })
}

/// As [`decode`], for the content of a file; the error says what is wrong with it.
///
/// # Errors
/// As [`decode`].
pub fn decode_bytes(bytes: &[u8], limits: &Limits) -> std::result::Result<Film, String> {
    let format = image::guess_format(bytes)
        .ok()
        .filter(|f| matches!(f, ImageFormat::Jpeg | ImageFormat::Png))
        .ok_or("is neither JPEG nor PNG by its first bytes")?;
    whole(bytes, format)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut bounds = image::Limits::default();
    bounds.max_image_width = Some(limits.side);
    bounds.max_image_height = Some(limits.side);
    bounds.max_alloc = Some(limits.bytes);
    reader.limits(bounds);
    match reader.decode() {
        Ok(image) => Ok(grey(image)),
        Err(image::ImageError::Limits(_)) => Err(format!(
            "is larger than the limit of {} pixels a side",
            limits.side
        )),
        Err(error) => Err(format!("cannot be decoded: {error}")),
    }
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

fn grey(image: DynamicImage) -> Film {
    let image = match image {
        DynamicImage::ImageLuma8(grey) => grey,
        colour @ (DynamicImage::ImageRgb8(_) | DynamicImage::ImageRgba8(_)) => {
            let rgb = colour.into_rgb8();
            let luma = rgb.pixels().map(|p| luma(p.0)).collect();
            let (width, height) = rgb.dimensions();
            return Film {
                width,
                height,
                pixels: luma,
            };
        }
        DynamicImage::ImageLuma16(deep) => {
            let (width, height) = deep.dimensions();
            let pixels = deep
                .into_raw()
                .into_iter()
                .map(|v| (v >> 8) as u8)
                .collect();
            return Film {
                width,
                height,
                pixels,
            };
        }
        other => other.into_luma8(),
    };
    let (width, height) = image.dimensions();
    Film {
        width,
        height,
        pixels: image.into_raw(),
    }
}

/// ITU-R 601 luma in the fixed point that Pillow uses.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000) >> 16) as u8
}
