//! Run-length encoding of masks: [`mask_to_runs`] and [`runs_to_mask`], and the strings in which
//! tables of competitions write runs.
//!
//! Pixels are counted column by column from the upper left corner. Runs in memory are those of
//! [`Mask::Runs`](crate::Mask::Runs): `[start, length]`, counted from 0, ascending, with at least
//! one pixel between two runs. So two masks are equal if their runs are.
//!
//! A string has pairs of whole numbers, separated by spaces. The [`Encoding`] decides what the
//! first number of a pair means.
//!
//! ```
//! use mflag_store::rle::{Encoding, mask_to_runs, parse, write};
//!
//! // The right column of 2×2 pixels is set.
//! let runs = mask_to_runs(&[0, 255, 0, 255], 2);
//! assert_eq!(runs, [[2, 2]]);
//! assert_eq!(write(&runs, Encoding::Absolute), "3 2");
//! assert_eq!(parse("2 2", Encoding::Relative, 2, 2)?, runs);
//! # Ok::<(), mflag_store::Error>(())
//! ```

use crate::{Error, Result};

/// The meaning of the first number of a pair. The second is the run's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Pixels between the end of the previous run and this one, as in SIIM-ACR. For the first run,
    /// pixels before it.
    Relative,
    /// The run's first pixel, counted from 1, as in most competitions of Kaggle.
    Absolute,
}

/// Parses a string of runs on a film of `width` × `height`. Runs that touch become one. The empty
/// string is the empty mask.
///
/// # Errors
/// If a number is not whole, negative or missing, or a run is empty, begins before the previous one
/// ends, or ends beyond the film. The message names the run (from 1) and the fix; the caller adds
/// file and row.
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
                    "has no length: the string is cut short or was edited",
                ));
            }
        };
        let start = match encoding {
            Encoding::Relative => end + first,
            Encoding::Absolute => match first.checked_sub(1) {
                Some(start) => start,
                None => return Err(bad(run, "begins at 0: count pixels from 1")),
            },
        };
        if length == 0 {
            return Err(bad(run, "is empty; leave it out"));
        }
        if start < end {
            let reason = "begins before the previous run ends: are the numbers offsets (relative)?";
            return Err(bad(run, reason));
        }
        end = start + length;
        if end > pixels {
            let reason =
                format!("ends at pixel {end}, and the film has {width}×{height} = {pixels}");
            return Err(bad(run, &reason));
        }
        append(&mut runs, start as u32, length as u32);
    }
    Ok(runs)
}

/// Parses a number of 32 bits, so that sums of a start and a length fit into 64.
fn number(text: &str, run: usize) -> Result<u64> {
    if let Ok(number) = text.parse::<u32>() {
        return Ok(u64::from(number));
    }
    // Invalid text may be long.
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

/// Adds a run that begins at or after the end of the last run.
fn append(runs: &mut Vec<[u32; 2]>, start: u32, length: u32) {
    match runs.last_mut() {
        Some([last, size]) if *last + *size == start => *size += length,
        _ => runs.push([start, length]),
    }
}

/// Writes `runs` as a string. The empty mask becomes the empty string.
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

/// The runs of all pixels that are set in any of `masks`, which are of the same size.
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

/// The runs of the pixels of `mask` that are not 0. `mask` lies row by row, `width` pixels each.
pub fn mask_to_runs(mask: &[u8], width: u32) -> Vec<[u32; 2]> {
    let width = width as usize;
    let height = mask.len().checked_div(width).unwrap_or(0);
    let mut runs = Vec::new();
    for x in 0..width {
        let mut y = 0;
        while y < height {
            let set = mask[y * width + x] != 0;
            let same = (y..height).take_while(|&row| (mask[row * width + x] != 0) == set);
            let length = same.count();
            if set {
                append(&mut runs, (x * height + y) as u32, length as u32);
            }
            y += length;
        }
    }
    runs
}

/// Sets the pixels of `runs` in `mask` to `value`. `mask` lies row by row, `width` pixels each, and
/// is large enough for the runs.
pub fn runs_to_mask(runs: &[[u32; 2]], mask: &mut [u8], width: u32, value: u8) {
    let width = width as usize;
    let height = mask.len().checked_div(width).unwrap_or(0);
    for &[start, length] in runs {
        let (mut x, mut y) = (start as usize / height, start as usize % height);
        for _ in 0..length {
            mask[y * width + x] = value;
            y += 1;
            if y == height {
                (x, y) = (x + 1, 0);
            }
        }
    }
}
