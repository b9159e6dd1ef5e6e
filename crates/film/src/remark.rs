//! Remarks: what is unusual about a film that was read.

use serde::{Deserialize, Serialize};

/// Something unusual about a film that was read all the same. Programs list the remarks of each
/// film and count the films of each [kind](Remark::kind).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Remark {
    /// The file's EXIF data say that the picture is stored lying on its side, upside down or
    /// mirrored. It was turned upright.
    Turned,
    /// The DICOM file does not begin with a file header. Its encoding was guessed.
    NoHeader,
    /// The DICOM file has this many frames. The first was read.
    FirstFrame(u32),
    /// The DICOM file is stored in colour, but all its pixels are grey.
    GreyInColour,
    /// The DICOM file states other bits or another sign than its picture has. The picture counts.
    OtherBits,
    /// Some pixels use bits above those that the DICOM file states, as graphics do. These bits were
    /// left out.
    UpperBits,
    /// The descriptor of a DICOM look-up table does not fit the table's entries, or the picture's
    /// values. The entries and values count.
    TableCorrected,
    /// A DICOM look-up table is incomplete. It was left out.
    TableLeftOut,
    /// The DICOM file's window is not valid: its width is below 1 (of the functions LINEAR_EXACT
    /// and SIGMOID: not above 0), or it has a centre or a width alone. It was left out.
    WindowLeftOut,
    /// The window, look-up table or slope leaves nearly all pixels black or nearly all white. The
    /// full range of the values was used.
    FullRange,
    /// The DICOM file says that it is no chest film: its modality is not radiography, or it shows
    /// another part of the body. Holds both as the file names them.
    NotChest(String),
    /// The DICOM file names this view, which is neither from the front nor from the back.
    OtherView(String),
}

impl Remark {
    /// The kind of the remark: the same words for all films.
    pub fn kind(&self) -> &'static str {
        match self {
            Remark::Turned => "turned upright, as the EXIF orientation says",
            Remark::NoHeader => "no DICOM file header: the encoding was guessed",
            Remark::FirstFrame(_) => "several frames: the first was read (--frame chooses one)",
            Remark::GreyInColour => "stored in colour, but all pixels are grey",
            Remark::OtherBits => {
                "stated bits or sign differ from the picture's: the picture counts"
            }
            Remark::UpperBits => "bits above the stated ones were left out",
            Remark::TableCorrected => "a look-up table's descriptor was wrong: its entries count",
            Remark::TableLeftOut => "an incomplete look-up table was left out",
            Remark::WindowLeftOut => {
                "a window without a centre or without a valid width was left out"
            }
            Remark::NotChest(_) => "not a chest film by its DICOM file",
            Remark::OtherView(_) => "neither PA nor AP view by its DICOM file",
            Remark::FullRange => {
                "its window leaves nearly all pixels black or white: the full range was used"
            }
        }
    }
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Remark::FirstFrame(frames) => write!(f, "{frames} frames, {}", self.kind()),
            Remark::NotChest(said) | Remark::OtherView(said) => {
                write!(f, "{} ({said})", self.kind())
            }
            _ => f.write_str(self.kind()),
        }
    }
}
