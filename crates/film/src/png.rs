//! Reads and writes PNG files.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::source::{Raw, Source, Values};
use crate::tone::Tone;

/// The first bytes of a PNG.
pub(crate) const START: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Decodes a PNG. Colour becomes luma, transparency is dropped.
pub(crate) fn open(bytes: &[u8], limits: &Limits) -> std::result::Result<Source<'static>, String> {
    let reason = |error: ImageError| format!("cannot be decoded: {error}");
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    reader.no_limits();
    let mut decoder = reader.into_decoder().map_err(reason)?;
    let (width, height) = decoder.dimensions();
    // Memory for the picture in the file's format, and in grey.
    let bytes_per_pixel = 3 * u64::from(decoder.color_type().bytes_per_pixel());
    limits.check(width, height, bytes_per_pixel)?;
    let mut decoder_limits = image::Limits::no_limits();
    decoder_limits.max_alloc = Some(limits.bytes);
    decoder.set_limits(decoder_limits).map_err(reason)?;
    let image = DynamicImage::from_decoder(decoder).map_err(reason)?;
    let values = grey(image);
    let bits = match values {
        Raw::Eight(_) => 8,
        Raw::Sixteen(_) => 16,
    };
    let tone = Tone::unsigned(bits);
    Ok(Source::new([width, height], tone, Values::Decoded(values)))
}

/// Encodes a picture as a PNG. `path` only appears in the error.
///
/// # Errors
/// If the picture has no pixels.
pub fn encode_png(picture: &DynamicImage, path: &Path) -> Result<Vec<u8>> {
    let mut png = Cursor::new(Vec::new());
    picture
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|e| Error::Film {
            path: path.to_owned(),
            reason: format!("the picture cannot be encoded: {e}"),
        })?;
    Ok(png.into_inner())
}

fn grey(image: DynamicImage) -> Raw<'static> {
    let eight = |values: Vec<u8>| Raw::Eight(values.into());
    let sixteen = |values: Vec<u16>| Raw::Sixteen(values.into());
    match image {
        DynamicImage::ImageLuma8(grey) => eight(grey.into_raw()),
        DynamicImage::ImageLumaA8(grey) => eight(grey.pixels().map(|p| p.0[0]).collect()),
        DynamicImage::ImageLuma16(deep) => sixteen(deep.into_raw()),
        DynamicImage::ImageLumaA16(deep) => sixteen(deep.pixels().map(|p| p.0[0]).collect()),
        DynamicImage::ImageRgb16(deep) => sixteen(deep.pixels().map(|p| luma(p.0)).collect()),
        DynamicImage::ImageRgba16(deep) => {
            let luma = |p: &image::Rgba<u16>| luma([p.0[0], p.0[1], p.0[2]]);
            sixteen(deep.pixels().map(luma).collect())
        }
        colour => {
            let luma = |p: &image::Rgb<u8>| luma(p.0.map(u16::from)) as u8;
            eight(colour.into_rgb8().pixels().map(luma).collect())
        }
    }
}

/// ITU-R 601 luma of values of 8 or 16 bits, in the fixed-point arithmetic of Pillow. The weights
/// add up to 65,536, so the luma has no more bits than the values.
fn luma([r, g, b]: [u16; 3]) -> u16 {
    let weighted = u64::from(r) * 19_595 + u64::from(g) * 38_470 + u64::from(b) * 7471;
    ((weighted + 0x8000) >> 16) as u16
}
