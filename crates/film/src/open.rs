//! Opens a film, whatever its format.

use std::borrow::Cow;

use crate::format::Format;
use crate::jpeg::Jpeg;
use crate::limits::Limits;
use crate::source::Source;
use crate::{orientation, png};

#[cfg(feature = "dicom")]
const FORMATS: &str = "JPEG nor PNG nor DICOM";
#[cfg(not(feature = "dicom"))]
const FORMATS: &str = "JPEG nor PNG";

/// Columns and rows of the upright film in `bytes`, the content of a file. Its pixels are not
/// decoded, and a DICOM file's are not checked.
pub(crate) fn size(bytes: &[u8], limits: &Limits) -> Result<[u32; 2], String> {
    match Format::of(bytes) {
        Format::Png => {
            let stored = png::size(bytes)?;
            Ok(orientation::upright_size(
                stored,
                orientation::of_png(bytes),
            ))
        }
        #[cfg(feature = "dicom")]
        Format::Dicom => crate::dicom::size(bytes, limits),
        _ => Ok(open(bytes, None, limits)?.size()),
    }
}

/// Opens the values of the mask in `bytes`, the content of a file.
pub(crate) fn open_mask<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Source<'a>, String> {
    match Format::of(bytes) {
        Format::Png => Ok(png::open_mask(bytes, limits)?.turned(orientation::of_png(bytes))),
        _ => open(bytes, None, limits),
    }
}

/// Opens the film in `bytes`, the content of a file. Its first bytes decide the format. `frame` is
/// the number of a frame, from 1, for DICOM files that have several.
pub(crate) fn open<'a>(
    bytes: &'a [u8],
    frame: Option<u32>,
    limits: &Limits,
) -> Result<Source<'a>, String> {
    match Format::of(bytes) {
        Format::Jpeg => {
            let jpeg = Jpeg::open(Cow::Borrowed(bytes), limits)?;
            Ok(Source::jpeg(jpeg).turned(orientation::of_jpeg(bytes)))
        }
        Format::Png => Ok(png::open(bytes, limits)?.turned(orientation::of_png(bytes))),
        #[cfg(feature = "dicom")]
        Format::Dicom => crate::dicom::open(bytes, frame, limits),
        #[cfg(not(feature = "dicom"))]
        Format::Dicom => {
            let _ = frame;
            Err("is a DICOM file, which needs the feature dicom".into())
        }
        Format::DicomIndex => {
            Err("is a DICOMDIR, a table of contents: give the films beside it".into())
        }
        Format::Other(kind) => Err(format!(
            "is neither {FORMATS} by its first bytes, but: {kind}"
        )),
    }
}
