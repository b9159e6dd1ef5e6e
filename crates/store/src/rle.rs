//! Run-length strings: masks as the tables of competitions write them.
//!
//! Both encodings are pairs of whole numbers, separated by spaces, on a plane that is counted column by column from its
//! upper left corner; they differ in what the first number of a pair says ([`Encoding`]). Runs in memory are those of
//! [`Mask::Runs`](crate::Mask::Runs): `[start, length]`, counted from 0, ascending, with at least one pixel between
//! them; so two masks are equal if their runs are.
//!
//! ```
//! use mflag_store::rle::{Encoding, from_plane, parse, write};
//!
//! // The right column of two pixels by two.
//! let runs = from_plane(&[0, 255, 0, 255], 2);
//! assert_eq!(runs, [[2, 2]]);
//! assert_eq!(write(&runs, Encoding::Absolute), "3 2");
//! assert_eq!(parse("2 2", Encoding::Relative, 2, 2)?, runs);
//! # Ok::<(), mflag_store::Error>(())
//! ```

use crate::{Error, Result};

/// What the first number of a pair says; the second is the run's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Pixels between the end of the run before (for the first: the start of the plane) and this one, as in SIIM-ACR.
    Relative,
    /// The run's first pixel, counted from 1, as in most competitions of Kaggle.
    Absolute,
}

/// The runs of a string on a plane of `width` × `height`; runs that touch become one. The empty string is the empty mask.
///
/// # Errors
/// A number is not whole, negative or missing, a run is empty, begins before the end of the one before, or ends beyond
/// the plane. The message names the run (from 1) and the fix, but no place: that is the caller's.
pub fn parse(text: &str, encoding: Encoding, width: u32, height: u32) -> Result<Vec<[u32; 2]>> {
    let pixels = u64::from(width) * u64::from(height);
    let mut runs: Vec<[u32; 2]> = Vec::with_capacity(text.len() / 8);
    let mut numbers = text.split_ascii_whitespace();
    let mut end = 0;
    for run in 1.. {
        let Some(first) = numbers.next() else { break };
        let first = number(first, run)?;
        let length = match numbers.next() {
            Some(length) => number(length, run)?,
            None => {
                return Err(bad(
                    run,
                    "has no length: the string is cut off or was edited",
                ));
            }
        };
        let start = match encoding {
            Encoding::Relative => end + first,
            Encoding::Absolute => match first.checked_sub(1) {
                Some(start) => start,
                None => return Err(bad(run, "begins at 0, and pixels are counted from 1")),
            },
        };
        if length == 0 {
            return Err(bad(run, "is empty; leave it out"));
        }
        if start < end {
            let reason =
                "begins before the run before it ends: are the numbers offsets (relative)?";
            return Err(bad(run, reason));
        }
        end = start + length;
        if end > pixels {
            let reason = format!("ends at pixel {end} of a plane of {width} × {height} = {pixels}");
            return Err(bad(run, &reason));
        }
        append(&mut runs, start as u32, length as u32);
    }
    Ok(runs)
}

/// A number of a string: 32 bits, so that sums of a start and a length fit in 64.
fn number(text: &str, run: usize) -> Result<u64> {
    if let Ok(number) = text.parse::<u32>() {
        return Ok(u64::from(number));
    }
    // What is no number may be long.
    let shown: String = text.chars().take(20).collect();
    let what = match text.strip_prefix('-').map(str::parse::<u64>) {
        Some(Ok(_)) => "is negative",
        _ => "is not a whole number below 2^32",
    };
    Err(bad(run, &format!("has '{shown}', which {what}")))
}

fn bad(run: usize, reason: &str) -> Error {
    Error::Data(format!("run {run} of the run-length string {reason}"))
}

/// Adds a run that begins at or after the end of the last one.
fn append(runs: &mut Vec<[u32; 2]>, start: u32, length: u32) {
    match runs.last_mut() {
        Some([last, size]) if *last + *size == start => *size += length,
        _ => runs.push([start, length]),
    }
}

/// The string of `runs`; the empty mask is the empty string.
pub fn write(runs: &[[u32; 2]], encoding: Encoding) -> String {
    let mut end = 0;
    let pairs = runs.iter().map(|&[start, length]| {
        let first = match encoding {
            Encoding::Relative => start - end,
            Encoding::Absolute => start + 1,
        };
        end = start + length;
        format!("{first} {length}")
    });
    pairs.collect::<Vec<_>>().join(" ")
}

/// The runs of all pixels that are set in any of `masks`, on one plane.
pub fn union<'a>(masks: impl IntoIterator<Item = &'a [[u32; 2]]>) -> Vec<[u32; 2]> {
    let mut all: Vec<[u32; 2]> = masks.into_iter().flatten().copied().collect();
    all.sort_unstable();
    let mut runs: Vec<[u32; 2]> = Vec::with_capacity(all.len());
    for [start, length] in all {
        match runs.last_mut() {
            Some([last, size]) if start <= *last + *size => {
                *size = (*size).max(start + length - *last);
            }
            _ => runs.push([start, length]),
        }
    }
    runs
}

/// The runs of the pixels of `plane` that are not 0; `plane` is row by row, `width` columns wide.
pub fn from_plane(plane: &[u8], width: u32) -> Vec<[u32; 2]> {
    let width = width as usize;
    let height = plane.len().checked_div(width).unwrap_or(0);
    let mut runs = Vec::new();
    for x in 0..width {
        let mut y = 0;
        while y < height {
            let set = plane[y * width + x] != 0;
            let same = (y..height).take_while(|&row| (plane[row * width + x] != 0) == set);
            let length = same.count();
            if set {
                append(&mut runs, (x * height + y) as u32, length as u32);
            }
            y += length;
        }
    }
    runs
}

/// Sets the pixels of `runs` in `plane` to `value`; `plane` is row by row, `width` columns wide, and the runs lie in it.
pub fn draw(runs: &[[u32; 2]], plane: &mut [u8], width: u32, value: u8) {
    let width = width as usize;
    let height = plane.len().checked_div(width).unwrap_or(0);
    for &[start, length] in runs {
        let (mut x, mut y) = (start as usize / height, start as usize % height);
        for _ in 0..length {
            plane[y * width + x] = value;
            y += 1;
            if y == height {
                (x, y) = (x + 1, 0);
            }
        }
    }
}
