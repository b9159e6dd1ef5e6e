//! From a film's file to its square.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decode::{catch_panic, read_file};
use crate::error::Result;
use crate::film::{Film, Grey, Greys};
use crate::geometry::{Fit, Placement};
use crate::limits::Limits;
use crate::open::open;
use crate::remark::Remark;
use crate::square::square;
use crate::tone::Window;

/// How films become squares.
///
/// A prepared store keeps its `Squaring`, and so does an encoder that was trained on the store.
/// Prediction reads films with the same `Squaring`, so it gets exactly the pixels that preparation
/// got.
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
    /// Which frame of a DICOM file with several frames is read, from 1; `None`: the first, with a
    /// remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub frame: Option<u32>,
}

/// Bits of a pixel, written to files as the number 8 or 16.
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
            other => Err(format!(
                "a depth of {other} bits is not supported: give 8 or 16"
            )),
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
            frame,
        } = self;
        let fit = match fit {
            Fit::Pad => "padded",
            Fit::Crop => "cropped",
        };
        write!(
            f,
            "{side} px, {fit}, window {window}, {} bits",
            u8::from(*depth)
        )?;
        match frame {
            Some(frame) => write!(f, ", frame {frame}"),
            None => Ok(()),
        }
    }
}

/// A film's square, and what is known about the film.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Squared {
    /// `side` · `side` pixels, row by row, in the depth of the [`Squaring`].
    pub greys: Greys,
    /// Side of the square in pixels.
    pub side: u32,
    /// Columns of the upright film.
    pub width: u32,
    /// Rows of the upright film.
    pub height: u32,
    /// What is unusual about the film.
    pub remarks: Vec<Remark>,
}

impl Squared {
    /// The remark that the file is no chest film, if it says so.
    pub fn not_chest(&self) -> Option<&Remark> {
        let is_other = |remark: &&Remark| matches!(remark, Remark::NotChest(_));
        self.remarks.iter().find(is_other)
    }

    /// The square in 8 bits, as a film of its own.
    pub fn into_film(self) -> Film {
        Film {
            width: self.side,
            height: self.side,
            pixels: self.greys.into_eight(),
        }
    }
}

impl Squaring {
    /// Squares of `side` pixels in 8 bits, by the default window.
    pub fn new(side: u32, fit: Fit) -> Squaring {
        Squaring {
            side,
            fit,
            window: Window::default(),
            depth: Depth::default(),
            frame: None,
        }
    }

    /// Reads the film in a file and makes its square. Formats are those of
    /// [`decode_with`](crate::decode_with).
    ///
    /// Large JPEGs, in DICOM files too, are decoded at 1/8 to 4/8 of their size where the window
    /// allows it and the decoded film is at least 4/3 as large as its image in the square. The area
    /// filter then resamples them. This changes a pixel by half a grey level of 255 on average; in
    /// 178 real films, the largest change of a film was 2.3. All other films are decoded whole.
    ///
    /// # Errors
    /// As [`decode_with`](crate::decode_with), and if `side` is 0.
    pub fn read(&self, path: &Path, limits: &Limits) -> Result<Squared> {
        read_file(path, limits, |bytes| self.square(bytes, limits))
    }

    /// As [`Self::read`], for the content of a file. The error is only the reason, without a file
    /// name.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn decode(&self, bytes: &[u8], limits: &Limits) -> std::result::Result<Squared, String> {
        catch_panic(|| self.square(bytes, limits))
    }

    /// The square of a decoded film, in 8 bits. The window is not applied again: it was applied
    /// when the film was decoded.
    pub fn square_film(&self, film: &Film) -> Film {
        square(film, self.side, self.fit)
    }

    /// Where a film of this size lies in its square.
    ///
    /// # Errors
    /// If a side of the film or of the square is 0.
    pub fn placement(&self, [width, height]: [u32; 2]) -> Result<Placement> {
        Placement::new(width, height, self.side, self.fit)
    }

    fn square(&self, bytes: &[u8], limits: &Limits) -> std::result::Result<Squared, String> {
        let source = open(bytes, self.frame, limits)?;
        let [width, height] = source.size();
        let placement = self.placement([width, height]).map_err(|e| e.to_string())?;
        let (greys, remarks) = match self.depth {
            Depth::Eight => greys::<u8>(source.square(&placement, self.window)?),
            Depth::Sixteen => greys::<u16>(source.square(&placement, self.window)?),
        };
        Ok(Squared {
            greys,
            side: self.side,
            width,
            height,
            remarks,
        })
    }
}

/// The pixels of a square without their type, beside the remarks.
fn greys<P: Grey>((square, remarks): (Film<P>, Vec<Remark>)) -> (Greys, Vec<Remark>) {
    (P::into_greys(square.pixels), remarks)
}
