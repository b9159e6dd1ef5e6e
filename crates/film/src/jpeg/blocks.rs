//! Grey JPEGs at 1/8 of their size: the mean of each block is its first coefficient, the other 63 are passed unread.
//!
//! libjpeg reads each of them all the same. Here one look into a table passes several (`benches/` has the figures), with
//! libjpeg's result to the bit.

use super::bits::Bits;
use super::header::header;
use super::huffman::{Means, Others};

/// The means of the blocks, row by row, of a grey, sequential, Huffman-coded JPEG of 8 bits; `None` for all others, and for
/// damaged ones: what is wrong with them libjpeg says.
pub(super) fn means(bytes: &[u8]) -> Option<Vec<u8>> {
    let header = header(bytes)?;
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
        others.pass(&mut bits)?;
        pixels.push(pixel(mean.checked_mul(header.quantum.into())?)?);
    }
    bits.at_end().then_some(pixels)
}

/// The pixel of a block whose first coefficient is this, eight times its mean. `None` for one so far out that libjpeg takes it round
/// to the other end of the range, which no encoder writes.
fn pixel(coefficient: i32) -> Option<u8> {
    let mean = coefficient.saturating_add(4) >> 3;
    (-512..512)
        .contains(&mean)
        .then(|| (mean + 128).clamp(0, 255) as u8)
}
