//! Size and pixel format of a DICOM picture, and checks of compressed frames against them.

use dicom_dictionary_std::tags;

use super::elements::Elements;

/// Size and pixel format as the file's elements state them.
pub(super) struct PixelFormat {
    /// Columns.
    pub(super) width: u16,
    /// Rows.
    pub(super) height: u16,
    /// Number of Frames, at least 1.
    pub(super) frames: u32,
    /// Bits Allocated: 8 or 16 bits a value.
    pub(super) allocated: u16,
    /// Bits Stored: 1 to `allocated`.
    pub(super) stored: u16,
    /// High Bit: the bit of a word in which the highest stored bit lies.
    pub(super) high: u16,
    /// Pixel Representation: whether values are in two's complement.
    pub(super) signed: bool,
    pub(super) colours: Colours,
    /// Planar Configuration: whether each channel lies in a plane of its own.
    pub(super) planar: bool,
}

/// Photometric Interpretation: what the values of a pixel mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    /// MONOCHROME1 and MONOCHROME2.
    Grey,
    /// PALETTE COLOR: indices of a table of colours.
    Palette,
    /// Three channels: red, green and blue, or brightness and two of colour.
    Channels,
    /// YBR_FULL_422: as [`Colours::Channels`], but two pixels share their colour.
    SharedColour,
}

impl PixelFormat {
    /// Reads the format from the file's elements.
    ///
    /// # Errors
    /// If an element is missing, or the picture has another number of channels or bits than films
    /// have.
    pub(super) fn read(elements: &Elements<'_>) -> Result<PixelFormat, String> {
        let allocated = elements.required_word(tags::BITS_ALLOCATED, "Bits Allocated")?;
        if allocated != 8 && allocated != 16 {
            return Err(format!(
                "has {allocated} bits a pixel: films have 8 or 16 allocated"
            ));
        }
        let stored = elements.word(tags::BITS_STORED).unwrap_or(allocated);
        let high = elements.word(tags::HIGH_BIT);
        let high = high.unwrap_or(stored.saturating_sub(1));
        if stored == 0 || high >= allocated || high + 1 < stored {
            return Err(format!(
                "is damaged: {stored} bits up to bit {high} do not fit into {allocated} bits a \
                 pixel"
            ));
        }
        let frames = elements.number(tags::NUMBER_OF_FRAMES).unwrap_or(1.0);
        Ok(PixelFormat {
            width: elements.required_word(tags::COLUMNS, "Columns")?,
            height: elements.required_word(tags::ROWS, "Rows")?,
            frames: (frames as u32).max(1),
            allocated,
            stored,
            high,
            signed: elements.word(tags::PIXEL_REPRESENTATION) == Some(1),
            colours: Colours::read(elements)?,
            planar: elements.word(tags::PLANAR_CONFIGURATION) == Some(1),
        })
    }

    /// Pixels of a frame.
    pub(super) fn pixels(&self) -> usize {
        usize::from(self.width) * usize::from(self.height)
    }

    /// Channels of a pixel, 1 or 3.
    pub(super) fn channels(&self) -> usize {
        match self.colours {
            Colours::Grey | Colours::Palette => 1,
            Colours::Channels | Colours::SharedColour => 3,
        }
    }

    /// Values of an uncompressed frame.
    pub(super) fn native_values(&self) -> usize {
        match self.colours {
            Colours::SharedColour => 2 * self.pixels(),
            _ => self.channels() * self.pixels(),
        }
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

impl Colours {
    fn read(elements: &Elements<'_>) -> Result<Colours, String> {
        let name = elements.text(tags::PHOTOMETRIC_INTERPRETATION);
        let samples = elements.word(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
        match (name, samples) {
            (None | Some("MONOCHROME1" | "MONOCHROME2"), 1) => Ok(Colours::Grey),
            (Some("PALETTE COLOR"), 1) => Ok(Colours::Palette),
            (Some("RGB" | "YBR_FULL" | "YBR_ICT" | "YBR_RCT"), 3) => Ok(Colours::Channels),
            (Some("YBR_FULL_422"), 3) => Ok(Colours::SharedColour),
            _ => Err(format!("{}: films are grey", in_colour(elements))),
        }
    }
}

/// The beginning of the error for a picture in colour.
pub(super) fn in_colour(elements: &Elements<'_>) -> String {
    let name = elements.text(tags::PHOTOMETRIC_INTERPRETATION);
    let name = name.unwrap_or("no photometric interpretation");
    let samples = elements.word(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    format!("is a picture in colour ({name}, {samples} samples a pixel)")
}
