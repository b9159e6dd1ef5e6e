//! Limits of the films that are decoded.

/// The largest film that is decoded. A small file can claim a huge picture, so the limits are
/// checked before memory is allocated for the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest width and height in pixels.
    pub side: u32,
    /// Largest size of the file, and the most memory that decoding may allocate, each in bytes.
    pub bytes: u64,
}

/// 16,384 pixels a side and 1 GiB.
impl Default for Limits {
    fn default() -> Self {
        Limits {
            side: 16_384,
            bytes: 1 << 30,
        }
    }
}

impl Limits {
    /// Checks a picture whose decoding allocates `bytes_per_pixel` bytes a pixel.
    ///
    /// # Errors
    /// If the picture has no pixels or exceeds a limit.
    pub(crate) fn check(
        &self,
        width: u32,
        height: u32,
        bytes_per_pixel: u64,
    ) -> Result<(), String> {
        if width == 0 || height == 0 {
            return Err(format!("is damaged: it has {width}×{height} pixels"));
        }
        if width.max(height) > self.side {
            return Err(format!(
                "has {width}×{height} pixels, more than the limit of {} pixels a side",
                self.side
            ));
        }
        let bytes = u64::from(width) * u64::from(height) * bytes_per_pixel;
        if bytes > self.bytes {
            return Err(format!(
                "has {width}×{height} pixels: decoding may take {bytes} bytes, \
                 more than the limit of {}",
                self.bytes
            ));
        }
        Ok(())
    }
}
