//! The EXIF orientation of JPEG and PNG files: how a stored picture must be turned to be upright.

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageBuffer, Luma};

use crate::jpeg;
use crate::source::Raw;

/// The letters before the EXIF data in a JPEG's APP1 segment.
const EXIF: &[u8] = b"Exif\0\0";

/// The orientation that a JPEG states before its first scan. A file without a valid one is upright.
pub(crate) fn of_jpeg(bytes: &[u8]) -> Orientation {
    jpeg_exif(bytes)
        .and_then(Orientation::from_exif_chunk)
        .unwrap_or(Orientation::NoTransforms)
}

/// The EXIF data of a JPEG.
fn jpeg_exif(bytes: &[u8]) -> Option<&[u8]> {
    jpeg::segments(bytes)
        .filter(|segment| segment.marker == 0xe1)
        .find_map(|segment| segment.content.strip_prefix(EXIF))
}

/// The orientation that a PNG states in its chunk eXIf, before or after its pixels. A file without
/// a valid one is upright.
pub(crate) fn of_png(bytes: &[u8]) -> Orientation {
    png_exif(bytes)
        .and_then(Orientation::from_exif_chunk)
        .unwrap_or(Orientation::NoTransforms)
}

/// The EXIF data of a PNG.
fn png_exif(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(8..)?;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        let (content, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        if kind == b"eXIf" {
            return Some(content);
        }
        // Behind the content lies its checksum.
        rest = after.get(4..)?;
    }
}

/// Columns and rows of the upright picture, from those of the stored one.
pub(crate) fn upright_size([width, height]: [u32; 2], orientation: Orientation) -> [u32; 2] {
    // EXIF's 5 to 8 exchange rows and columns.
    if orientation.to_exif() >= 5 {
        [height, width]
    } else {
        [width, height]
    }
}

/// Turns a picture of `width` columns upright.
pub(crate) fn upright(values: Raw<'_>, width: u32, orientation: Orientation) -> Raw<'_> {
    if orientation == Orientation::NoTransforms {
        return values;
    }
    let height = (values.len() / (width as usize).max(1)) as u32;
    let turned = match values {
        Raw::Eight(values) => {
            GrayImage::from_raw(width, height, values.into_owned()).map(DynamicImage::ImageLuma8)
        }
        Raw::Sixteen(values) => {
            ImageBuffer::<Luma<u16>, _>::from_raw(width, height, values.into_owned())
                .map(DynamicImage::ImageLuma16)
        }
    };
    // The values fill the picture, because `height` was computed from them.
    let mut picture = turned.unwrap_or_default();
    picture.apply_orientation(orientation);
    match picture {
        DynamicImage::ImageLuma16(turned) => Raw::Sixteen(turned.into_raw().into()),
        turned => Raw::Eight(turned.into_luma8().into_raw().into()),
    }
}
