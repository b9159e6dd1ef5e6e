//! Films of any shape into squares of one size.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Film, Grey, Squaring};

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

/// `film` in a square of `side` pixels, by the area filter: each new pixel is the mean of the area that it covers, pixels
/// that its edge cuts weighed by their share (OpenCV's INTER_AREA). A film that is smaller grows by the same rule.
/// `side` and the film's sides are at least 1.
pub fn square<P: Grey>(film: &Film<P>, side: u32, fit: Fit) -> Film<P> {
    let place = Placement::new(film.width, film.height, side, fit);
    let part = mean(&film.pixels, film.width, |pixel| pixel, place.part, place);
    pad(part, place, side)
}

/// The square of a film of this `size`, from `values` of a picture of it at `scale`, row by row of `columns`.
pub(crate) fn scaled_square<V: Grey, P: Grey>(
    values: &[V],
    columns: u32,
    grey: impl Fn(V) -> P,
    size: (u32, u32),
    scale: f64,
    squaring: &Squaring,
) -> Film<P> {
    let place = Placement::new(size.0, size.1, squaring.side, squaring.fit);
    let area = place.part.scaled(scale);
    pad(
        mean(values, columns, grey, area, place),
        place,
        squaring.side,
    )
}

/// The means of the greys of `values` over equal parts of `area`, as many as `place` has pixels.
fn mean<V: Grey, P: Grey>(
    values: &[V],
    columns: u32,
    grey: impl Fn(V) -> P,
    area: Area,
    place: Placement,
) -> Film<P> {
    let columns = columns as usize;
    let across = parts(area.left, area.width, place.width, columns);
    let rows = values.len() / columns;
    let down = parts(area.top, area.height, place.height, rows);
    let mut pixels = Vec::with_capacity(across.len() * down.len());
    let mut sums = vec![0.0; columns];
    for part in &down {
        sums.fill(0.0);
        let rows = values[part.first * columns..].chunks_exact(columns);
        for (row, share) in rows.zip(&part.shares) {
            for (sum, value) in sums.iter_mut().zip(row) {
                let grey: f32 = grey(*value).into();
                *sum += grey * share;
            }
        }
        pixels.extend(across.iter().map(|part| {
            let sums = sums[part.first..].iter().zip(&part.shares);
            P::rounded(sums.map(|(sum, share)| sum * share).sum())
        }));
    }
    Film {
        width: place.width,
        height: place.height,
        pixels,
    }
}

/// Pixels that lie in a part, and their shares of it, 1 together.
struct Part {
    first: usize,
    shares: Vec<f32>,
}

/// `count` equal parts of `length` pixels from `start` on; pixels beyond `pixels` are none.
fn parts(start: f64, length: f64, count: u32, pixels: usize) -> Vec<Part> {
    let step = length / f64::from(count);
    let part = |number| {
        let from = start + f64::from(number) * step;
        let to = (from + step).min(pixels as f64);
        let first = (from as usize).min(pixels - 1);
        let share = |at: usize| (to.min(at as f64 + 1.0) - from.max(at as f64)) / (to - from);
        let shares = (first..to.ceil() as usize)
            .map(|at| share(at) as f32)
            .collect();
        Part { first, shares }
    };
    (0..count).map(part).collect()
}

/// `film` at its place in a black square.
fn pad<P: Grey>(film: Film<P>, place: Placement, side: u32) -> Film<P> {
    if film.width == side && film.height == side {
        return film;
    }
    let mut out = Film::filled(side, side, P::default());
    let [left, top, side] = [place.left, place.top, side].map(|n| n as usize);
    let width = film.width as usize;
    for (y, row) in film.pixels.chunks_exact(width).enumerate() {
        let start = (top + y) * side + left;
        out.pixels[start..start + width].copy_from_slice(row);
    }
    out
}
