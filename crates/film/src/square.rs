//! Resamples films of any shape to squares.

use crate::film::{Film, Grey};
use crate::geometry::{Area, Fit, Placement};
use crate::squeeze;

/// Resamples `film` to a square of `side` pixels. `side` and the film's sides are at least 1.
///
/// With [`Fit::Pad`] and [`Fit::Crop`], each pixel of the square is the mean of the area that it
/// covers on the film. Film pixels that the edge of that area cuts count by their covered share
/// (OpenCV's INTER_AREA). A film that is smaller than the square grows by the same rule.
// Why not `fast_image_resize`: it crops at fractions of a pixel, too, but its box filter counts a
// pixel wholly or not at all, never by the covered share.
pub fn square<P: Grey>(film: &Film<P>, side: u32, fit: Fit) -> Film<P> {
    match fit {
        Fit::Pad | Fit::Crop => {
            let placement = Placement::of_nonzero(film.width, film.height, side, fit);
            resampled(film, &placement)
        }
        Fit::Squeeze => squeeze::squeezed(film, side),
        Fit::Official => squeeze::stretched(film, squeeze::inside_borders(film), side),
    }
}

/// Resamples a picture that lies on a film, such as a mask, to the square of `placement`. It has
/// the size of the film. Each pixel of the square is the mean of the area that it covers, whatever
/// the fit.
pub fn resampled<P: Grey>(film: &Film<P>, placement: &Placement) -> Film<P> {
    let part = placement.part();
    square_part(&film.pixels, film.width, |pixel| pixel, part, placement)
}

/// Resamples `part` of a picture to its place in the square. `values` are the picture's values, row
/// by row, with `columns` values in each row. `part` is in pixels of the picture.
pub(crate) fn square_part<V: Grey, P: Grey>(
    values: &[V],
    columns: u32,
    grey: impl Fn(V) -> P,
    part: Area,
    placement: &Placement,
) -> Film<P> {
    let film = area_means(values, columns, grey, part, placement.size_in_square());
    pad(film, placement)
}

/// Divides `part` into `width` × `height` equal areas and takes the mean grey of each.
fn area_means<V: Grey, P: Grey>(
    values: &[V],
    columns: u32,
    grey: impl Fn(V) -> P,
    part: Area,
    [width, height]: [u32; 2],
) -> Film<P> {
    let columns = columns as usize;
    let across = intervals(part.left, part.width, width, columns);
    let rows = values.len() / columns;
    let down = intervals(part.top, part.height, height, rows);
    let mut pixels = Vec::with_capacity(across.len() * down.len());
    let mut sums = vec![0.0; columns];
    for interval in &down {
        sums.fill(0.0);
        let rows = values[interval.first * columns..].chunks_exact(columns);
        for (row, share) in rows.zip(&interval.shares) {
            for (sum, value) in sums.iter_mut().zip(row) {
                let grey: f32 = grey(*value).into();
                *sum += grey * share;
            }
        }
        pixels.extend(across.iter().map(|interval| {
            let sums = sums[interval.first..].iter().zip(&interval.shares);
            P::rounded(sums.map(|(sum, share)| sum * share).sum())
        }));
    }
    Film {
        width,
        height,
        pixels,
    }
}

/// An interval of pixels: the index of the first pixel, and the share that each pixel contributes.
/// The shares add up to 1.
struct Interval {
    first: usize,
    shares: Vec<f32>,
}

/// Divides `length` pixels from `start` on into `count` equal intervals. `pixels` is the number of
/// pixels that exist: an interval ends there at the latest.
fn intervals(start: f64, length: f64, count: u32, pixels: usize) -> Vec<Interval> {
    let step = length / f64::from(count);
    let interval = |number| {
        let from = start + f64::from(number) * step;
        let to = (from + step).min(pixels as f64);
        let first = (from as usize).min(pixels - 1);
        let share = |at: usize| (to.min(at as f64 + 1.0) - from.max(at as f64)) / (to - from);
        let shares = (first..to.ceil() as usize)
            .map(|at| share(at) as f32)
            .collect();
        Interval { first, shares }
    };
    (0..count).map(interval).collect()
}

/// Puts `film` into a black square.
fn pad<P: Grey>(film: Film<P>, placement: &Placement) -> Film<P> {
    let side = placement.side();
    if film.width == side && film.height == side {
        return film;
    }
    let mut out = Film::filled(side, side, P::default());
    let [left, top] = placement.start().map(|n| n as usize);
    let (side, width) = (side as usize, film.width as usize);
    for (y, row) in film.pixels.chunks_exact(width).enumerate() {
        let start = (top + y) * side + left;
        out.pixels[start..start + width].copy_from_slice(row);
    }
    out
}
