//! Masks: conversion of files, boxes and runs to pixels and back, and of a film's mask to its
//! square.

use std::path::Path;

use mflag_film::{Film, Grey, Limits, Placement, ViewGeometry};

use crate::mask_file::set_pixels;
use crate::{BoundingBox, Error, Mask, Result, rle};

/// The grey of a pixel that belongs to the mask. All other pixels are 0.
pub const SET: u8 = 255;

/// The pixels of a mask on a film of `width` × `height`: [`SET`] or 0.
///
/// # Errors
/// If the mask's size differs from the film's, a run leaves the film or overlaps another, the film
/// is larger than [`Limits`] allow, the mask's file cannot be decoded, or its values do not show
/// which pixels are set.
pub fn to_pixels(mask: &Mask, width: u32, height: u32) -> Result<Film> {
    match mask {
        Mask::Runs {
            width: columns,
            height: rows,
            runs,
        } => {
            if (*columns, *rows) != (width, height) {
                let reason = size_mismatch((*columns, *rows), (width, height));
                return Err(Error::Data(reason));
            }
            from_runs(runs, width, height)
        }
        Mask::File { path, scale } => Ok(from_file(path, *scale, width, height)?.pixels),
    }
}

fn from_runs(runs: &[[u32; 2]], width: u32, height: u32) -> Result<Film> {
    let largest = Limits::default().side;
    if width.max(height) > largest {
        return Err(Error::Data(format!(
            "a mask of {width}×{height} pixels is larger than the limit of {largest} pixels a side"
        )));
    }
    let pixels = u64::from(width) * u64::from(height);
    let mut free = 0;
    for &[start, length] in runs {
        if u64::from(start) < free {
            return Err(Error::Data("two runs of the mask overlap".into()));
        }
        free = u64::from(start) + u64::from(length);
        if free > pixels {
            return Err(Error::Data(format!(
                "a run of the mask ends beyond its {width}×{height} pixels"
            )));
        }
    }
    let mut mask = Film::filled(width, height, 0);
    rle::runs_to_mask(runs, &mut mask.pixels, width, SET);
    Ok(mask)
}

/// The mask in a file.
#[derive(Debug)]
pub struct FileMask {
    /// The pixels: [`SET`] or 0.
    pub pixels: Film,
    /// Whether the file has soft or noisy edges: pixels from half of white on are set.
    pub soft: bool,
}

/// Reads the mask in a file: a picture of two values (black, and white or another), of several
/// classes, or with soft edges. Where a PNG is transparent, it is black.
///
/// An image of another size than `width` × `height` is refused, or with `scale` scaled to it.
///
/// # Errors
/// If the file cannot be decoded, if its values do not show which pixels are set, or if its size
/// or, with `scale`, its shape is not the film's.
pub fn from_file(path: &Path, scale: bool, width: u32, height: u32) -> Result<FileMask> {
    let stored = mflag_film::decode_mask(path, &Limits::default())?;
    let size = (stored.values.width, stored.values.height);
    if size != (width, height) && !(scale && same_shape(size, (width, height))) {
        return Err(Error::file(path, size_mismatch(size, (width, height))));
    }
    let set = set_pixels(&stored).map_err(|reason| Error::file(path, reason))?;
    let pixels = set.set.into_iter().map(|set| if set { SET } else { 0 });
    let mask = Film {
        width: size.0,
        height: size.1,
        pixels: pixels.collect(),
    };
    Ok(FileMask {
        pixels: scaled(&mask, width, height),
        soft: set.soft,
    })
}

/// Whether two films may be copies of one film in different sizes: their shapes agree within 1 %
/// and the rounding of a side.
pub fn same_shape(one: (u32, u32), other: (u32, u32)) -> bool {
    let [(w, h), (columns, rows)] =
        [one, other].map(|(width, height)| (f64::from(width), f64::from(height)));
    let is_near = |found: f64, expected: f64| (found - expected).abs() <= 1.0 + 0.01 * expected;
    w > 0.0 && h > 0.0 && (is_near(h * columns / w, rows) || is_near(w * rows / h, columns))
}

/// A mask scaled to another size. A pixel takes the value of the pixel that contains its centre, as
/// with Pillow's `NEAREST`; between two pixels, that of the later one.
fn scaled(mask: &Film, width: u32, height: u32) -> Film {
    if (mask.width, mask.height) == (width, height) {
        return mask.clone();
    }
    // The pixel of `from` that contains the centre of pixel `at` of `to`.
    let source = |at: u32, from: u32, to: u32| {
        ((2 * u64::from(at) + 1) * u64::from(from) / (2 * u64::from(to))) as u32
    };
    let rows = (0..height).map(|y| source(y, mask.height, height) * mask.width);
    let pixels = rows.flat_map(|row| {
        (0..width).map(move |x| mask.pixels[(row + source(x, mask.width, width)) as usize])
    });
    Film {
        width,
        height,
        pixels: pixels.collect(),
    }
}

/// The mask scaled to the size of a film, in runs.
///
/// # Errors
/// If a run leaves the mask. A mask in a file stays as it is.
pub fn scale(mask: &Mask, width: u32, height: u32) -> Result<Mask> {
    let Mask::Runs {
        width: columns,
        height: rows,
        runs,
    } = mask
    else {
        return Ok(mask.clone());
    };
    let pixels = from_runs(runs, *columns, *rows)?;
    Ok(to_runs(&scaled(&pixels, width, height)))
}

/// The error for a mask whose size differs from its film's.
pub fn size_mismatch(mask: (u32, u32), film: (u32, u32)) -> String {
    format!(
        "the mask has {}×{} pixels, its film {}×{}: give the mask of this film, at its full size, \
         or scale it with --scale-boxes",
        mask.0, mask.1, film.0, film.1
    )
}

/// The mask of these pixels in runs, which need no file. See [`rle::mask_to_runs`].
pub fn to_runs(pixels: &Film) -> Mask {
    Mask::Runs {
        width: pixels.width,
        height: pixels.height,
        runs: rle::mask_to_runs(&pixels.pixels, pixels.width),
    }
}

/// The mask of a film in the film's square: [`SET`] where at least half of a pixel is covered, else
/// 0. A mask that covers half of no pixel keeps its most covered pixels, so no mask vanishes.
///
/// # Errors
/// As [`to_pixels`].
pub fn to_square(mask: &Mask, placement: &Placement) -> Result<Film> {
    let [width, height] = placement.film_size();
    let pixels = to_pixels(mask, width, height)?;
    let whole = ViewGeometry::whole(placement.side());
    Ok(to_resized_square(&pixels, placement, whole))
}

/// As [`to_square`], in the resized square of `view`. `pixels` are those of the mask on its film.
pub fn to_resized_square(pixels: &Film, placement: &Placement, view: ViewGeometry) -> Film {
    let square = covered(pixels, placement, view);
    let half = u8::MAX / 2;
    if square.iter().any(|cover| *cover > half) || pixels.pixels.iter().all(|pixel| *pixel == 0) {
        return set_above(half, &square, view);
    }
    // In 16 bits, a single pixel of the largest film still shows.
    let deep = pixels.pixels.iter().map(|pixel| u16::from(*pixel) * 257);
    let deep = Film {
        width: pixels.width,
        height: pixels.height,
        pixels: deep.collect(),
    };
    let square: Vec<u16> = covered(&deep, placement, view);
    let most = square.iter().copied().max().unwrap_or_default();
    set_above(most.saturating_sub(1), &square, view)
}

/// How much of each pixel of the resized square of `view` a mask covers; 255 is all of it. `pixels`
/// are those of the mask on its film.
pub fn cover(pixels: &Film, placement: &Placement, view: ViewGeometry) -> Vec<u8> {
    covered(pixels, placement, view)
}

/// The area of a mask that its film's square does not show (`--fit crop` or `official`), in pixels
/// of the resized square of `view`. `pixels` are those of the mask on its film.
pub fn outside_square(pixels: &Film, placement: &Placement, view: ViewGeometry) -> u64 {
    let part = placement.part();
    let inside = |at: usize, low: f64, length: f64| (low..low + length).contains(&(at as f64));
    let rows = pixels
        .pixels
        .chunks_exact(pixels.width as usize)
        .enumerate();
    let outside: usize = rows
        .map(|(y, row)| {
            let shown = inside(y, part.top, part.height);
            let row = row.iter().enumerate().filter(|(_, pixel)| **pixel != 0);
            row.filter(|&(x, _)| !(shown && inside(x, part.left, part.width)))
                .count()
        })
        .sum();
    let [across, down] = placement.scales();
    (outside as f64 * across * down * view.scale().powi(2)).round() as u64
}

/// The share of each pixel of the resized square that a mask covers; white is all of it.
fn covered<P: Grey>(pixels: &Film<P>, placement: &Placement, view: ViewGeometry) -> Vec<P> {
    let square = mflag_film::resampled(pixels, placement);
    view.resized(&square.pixels).into_owned()
}

/// A mask that is [`SET`] where `values`, of a resized square, are above `limit`.
fn set_above<P: Grey>(limit: P, values: &[P], view: ViewGeometry) -> Film {
    let pixel = |value: &P| if *value > limit { SET } else { 0 };
    Film {
        width: view.resize(),
        height: view.resize(),
        pixels: values.iter().map(pixel).collect(),
    }
}

/// The union of boxes on a film of `width` × `height`, which makes masks for segmentation of RSNA's
/// boxes. A pixel is set if a box contains its centre.
pub fn from_boxes(boxes: &[BoundingBox], width: u32, height: u32) -> Mask {
    // The pixels whose centres lie between two edges.
    let between = |from: f64, to: f64, length: u32| {
        let pixel = |edge: f64| (edge - 0.5).ceil().clamp(0.0, f64::from(length)) as u32;
        pixel(from)..pixel(to)
    };
    let runs_of_box = |b: &BoundingBox| {
        let rows = between(b.y, b.y + b.height, height);
        let columns = between(b.x, b.x + b.width, width);
        let length = rows.end.saturating_sub(rows.start);
        columns
            .filter(|_| length > 0)
            .map(|x| [x * height + rows.start, length])
            .collect::<Vec<_>>()
    };
    let runs: Vec<Vec<[u32; 2]>> = boxes.iter().map(runs_of_box).collect();
    Mask::Runs {
        width,
        height,
        runs: rle::union(runs.iter().map(Vec::as_slice)),
    }
}
