//! JPEG-LS, decoded by CharLS.

use charls::CharLS;

use super::frame::{Coded, Decoded};
use super::size::PixelFormat;

/// Decodes a grey `frame`.
pub(super) fn decode(frame: &[u8], format: &PixelFormat) -> Result<Decoded, String> {
    let failed = |e: charls::Error| format!("its JPEG-LS cannot be decoded: {e}");
    let info = CharLS::default().get_frame_info(frame).map_err(failed)?;
    format.check_frame_size(info.width, info.height)?;
    if info.component_count != 1 {
        return Err("its JPEG-LS is in colour, which is not supported: convert it to grey".into());
    }
    let bytes = CharLS::default().decode(frame).map_err(failed)?;
    let values = if info.bits_per_sample <= 8 {
        bytes.into_iter().map(u16::from).collect()
    } else {
        let pairs = bytes.as_chunks().0;
        pairs.iter().map(|b| u16::from_ne_bytes(*b)).collect()
    };
    Ok(Decoded {
        values,
        channels: 1,
        coded: Coded::unsigned(info.bits_per_sample as u32),
    })
}
