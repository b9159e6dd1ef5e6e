//! The one way from a film's file to its square.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decode::{from_file, guarded};
use crate::source::Source;
use crate::{Film, Fit, Grey, Greys, Limits, Result, Window, square};

/// How films become squares. A prepared store keeps it, and so does an encoder trained on the store: a film that is read by it
/// for prediction has the very pixels that preparation gave it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Squaring {
    /// Side of the squares in pixels, at least 1.
    #[schemars(range(min = 1))]
    pub side: u32,
    /// How a film that is not square becomes one.
    pub fit: Fit,
    /// What becomes black and white.
    pub window: Window,
    /// Bits of a pixel.
    pub depth: Depth,
}

/// Bits of a pixel, in files 8 or 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u8", into = "u8")]
#[schemars(with = "u8")]
pub enum Depth {
    /// 8.
    #[default]
    Eight,
    /// 16: films with more than 8 bits keep them.
    Sixteen,
}

impl From<Depth> for u8 {
    fn from(depth: Depth) -> u8 {
        match depth {
            Depth::Eight => 8,
            Depth::Sixteen => 16,
        }
    }
}

impl TryFrom<u8> for Depth {
    type Error = String;

    fn try_from(bits: u8) -> std::result::Result<Depth, String> {
        match bits {
            8 => Ok(Depth::Eight),
            16 => Ok(Depth::Sixteen),
            other => Err(format!("a depth of {other} bits: give 8 or 16")),
        }
    }
}

impl std::fmt::Display for Squaring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Squaring {
            side,
            fit,
            window,
            depth,
        } = self;
        let fit = match fit {
            Fit::Pad => "padded",
            Fit::Crop => "cropped",
        };
        write!(
            f,
            "{side} px, {fit}, window {window}, {} bits",
            u8::from(*depth)
        )
    }
}

/// A film's square, and what its file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Squared {
    /// `side` · `side` pixels, row by row, in the depth asked for.
    pub greys: Greys,
    /// Columns of the film.
    pub width: u32,
    /// Rows of the film.
    pub height: u32,
}

impl Squaring {
    /// The square of `side` pixels in 8 bits, by the default window.
    pub fn new(side: u32, fit: Fit) -> Squaring {
        Squaring {
            side,
            fit,
            window: Window::default(),
            depth: Depth::default(),
        }
    }

    /// The square of the film in a file, of what [`decode_with`](crate::decode_with) reads.
    ///
    /// It is that of the whole film but for large JPEGs, in DICOM files too: where the window allows, these are decoded at 1/8 to
    /// 4/8 of their size, at 4/3 or more of what the square needs, and then resampled by the area filter. That changes a
    /// pixel by half a grey level of 255 on average; of 178 real films, the most changed one by 2.3.
    ///
    /// # Errors
    /// As [`decode_with`](crate::decode_with).
    pub fn read(&self, path: &Path, limits: &Limits) -> Result<Squared> {
        from_file(path, limits, |bytes| self.square(bytes, limits))
    }

    /// As [`Self::read`], for the content of a file; the error says what is wrong with it.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn decode(&self, bytes: &[u8], limits: &Limits) -> std::result::Result<Squared, String> {
        guarded(|| self.square(bytes, limits))
    }

    fn square(&self, bytes: &[u8], limits: &Limits) -> std::result::Result<Squared, String> {
        let source = Source::open(bytes, limits)?;
        let (width, height) = (source.width, source.height);
        let greys = match self.depth {
            Depth::Eight => u8::greys(source.square(self)?.pixels),
            Depth::Sixteen => u16::greys(source.square(self)?.pixels),
        };
        Ok(Squared {
            greys,
            width,
            height,
        })
    }

    /// The square of a film in memory, in 8 bits; its window was chosen when it was decoded.
    pub fn of(&self, film: &Film) -> Film {
        square(film, self.side, self.fit)
    }
}
