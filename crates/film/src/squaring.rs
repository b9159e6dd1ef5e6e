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
use crate::source::Source;
use crate::square::square;
use crate::squeeze;
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
            Fit::Squeeze => "squeezed",
            Fit::Official => "inside its black borders, stretched and squeezed",
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
    /// The part of the film that the square shows, where the film's content decides it
    /// ([`Fit::Official`]): left and upper edge, columns and rows.
    pub part: Option<[u32; 4]>,
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
    /// Large JPEGs, in DICOM files too, are decoded at 1/8 to 4/8 of their size where fit and
    /// window allow it and the decoded film is at least 4/3 as large as its image in the square.
    /// The area filter then resamples them. This changes a pixel by half a grey level of 255 on
    /// average; in 178 real films, the largest change of a film was 2.3. All other films are
    /// decoded whole.
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

    /// Where a film of this size lies in its square. `part` is the part of the film that the square
    /// shows, where the film's content decides it ([`Squared::part`]).
    ///
    /// # Errors
    /// If a side of the film or of the square is 0, or if `part` does not lie on the film.
    pub fn placement(&self, size: [u32; 2], part: Option<[u32; 4]>) -> Result<Placement> {
        let [width, height] = size;
        let placement = Placement::new(width, height, self.side, self.fit)?;
        match part {
            Some(part) => placement.with_part(part),
            None => Ok(placement),
        }
    }

    fn square(&self, bytes: &[u8], limits: &Limits) -> std::result::Result<Squared, String> {
        let source = open(bytes, self.frame, limits)?;
        match self.depth {
            Depth::Eight => self.squared::<u8>(source),
            Depth::Sixteen => self.squared::<u16>(source),
        }
    }

    /// The square of a source, in pixels of the type `P`.
    fn squared<P: Grey>(&self, source: Source<'_>) -> std::result::Result<Squared, String> {
        let [width, height] = source.size();
        let placement = self.placement([width, height], None);
        let placement = placement.map_err(|e| e.to_string())?;
        let (square, part, remarks) = match self.fit {
            Fit::Pad | Fit::Crop => {
                let (square, remarks) = source.square::<P>(&placement, self.window)?;
                (square, None, remarks)
            }
            Fit::Squeeze => {
                let (film, remarks) = source.film::<P>(self.window)?;
                (squeeze::squeezed(&film, self.side), None, remarks)
            }
            Fit::Official => {
                let (film, remarks) = source.film::<P>(self.window)?;
                let part = squeeze::inside_borders(&film);
                if squeeze::has_one_grey(&film, part) {
                    return Err(ONE_GREY.into());
                }
                let square = squeeze::stretched(&film, part, self.side);
                (square, Some(part), remarks)
            }
        };
        Ok(Squared {
            greys: P::into_greys(square.pixels),
            side: self.side,
            width,
            height,
            part,
            remarks,
        })
    }
}

/// The error for a film without a picture inside its black borders.
const ONE_GREY: &str = "is blank: all its pixels inside the black borders have one grey; check the \
                        file, or leave the film out";
