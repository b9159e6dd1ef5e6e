//! Decodes grey JPEGs at 1/8 of their size.
//!
//! The mean of a block is its first coefficient; the other 63 are skipped. libjpeg reads each of
//! them. Here, one look into a table skips several, with exactly the result of libjpeg.
//! `benches/decode.rs` measures the gain in speed.

use super::bits::Bits;
use super::header::header;
use super::huffman::{Means, Others};

/// The means of the blocks of a grey, sequential, Huffman-coded JPEG of 8 bits, row by row. `None`
/// for all other JPEGs, and for damaged ones: libjpeg then decodes the file, and reports any
/// damage.
pub(super) fn means(bytes: &[u8]) -> Option<Vec<u8>> {
    let header = header(bytes, 8)?;
    let means = Means::new(header.means)?;
    let others = Others::new(header.others)?;
    let restart = usize::from(header.restart);
    let blocks = usize::from(header.width).div_ceil(8) * usize::from(header.height).div_ceil(8);
    let mut bits = Bits::new(header.coded);
    let mut pixels = Vec::with_capacity(blocks);
    let mut mean = 0i32;
    for block in 0..blocks {
        if restart > 0 && block > 0 && block % restart == 0 {
            bits.restart(block / restart - 1)?;
            mean = 0;
        }
        mean = mean.checked_add(means.next(&mut bits)?)?;
        others.skip(&mut bits)?;
        pixels.push(pixel(mean.checked_mul(header.quanta.first()?.into())?)?);
    }
    bits.at_end().then_some(pixels)
}

/// The pixel of a block, from the first coefficient, which is eight times the mean. `None` for a
/// value so far out of range that libjpeg wraps it to the other end; no encoder writes such.
fn pixel(coefficient: i32) -> Option<u8> {
    let mean = coefficient.saturating_add(4) >> 3;
    (-512..512)
        .contains(&mean)
        .then(|| (mean + 128).clamp(0, 255) as u8)
}
