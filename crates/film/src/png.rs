//! PNG.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use crate::Limits;
use crate::source::{Raw, Source, Values};
use crate::tone::Tone;

/// How a PNG begins.
pub(crate) const START: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// The film in a PNG: colour becomes luma, transparency is dropped.
pub(crate) fn open(bytes: &[u8], limits: &Limits) -> Result<Source<'static>, String> {
    let reason = |error: ImageError| format!("cannot be decoded: {error}");
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    reader.no_limits();
    let mut decoder = reader.into_decoder().map_err(reason)?;
    let (width, height) = decoder.dimensions();
    // The picture as the file has it, and in grey.
    let each = 3 * u64::from(decoder.color_type().bytes_per_pixel());
    limits.check(width, height, each)?;
    let mut bounds = image::Limits::no_limits();
    bounds.max_alloc = Some(limits.bytes);
    decoder.set_limits(bounds).map_err(reason)?;
    let image = DynamicImage::from_decoder(decoder).map_err(reason)?;
    let values = grey(image);
    let bits = match values {
        Raw::Eight(_) => 8,
        Raw::Sixteen(_) => 16,
    };
    Ok(Source {
        width,
        height,
        tone: Tone::of_bits(bits),
        values: Values::Decoded(values),
    })
}

fn grey(image: DynamicImage) -> Raw<'static> {
    let eight = |values: Vec<u8>| Raw::Eight(values.into());
    let sixteen = |values: Vec<u16>| Raw::Sixteen(values.into());
    match image {
        DynamicImage::ImageLuma8(grey) => eight(grey.into_raw()),
        DynamicImage::ImageLumaA8(grey) => eight(grey.pixels().map(|p| p.0[0]).collect()),
        DynamicImage::ImageLuma16(deep) => sixteen(deep.into_raw()),
        DynamicImage::ImageLumaA16(deep) => sixteen(deep.pixels().map(|p| p.0[0]).collect()),
        colour => eight(colour.into_rgb8().pixels().map(|p| luma(p.0)).collect()),
    }
}

/// ITU-R 601 luma in the fixed point that Pillow uses.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000) >> 16) as u8
}
