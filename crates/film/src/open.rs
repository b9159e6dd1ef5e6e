//! Opens a film, whatever its format.

use std::borrow::Cow;

use crate::jpeg::{self, Jpeg};
use crate::limits::Limits;
use crate::png;
use crate::source::Source;

#[cfg(feature = "dicom")]
const UNKNOWN_FORMAT: &str = "is neither JPEG nor PNG nor DICOM by its first bytes";
#[cfg(not(feature = "dicom"))]
const UNKNOWN_FORMAT: &str = "is neither JPEG nor PNG by its first bytes";

/// Opens the film in `bytes`, the content of a file. Its first bytes decide the format.
pub(crate) fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Source<'a>, String> {
    #[cfg(feature = "dicom")]
    if crate::dicom::is_dicom(bytes) {
        return crate::dicom::open(bytes, limits);
    }
    if bytes.starts_with(&jpeg::START) {
        return Ok(Source::jpeg(Jpeg::open(Cow::Borrowed(bytes), limits)?));
    }
    if bytes.starts_with(&png::START) {
        return png::open(bytes, limits);
    }
    Err(UNKNOWN_FORMAT.into())
}
