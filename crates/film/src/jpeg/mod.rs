//! JPEGs by libjpeg, at any number of eighths of their size.
//!
//! libjpeg decodes small straight from the coefficients of a block (its pixels at 1/8 are the means of whole blocks). That size,
//! from which most films become squares, [`blocks`] reads faster where it can, with the same result.

mod bits;
mod blocks;
mod errors;
mod header;
mod huffman;

use std::borrow::Cow;

use mozjpeg::{ColorSpace, Decompress};

use crate::decode::Limits;
use errors::{caught, manager};

/// How a JPEG begins.
pub(crate) const START: [u8; 2] = [0xff, 0xd8];
/// Start of a scan: a progressive JPEG has ten or so. Each costs a walk over the whole picture, even an empty one.
const SCAN: [u8; 2] = [0xff, 0xda];
const SCANS: usize = 256;

/// A JPEG whose header is read.
pub(crate) struct Jpeg<'a> {
    bytes: Cow<'a, [u8]>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Whether it is grey by itself.
    pub(crate) grey: bool,
}

impl<'a> Jpeg<'a> {
    /// # Errors
    /// If it is damaged, beyond the limits or of a kind that is not read.
    pub(crate) fn open(bytes: Cow<'a, [u8]>, limits: &Limits) -> Result<Jpeg<'a>, String> {
        let (width, height, colours) = caught(|| {
            let header = Decompress::with_err(manager()).from_mem(&bytes)?;
            Ok((
                header.width() as u32,
                header.height() as u32,
                header.color_space(),
            ))
        })?;
        // The picture, and the coefficients of a progressive one.
        let grey = colours == ColorSpace::JCS_GRAYSCALE;
        limits.check(width, height, if grey { 3 } else { 9 })?;
        if matches!(colours, ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK) {
            return Err("is a JPEG in CMYK, for printing: save it in grey".into());
        }
        Ok(Jpeg {
            bytes,
            width,
            height,
            grey,
        })
    }

    /// The picture in grey at `eighths`/8 of its size, 1 to 8, row by row, and its columns. Its sides are rounded up:
    /// the last pixels may reach beyond the picture.
    pub(crate) fn decode(&self, eighths: u8) -> Result<(u32, Vec<u8>), String> {
        if eighths == 1
            && let Some(means) = blocks::means(&self.bytes)
        {
            return Ok((self.width.div_ceil(8), means));
        }
        self.by_libjpeg(eighths)
    }

    fn by_libjpeg(&self, eighths: u8) -> Result<(u32, Vec<u8>), String> {
        if self.bytes.windows(2).filter(|w| *w == SCAN).count() > SCANS {
            return Err(format!("has more than {SCANS} scans: damaged"));
        }
        caught(|| {
            let mut picture = Decompress::with_err(manager()).from_mem(&self.bytes)?;
            picture.scale(eighths);
            let mut picture = picture.grayscale()?;
            let pixels = picture.read_scanlines()?;
            let columns = picture.width() as u32;
            picture.finish()?;
            Ok((columns, pixels))
        })
    }
}

#[cfg(test)]
mod tests {
    use image::ExtendedColorType::L8;
    use image::codecs::jpeg::JpegEncoder;
    use proptest::prelude::*;

    use super::*;

    fn golden(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/film/");
        std::fs::read(format!("{folder}{name}")).unwrap()
    }

    fn by_libjpeg(bytes: &[u8]) -> Vec<u8> {
        let jpeg = Jpeg::open(Cow::Borrowed(bytes), &Limits::default()).unwrap();
        jpeg.by_libjpeg(1).unwrap().1
    }

    #[test]
    fn means_of_blocks_are_those_of_libjpeg() {
        for name in ["grey.jpg", "large.jpg", "tables.jpg", "restart.jpg"] {
            let bytes = golden(name);
            assert_eq!(blocks::means(&bytes), Some(by_libjpeg(&bytes)), "{name}");
        }
        for name in ["colour.jpg", "progressive.jpg", "cmyk.jpg", "grey.png"] {
            assert_eq!(blocks::means(&golden(name)), None, "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// From even blocks to noise with all 64 coefficients, and all codes from the shortest to the longest.
        #[test]
        fn means_of_any_blocks_are_those_of_libjpeg(
            width in 1u16..90, height in 1u16..60, quality in 1u8..=100, contrast in 0u32..=255, seed: u32,
        ) {
            let mut state = seed;
            let pixels: Vec<u8> = (0..u32::from(width) * u32::from(height))
                .map(|i| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    ((i / 7) % 200 + (state >> 24) * contrast / 255).min(255) as u8
                })
                .collect();
            let mut bytes = Vec::new();
            JpegEncoder::new_with_quality(&mut bytes, quality)
                .encode(&pixels, width.into(), height.into(), L8)
                .unwrap();
            prop_assert_eq!(blocks::means(&bytes), Some(by_libjpeg(&bytes)));
        }

        #[test]
        fn damaged_blocks_are_left_to_libjpeg_or_the_same(at in 0usize..20_000, to: u8) {
            for name in ["large.jpg", "restart.jpg", "tables.jpg"] {
                let mut bytes = golden(name);
                let place = at % bytes.len();
                bytes[place] = to;
                let (found, limits) = (blocks::means(&bytes), Limits { side: 2000, bytes: 1 << 26 });
                if let (Some(found), Ok(jpeg)) = (found, Jpeg::open(Cow::Borrowed(&bytes), &limits)) {
                    prop_assert_eq!(Ok(found), jpeg.by_libjpeg(1).map(|(_, means)| means));
                }
            }
        }
    }
}
