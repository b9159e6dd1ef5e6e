//! Decodes JPEGs by libjpeg, at any number of eighths of their size.
//!
//! libjpeg decodes small pictures straight from the coefficients of each block of 8×8 pixels. At
//! 1/8, a pixel is the mean of a block. Most films become squares from that size, so [`blocks`]
//! decodes it faster where it can, with the same result.

mod bits;
mod blocks;
#[cfg(feature = "dicom")]
mod deep;
mod errors;
mod header;
mod huffman;

use std::borrow::Cow;

use mozjpeg::{ColorSpace, Decompress};

#[cfg(feature = "dicom")]
pub(crate) use deep::{DEEP_BITS, deep};

use crate::limits::Limits;
pub(crate) use header::segments;

use errors::{catch_refusal, error_manager};

/// The first bytes of a JPEG.
pub(crate) const START: [u8; 2] = [0xff, 0xd8];
/// The marker that starts a scan.
const SCAN: [u8; 2] = [0xff, 0xda];
/// Most scans of a JPEG. Progressive ones have about ten. Each scan, even an empty one, costs a
/// pass over the whole picture.
const MAX_SCANS: usize = 256;

/// A JPEG whose header was read.
pub(crate) struct Jpeg<'a> {
    bytes: Cow<'a, [u8]>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Whether the file is in grey, not in colour.
    #[cfg(feature = "dicom")]
    pub(crate) grey: bool,
}

impl<'a> Jpeg<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// If the JPEG is damaged, exceeds the limits, or is in CMYK.
    pub(crate) fn open(bytes: Cow<'a, [u8]>, limits: &Limits) -> Result<Jpeg<'a>, String> {
        let (width, height, colours) = catch_refusal(|| {
            let header = Decompress::with_err(error_manager()).from_mem(&bytes)?;
            Ok((
                header.width() as u32,
                header.height() as u32,
                header.color_space(),
            ))
        })?;
        // Bytes a pixel for the picture, and for the coefficients of a progressive JPEG.
        let grey = colours == ColorSpace::JCS_GRAYSCALE;
        limits.check(width, height, if grey { 3 } else { 9 })?;
        if matches!(colours, ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK) {
            return Err(
                "is a JPEG in CMYK (printing colours), which is not supported: save it in grey"
                    .into(),
            );
        }
        Ok(Jpeg {
            bytes,
            width,
            height,
            #[cfg(feature = "dicom")]
            grey,
        })
    }

    /// The same JPEG, with its bytes copied if they are borrowed.
    #[cfg(feature = "dicom")]
    pub(crate) fn into_owned(self) -> Jpeg<'static> {
        Jpeg {
            bytes: Cow::Owned(self.bytes.into_owned()),
            ..self
        }
    }

    /// Decodes the picture in grey, at `eighths`/8 of its size (1 to 8). Returns the number of
    /// columns and the pixels, row by row. Sides are rounded up, so the last pixels may reach
    /// beyond the picture.
    pub(crate) fn decode(&self, eighths: u8) -> Result<(u32, Vec<u8>), String> {
        if eighths == 1
            && let Some(means) = blocks::means(&self.bytes)
        {
            return Ok((self.width.div_ceil(8), means));
        }
        self.by_libjpeg(eighths)
    }

    /// Decodes a picture in colour: three values a pixel, red, green and blue, or, as most JPEGs
    /// store them, brightness and two of colour.
    #[cfg(feature = "dicom")]
    pub(crate) fn channels(&self) -> Result<Vec<u8>, String> {
        self.check_scans()?;
        catch_refusal(|| {
            let picture = Decompress::with_err(error_manager()).from_mem(&self.bytes)?;
            let stored = picture.color_space();
            let mut picture = picture.to_colorspace(stored)?;
            let pixels: Vec<[u8; 3]> = picture.read_scanlines()?;
            picture.finish()?;
            Ok(pixels.into_flattened())
        })
    }

    fn check_scans(&self) -> Result<(), String> {
        if self.bytes.windows(2).filter(|w| *w == SCAN).count() > MAX_SCANS {
            return Err(format!("is damaged: it has more than {MAX_SCANS} scans"));
        }
        Ok(())
    }

    fn by_libjpeg(&self, eighths: u8) -> Result<(u32, Vec<u8>), String> {
        self.check_scans()?;
        catch_refusal(|| {
            let mut picture = Decompress::with_err(error_manager()).from_mem(&self.bytes)?;
            picture.scale(eighths);
            let mut picture = picture.grayscale()?;
            let pixels = picture.read_scanlines()?;
            let columns = picture.width() as u32;
            picture.finish()?;
            Ok((columns, pixels))
        })
    }
}

/// The bits of a value that the frame header of a JPEG states; `None` if it has no header.
#[cfg(feature = "dicom")]
pub(crate) fn bits(bytes: &[u8]) -> Option<u32> {
    // Frame headers of all kinds of coding; the markers between them are no frame headers.
    let frame = segments(bytes).find(|segment| {
        matches!(segment.marker, 0xc0..=0xcf) && !matches!(segment.marker, 0xc4 | 0xc8 | 0xcc)
    })?;
    Some(u32::from(*frame.content.first()?))
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
    fn block_means_equal_those_of_libjpeg() {
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

        /// From uniform blocks to noise with all 64 coefficients, and codes of all lengths.
        #[test]
        fn block_means_of_any_picture_equal_those_of_libjpeg(
            width in 1u16..90,
            height in 1u16..60,
            quality in 1u8..=100,
            contrast in 0u32..=255,
            seed: u32,
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
        fn damaged_blocks_are_left_to_libjpeg_or_equal_its_result(at in 0usize..20_000, to: u8) {
            for name in ["large.jpg", "restart.jpg", "tables.jpg"] {
                let mut bytes = golden(name);
                let index = at % bytes.len();
                bytes[index] = to;
                let limits = Limits { side: 2000, bytes: 1 << 26 };
                let jpeg = Jpeg::open(Cow::Borrowed(&bytes), &limits);
                if let (Some(means), Ok(jpeg)) = (blocks::means(&bytes), jpeg) {
                    prop_assert_eq!(Ok(means), jpeg.by_libjpeg(1).map(|(_, means)| means));
                }
            }
        }
    }
}
