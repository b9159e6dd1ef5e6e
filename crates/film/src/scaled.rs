//! Grey JPEGs at 1/2, 1/4 or 1/8 of their size, straight from their coefficients.
//!
//! A block's pixels are a sum of 64 cosine pictures, and so are the means over its cells: each coefficient adds the cell
//! means of its picture. The result is the area filter's, not an approximation, but for the rounding and clamping of
//! single pixels. At 1/8 a block's mean is its first coefficient, and the others are only skipped.

use std::f32::consts::PI;

use crate::decode::Limits;
use crate::entropy::{Bits, Huffman};
use crate::jpeg::{Header, header};
use crate::square::{Area, fitted};
use crate::{Film, Fit};

/// The square of a grey, sequential, Huffman-coded JPEG that is at least 8/3 as large; `None` for all others, damaged ones
/// among them.
pub(crate) fn square(bytes: &[u8], side: u32, fit: Fit, limits: &Limits) -> Option<Film> {
    let header = header(bytes)?;
    let (width, height) = (u32::from(header.width), u32::from(header.height));
    limits.check(width, height, 3).ok()?;
    let fitting = match fit {
        Fit::Pad => width.max(height),
        Fit::Crop => width.min(height),
    };
    let scan = Scan::of(&header)?;
    // Cells are at most 3/4 of a new pixel: larger ones would blur the film, as nearly all would lie in two new pixels.
    let (small, cells) = match 3 * fitting / (4 * side.max(1)) {
        0 | 1 => return None,
        2 | 3 => (scan.means::<16>()?, 4),
        4..8 => (scan.means::<4>()?, 2),
        _ => (scan.means::<1>()?, 1),
    };
    let scale = f64::from(cells) / 8.0;
    Some(fitted(width, height, side, fit, |area, width, height| {
        mean(&small, area.scaled(scale), width, height)
    }))
}

/// A scan of one component, ready to be decoded.
struct Scan<'a> {
    width: usize,
    height: usize,
    quantisation: [u16; 64],
    dc: Huffman<'a>,
    ac: Huffman<'a>,
    restart: usize,
    coded: &'a [u8],
}

impl<'a> Scan<'a> {
    fn of(header: &Header<'a>) -> Option<Scan<'a>> {
        let [(component, quantisation)] = header.components[..] else {
            return None;
        };
        let [1, scanned, tables, 0, 63, 0] = *header.scan else {
            return None;
        };
        if header.process > 1 || header.precision != 8 || scanned != component {
            return None;
        }
        let huffman = |class: usize, number: u8| {
            Huffman::new((*header.huffman[class].get(usize::from(number))?)?)
        };
        Some(Scan {
            width: header.width.into(),
            height: header.height.into(),
            quantisation: (*header.quantisation.get(usize::from(quantisation))?)?,
            dc: huffman(0, tables >> 4)?,
            ac: huffman(1, tables & 15)?,
            restart: header.restart.into(),
            coded: header.coded,
        })
    }

    /// The picture in which each block of 8×8 pixels is `CELLS` (1, 4 or 16) means; cells at the right and lower edge may
    /// reach beyond the film. `None` if the scan is damaged or cut short.
    fn means<const CELLS: usize>(&self) -> Option<Film> {
        let side = CELLS.isqrt();
        let pictures = pictures::<CELLS>(&self.quantisation);
        let (columns, rows) = (self.width.div_ceil(8), self.height.div_ceil(8));
        let mut small = Film::filled((columns * side) as u32, (rows * side) as u32, 0);
        let mut bits = Bits::new(self.coded);
        let mut mean = 0i32;
        for block in 0..columns * rows {
            if self.restart > 0 && block > 0 && block % self.restart == 0 {
                bits.restart()?;
                mean = 0;
            }
            let code = self.dc.next(&mut bits)?;
            mean = mean.checked_add(bits.value(code))?;
            let mut cells = [128.0; CELLS];
            add(&mut cells, mean, &pictures[0]);
            let mut k = 1;
            while k < 64 {
                let code = self.ac.next(&mut bits)?;
                let zeros = usize::from(code.symbol >> 4);
                match (zeros, code.symbol & 15) {
                    (15, 0) => {
                        bits.skip(code);
                        k += 16;
                    }
                    (_, 0) => {
                        bits.skip(code);
                        break;
                    }
                    _ if CELLS == 1 => {
                        bits.skip(code);
                        k += zeros + 1;
                    }
                    _ => {
                        k += zeros;
                        add(&mut cells, bits.value(code), pictures.get(k)?);
                        k += 1;
                    }
                }
            }
            if k > 64 {
                return None;
            }
            let (left, top) = (block % columns * side, block / columns * side);
            for (row, cells) in cells.chunks_exact(side).enumerate() {
                let start = (top + row) * columns * side + left;
                for (pixel, cell) in small.pixels[start..].iter_mut().zip(cells) {
                    // A float becomes an integer within its range.
                    *pixel = (cell + 0.5) as u8;
                }
            }
        }
        bits.at_end().then_some(small)
    }
}

fn add<const CELLS: usize>(cells: &mut [f32; CELLS], coefficient: i32, picture: &[f32; CELLS]) {
    for (cell, part) in cells.iter_mut().zip(picture) {
        *cell += coefficient as f32 * part;
    }
}

/// For each coefficient, in zigzag order, what one of it adds to the means of the cells (ITU-T T.81 A.3.3).
fn pictures<const CELLS: usize>(quantisation: &[u16; 64]) -> [[f32; CELLS]; 64] {
    let side = CELLS.isqrt();
    let width = 8 / side;
    // The mean of a cosine over the cell.
    let along = |frequency: usize, cell: usize| {
        let pixels = cell * width..(cell + 1) * width;
        let wave = |x: usize| ((2 * x + 1) as f32 * frequency as f32 * PI / 16.0).cos();
        let norm = if frequency == 0 { 0.5f32.sqrt() } else { 1.0 };
        pixels.map(wave).sum::<f32>() / width as f32 * norm / 2.0
    };
    let mut pictures = [[0.0; CELLS]; 64];
    for ((picture, (down, right)), quantum) in pictures.iter_mut().zip(zigzag()).zip(quantisation) {
        for (at, part) in picture.iter_mut().enumerate() {
            *part = f32::from(*quantum) * along(down, at / side) * along(right, at % side);
        }
    }
    pictures
}

/// The order of the coefficients: (down, right), along the diagonals of the block to and fro.
fn zigzag() -> impl Iterator<Item = (usize, usize)> {
    (0usize..15).flat_map(|diagonal| {
        let steps = diagonal.saturating_sub(7)..=diagonal.min(7);
        let up = diagonal % 2 == 0;
        steps.map(move |step| {
            if up {
                (diagonal - step, step)
            } else {
                (step, diagonal - step)
            }
        })
    })
}

/// The means of `film` over `width` × `height` parts of `area`, edges that cut through a pixel weighed by its share.
fn mean(film: &Film, area: Area, width: u32, height: u32) -> Film {
    let (columns, rows) = (film.width as usize, film.height as usize);
    let across = shares(area.left, area.width, width, columns);
    let down = shares(area.top, area.height, height, rows);
    let mut narrow = Vec::with_capacity(rows * across.len());
    for row in film.pixels.chunks_exact(columns) {
        narrow.extend(across.iter().map(|part| {
            let pixels = row[part.first..].iter().zip(&part.weights);
            pixels
                .map(|(pixel, weight)| f32::from(*pixel) * weight)
                .sum::<f32>()
        }));
    }
    let mut pixels = Vec::with_capacity(across.len() * down.len());
    for part in &down {
        let mut sums = vec![0.0; across.len()];
        let rows = narrow[part.first * across.len()..].chunks_exact(across.len());
        for (row, weight) in rows.zip(&part.weights) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value * weight;
            }
        }
        pixels.extend(sums.iter().map(|sum| (sum + 0.5) as u8));
    }
    Film {
        width,
        height,
        pixels,
    }
}

/// Pixels that lie in a part, and their shares of it, 1 together.
struct Part {
    first: usize,
    weights: Vec<f32>,
}

/// `count` equal parts of `length` pixels from `start` on; pixels beyond `pixels` are none.
fn shares(start: f64, length: f64, count: u32, pixels: usize) -> Vec<Part> {
    let step = length / f64::from(count);
    let part = |number| {
        let from = start + f64::from(number) * step;
        let to = (from + step).min(pixels as f64);
        let first = (from as usize).min(pixels - 1);
        let share = |at: usize| (to.min(at as f64 + 1.0) - from.max(at as f64)) / (to - from);
        let weights = (first..to.ceil() as usize)
            .map(|at| share(at) as f32)
            .collect();
        Part { first, weights }
    };
    (0..count).map(part).collect()
}
