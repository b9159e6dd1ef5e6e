//! Deflated DICOM files (DICOM PS3.5 annex A.5): the data set after the file meta group is
//! compressed as a whole.

use std::io::Read;

use flate2::read::DeflateDecoder;

use super::elements::{DEFLATED, Start};
use crate::limits::Limits;

/// The file in `bytes`, whose data set begins at `start`, with this inflated; `None` if it is not
/// deflated.
///
/// # Errors
/// If the data set is damaged, or longer than the limit when inflated.
pub(super) fn inflated(
    bytes: &[u8],
    start: &Start,
    limits: &Limits,
) -> Result<Option<Vec<u8>>, String> {
    if start.syntax != DEFLATED {
        return Ok(None);
    }
    let (meta, data) = bytes.split_at(start.at);
    let mut file = meta.to_vec();
    DeflateDecoder::new(data)
        .take(limits.bytes + 1)
        .read_to_end(&mut file)
        .map_err(|e| format!("is damaged: its data set cannot be inflated: {e}"))?;
    if file.len() as u64 > limits.bytes {
        let limit = limits.bytes;
        return Err(format!(
            "has more than {limit} bytes when inflated, which is the limit"
        ));
    }
    Ok(Some(file))
}
