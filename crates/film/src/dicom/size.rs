//! Size and pixel format of a DICOM picture, and checks of compressed frames against them.

use dicom_dictionary_std::tags;

use super::elements::Elements;

/// The error for a compressed frame in colour.
pub(super) const COLOUR: &str =
    "its compressed picture is in colour, though the file's elements state a grey one";

/// Size and pixel format as the file's elements state them.
pub(super) struct PixelFormat {
    /// Columns.
    pub(super) width: u16,
    /// Rows.
    pub(super) height: u16,
    /// Bits Allocated: 8 or 16 bits a value.
    pub(super) allocated: u16,
}

impl PixelFormat {
    /// Reads the format from the file's elements.
    ///
    /// # Errors
    /// If an element is missing, or the picture is not grey with 8 or 16 bits a pixel.
    pub(super) fn read(elements: &Elements<'_>) -> Result<PixelFormat, String> {
        let colours = elements.text(tags::PHOTOMETRIC_INTERPRETATION);
        let grey = matches!(colours, None | Some("MONOCHROME1" | "MONOCHROME2"));
        let samples = elements.word(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
        if !grey || samples != 1 {
            let colours = colours.unwrap_or("no photometric interpretation");
            return Err(format!(
                "is a picture in colour ({colours}, {samples} samples a pixel): \
                 films are MONOCHROME1 or MONOCHROME2"
            ));
        }
        let allocated = elements.required_word(tags::BITS_ALLOCATED, "Bits Allocated")?;
        if allocated != 8 && allocated != 16 {
            return Err(format!(
                "has {allocated} bits a pixel: films have 8 or 16 allocated"
            ));
        }
        Ok(PixelFormat {
            width: elements.required_word(tags::COLUMNS, "Columns")?,
            height: elements.required_word(tags::ROWS, "Rows")?,
            allocated,
        })
    }

    /// Pixels of a frame.
    pub(super) fn pixels(&self) -> usize {
        usize::from(self.width) * usize::from(self.height)
    }

    /// Bytes of a value, 1 or 2.
    pub(super) fn bytes_per_value(&self) -> usize {
        usize::from(self.allocated / 8)
    }

    /// Checks the size that a compressed frame claims for itself. The limits were checked for the
    /// size in the file's elements, so a larger frame would exceed them unnoticed.
    ///
    /// # Errors
    /// If the sizes differ.
    pub(super) fn check_frame_size(&self, width: u32, height: u32) -> Result<(), String> {
        if (width, height) == (self.width.into(), self.height.into()) {
            return Ok(());
        }
        Err(format!(
            "is damaged: it holds a picture of {width}×{height}, but its elements state {}×{}",
            self.width, self.height
        ))
    }
}
