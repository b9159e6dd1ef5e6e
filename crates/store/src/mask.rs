//! Masks: conversion of files, boxes and runs to pixels and back, and of a film's mask to its
//! square.

use std::path::Path;

use mflag_film::{Film, Limits, Placement};

use crate::{BoundingBox, Error, Mask, Result, rle};

/// The grey of a pixel that belongs to the mask. All other pixels are 0.
pub const SET: u8 = 255;

/// The pixels of a mask on a film of `width` × `height`: [`SET`] or 0.
///
/// # Errors
/// If the mask's size differs from the film's, a run leaves the film or overlaps another, the film
/// is larger than [`Limits`] allow, or the mask's file cannot be decoded.
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
        Mask::File { path } => from_file(path, width, height),
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

fn from_file(path: &Path, width: u32, height: u32) -> Result<Film> {
    // Not decoded as a film: a window would turn the least value of a deep mask into black.
    let stored = mflag_film::decode_stored(path, &Limits::default())?;
    if (stored.width, stored.height) != (width, height) {
        let reason = size_mismatch((stored.width, stored.height), (width, height));
        return Err(Error::file(path, reason));
    }
    let set = |value: &u16| if *value > 0 { SET } else { 0 };
    Ok(Film {
        width,
        height,
        pixels: stored.pixels.iter().map(set).collect(),
    })
}

/// The error for a mask whose size differs from its film's.
pub fn size_mismatch(mask: (u32, u32), film: (u32, u32)) -> String {
    format!(
        "the mask has {}×{} pixels, its film {}×{}: give the mask of this film, at its full size",
        mask.0, mask.1, film.0, film.1
    )
}

/// The same mask in runs, which need no file. See [`rle::mask_to_runs`].
///
/// # Errors
/// As [`to_pixels`].
pub fn to_runs(mask: &Mask, width: u32, height: u32) -> Result<Mask> {
    let pixels = to_pixels(mask, width, height)?.pixels;
    Ok(Mask::Runs {
        width,
        height,
        runs: rle::mask_to_runs(&pixels, width),
    })
}

/// The mask of a film in the film's square: [`SET`] where at least half of a pixel is covered, else
/// 0.
///
/// # Errors
/// As [`to_pixels`].
pub fn to_square(mask: &Mask, placement: &Placement) -> Result<Film> {
    let [width, height] = placement.film_size();
    let pixels = to_pixels(mask, width, height)?;
    let mut square = mflag_film::square(&pixels, placement.side(), placement.fit());
    for pixel in &mut square.pixels {
        *pixel = if *pixel > SET / 2 { SET } else { 0 };
    }
    Ok(square)
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
