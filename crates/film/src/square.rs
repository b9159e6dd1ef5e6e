//! Films of any shape into squares of one size.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Film;

/// How a film that is not square becomes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The longer side fills the square, black bars beside the shorter one.
    #[default]
    Pad,
    /// The shorter side fills the square, what is beyond is cut off on both ends alike.
    Crop,
}

/// A part of a film, in pixels; its edges may cut through some.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Columns.
    pub width: f64,
    /// Rows.
    pub height: f64,
}

impl Area {
    /// The same part of the film at another scale.
    pub(crate) fn scaled(self, by: f64) -> Area {
        Area {
            left: self.left * by,
            top: self.top * by,
            width: self.width * by,
            height: self.height * by,
        }
    }
}

/// Which part of a film goes where in its square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// The part of the film, in whole pixels.
    pub part: Area,
    /// Left edge of it in the square.
    pub left: u32,
    /// Upper edge of it in the square.
    pub top: u32,
    /// Columns of it in the square.
    pub width: u32,
    /// Rows of it in the square.
    pub height: u32,
}

impl Placement {
    /// Of a film of `width` × `height` in a square of `side`, all at least 1. Of an odd rest the larger part, of the bars or
    /// of what is cut off, comes after the middle.
    pub fn new(width: u32, height: u32, side: u32, fit: Fit) -> Placement {
        let (columns, rows) = (f64::from(width), f64::from(height));
        match fit {
            Fit::Pad => {
                let longest = f64::from(width.max(height));
                let scaled = |a: f64| ((a * f64::from(side) / longest).round() as u32).max(1);
                let (width, height) = (scaled(columns), scaled(rows));
                Placement {
                    part: Area {
                        left: 0.0,
                        top: 0.0,
                        width: columns,
                        height: rows,
                    },
                    left: (side - width) / 2,
                    top: (side - height) / 2,
                    width,
                    height,
                }
            }
            Fit::Crop => {
                let shortest = width.min(height);
                let part = Area {
                    left: ((width - shortest) / 2).into(),
                    top: ((height - shortest) / 2).into(),
                    width: shortest.into(),
                    height: shortest.into(),
                };
                Placement {
                    part,
                    left: 0,
                    top: 0,
                    width: side,
                    height: side,
                }
            }
        }
    }
}

/// `film` in a square of `side` pixels, resampled by the area filter: each new pixel is the mean of the area it covers
/// (Pillow's BOX). A film that is smaller grows, pixel by pixel repeated.
/// `side` and the film's sides are at least 1.
pub fn square(film: &Film, side: u32, fit: Fit) -> Film {
    fitted(film.width, film.height, side, fit, |area, width, height| {
        resize(film, area, width, height)
    })
}

/// The square of a film of `width` × `height`, for which `resize` makes an area of it as large as it is told.
pub(crate) fn fitted(
    width: u32,
    height: u32,
    side: u32,
    fit: Fit,
    resize: impl FnOnce(Area, u32, u32) -> Film,
) -> Film {
    let place = Placement::new(width, height, side, fit);
    pad(resize(place.part, place.width, place.height), place, side)
}

fn resize(film: &Film, area: Area, width: u32, height: u32) -> Film {
    let mut out = Image::new(width, height, PixelType::U8);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Box))
        .crop(area.left, area.top, area.width, area.height);
    let resized = ImageRef::new(film.width, film.height, &film.pixels, PixelType::U8)
        .map_err(|e| e.to_string())
        .and_then(|from| {
            Resizer::new()
                .resize(&from, &mut out, &options)
                .map_err(|e| e.to_string())
        });
    // Only a film whose pixels do not match its size can fail here.
    debug_assert!(resized.is_ok(), "{resized:?}");
    Film {
        width,
        height,
        pixels: out.into_vec(),
    }
}

/// `film` at its place in a black square.
fn pad(film: Film, place: Placement, side: u32) -> Film {
    if film.width == side && film.height == side {
        return film;
    }
    let mut out = Film::filled(side, side, 0);
    let [left, top, side] = [place.left, place.top, side].map(|n| n as usize);
    let width = film.width as usize;
    for (y, row) in film.pixels.chunks_exact(width).enumerate() {
        let start = (top + y) * side + left;
        out.pixels[start..start + width].copy_from_slice(row);
    }
    out
}
