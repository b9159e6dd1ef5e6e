//! Squares that lose a film's shape: squeezed bilinearly without a filter, as other programs do.

use crate::film::{Film, Grey};

/// A part of a film in whole pixels: left and upper edge, columns and rows.
type Part = [u32; 4];

/// Squeezes the whole film into a square of `side` pixels, as OpenCV's `INTER_LINEAR`.
pub(crate) fn squeezed<P: Grey>(film: &Film<P>, side: u32) -> Film<P> {
    let whole = [0, 0, film.width, film.height];
    let grey = |pixel: P| f64::from(Into::<f32>::into(pixel));
    resample(film, whole, side, grey, |grey| P::rounded(grey as f32))
}

/// The part of a film inside its black borders, or the whole film if all of it is black.
pub(crate) fn inside_borders<P: Grey>(film: &Film<P>) -> Part {
    let columns = film.width as usize;
    let (mut left, mut right) = (columns, 0);
    let (mut top, mut bottom) = (film.height as usize, 0);
    for (y, row) in film.pixels.chunks_exact(columns).enumerate() {
        let shows = |pixel: &P| *pixel != P::default();
        let Some(first) = row.iter().position(shows) else {
            continue;
        };
        let last = row.iter().rposition(shows).unwrap_or(first);
        (left, right) = (left.min(first), right.max(last + 1));
        (top, bottom) = (top.min(y), y + 1);
    }
    if right == 0 {
        return [0, 0, film.width, film.height];
    }
    [left, top, right - left, bottom - top].map(|pixels| pixels as u32)
}

/// Whether all pixels of the part have one grey.
pub(crate) fn has_one_grey<P: Grey>(film: &Film<P>, part: Part) -> bool {
    let (least, largest) = ends(film, part);
    least == largest
}

/// Stretches the greys of `part` from black to white and squeezes it into a square of `side`
/// pixels, rounded down, as M-FLAG's authors do. Their brightest greys, which reach 256 and
/// overflow to black, are white here. A part of one grey becomes black.
pub(crate) fn stretched<P: Grey>(film: &Film<P>, part: Part, side: u32) -> Film<P> {
    let (least, largest) = ends(film, part);
    let white = f64::from(P::WHITE);
    let scale = if largest > least {
        (white + 1.0) / f64::from(largest - least)
    } else {
        0.0
    };
    let stretched = |pixel: P| f64::from(Into::<u16>::into(pixel) - least) * scale;
    let floor = |grey: f64| P::floor(grey.min(white).floor() as f32);
    resample(film, part, side, stretched, floor)
}

/// The darkest and the brightest grey of a part.
fn ends<P: Grey>(film: &Film<P>, [left, top, width, height]: Part) -> (u16, u16) {
    let [left, top, width, height] = [left, top, width, height].map(|pixels| pixels as usize);
    let rows = film.pixels.chunks_exact(film.width as usize);
    let pixels = rows
        .skip(top)
        .take(height)
        .flat_map(|row| &row[left..left + width]);
    pixels.fold((u16::MAX, 0), |(least, largest), pixel| {
        let grey = (*pixel).into();
        (least.min(grey), largest.max(grey))
    })
}

/// Resamples a part bilinearly to `side` × `side` pixels. `value` turns pixels into numbers, and
/// `pixel` turns their means into pixels.
fn resample<P: Grey>(
    film: &Film<P>,
    [left, top, width, height]: Part,
    side: u32,
    value: impl Fn(P) -> f64,
    pixel: impl Fn(f64) -> P,
) -> Film<P> {
    let across = positions(left, width, side);
    let row = |y: usize| &film.pixels[y * film.width as usize..][..film.width as usize];
    let pixels = positions(top, height, side).into_iter().flat_map(|down| {
        let (upper, lower) = (row(down.first), row(down.second));
        let mean = |row: &[P], at: &Position| at.mix(value(row[at.first]), value(row[at.second]));
        let means = across
            .iter()
            .map(|at| down.mix(mean(upper, at), mean(lower, at)));
        means.map(&pixel).collect::<Vec<P>>()
    });
    Film {
        width: side,
        height: side,
        pixels: pixels.collect(),
    }
}

/// A position between two pixels of a row or column.
struct Position {
    first: usize,
    second: usize,
    /// The share of the second pixel, from 0 to 1.
    share: f64,
}

impl Position {
    fn mix(&self, first: f64, second: f64) -> f64 {
        first * (1.0 - self.share) + second * self.share
    }
}

/// Where the centres of `side` equal parts of `length` pixels, from `start` on, lie between the
/// centres of these pixels.
fn positions(start: u32, length: u32, side: u32) -> Vec<Position> {
    let last = f64::from(length - 1);
    let position = |number: u32| {
        let centre = (f64::from(number) + 0.5) * f64::from(length) / f64::from(side) - 0.5;
        let at = f64::from(start) + centre.clamp(0.0, last);
        let first = at.floor();
        Position {
            first: first as usize,
            second: (first + 1.0).min(f64::from(start) + last) as usize,
            share: at - first,
        }
    };
    (0..side).map(position).collect()
}
