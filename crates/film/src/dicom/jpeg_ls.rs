//! JPEG-LS, decoded by CharLS.

use charls::CharLS;

use super::size::{COLOUR, PixelFormat};

/// Decodes the values of `frame`.
pub(super) fn decode(frame: &[u8], format: &PixelFormat) -> Result<Vec<u16>, String> {
    let failed = |e: charls::Error| format!("its JPEG-LS cannot be decoded: {e}");
    let info = CharLS::default().get_frame_info(frame).map_err(failed)?;
    format.check_frame_size(info.width, info.height)?;
    if info.component_count != 1 {
        return Err(COLOUR.into());
    }
    let bytes = CharLS::default().decode(frame).map_err(failed)?;
    if info.bits_per_sample <= 8 {
        return Ok(bytes.into_iter().map(u16::from).collect());
    }
    let pairs = bytes.as_chunks().0;
    Ok(pairs.iter().map(|b| u16::from_ne_bytes(*b)).collect())
}
