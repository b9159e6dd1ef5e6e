//! Decodes grey JPEGs of 12 bits (JPEG Extended, ITU-T T.81 process 4), which libjpeg is not built
//! for.

use super::bits::Bits;
use super::header::{Header, header};
use super::huffman::Symbols;

/// Bits of a value.
pub(crate) const DEEP_BITS: u32 = 12;

/// The position in a block, row by row, of each coefficient in the order of the file.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// A sequential, Huffman-coded, grey JPEG of 12 bits whose header was read.
pub(crate) struct DeepJpeg<'a> {
    header: Header<'a>,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Reads the header of a JPEG of 12 bits. `None` for all other JPEGs.
pub(crate) fn deep(bytes: &[u8]) -> Option<DeepJpeg<'_>> {
    let header = header(bytes, DEEP_BITS as u8)?;
    Some(DeepJpeg {
        width: header.width.into(),
        height: header.height.into(),
        header,
    })
}

impl DeepJpeg<'_> {
    /// Decodes the values, row by row.
    ///
    /// # Errors
    /// If the JPEG is damaged or cut short.
    pub(crate) fn decode(&self) -> Result<Vec<u16>, String> {
        self.blocks()
            .ok_or_else(|| "is damaged or cut short: its JPEG of 12 bits ends too early".into())
    }

    fn blocks(&self) -> Option<Vec<u16>> {
        let header = &self.header;
        let means = Symbols::new(header.means)?;
        let others = Symbols::new(header.others)?;
        let quanta = header.quanta.all()?;
        let (width, height) = (self.width as usize, self.height as usize);
        let mut values = vec![0; width * height];
        let across = width.div_ceil(8);
        let restart = usize::from(header.restart);
        let waves = waves();
        let mut bits = Bits::new(header.coded);
        let mut mean = 0i32;
        for number in 0..across * height.div_ceil(8) {
            if restart > 0 && number > 0 && number % restart == 0 {
                bits.restart(number / restart - 1)?;
                mean = 0;
            }
            let mut block = [0.0; 64];
            let (_, difference) = means.next(&mut bits)?;
            mean = mean.checked_add(difference)?;
            block[0] = mean as f32 * quanta[0];
            let mut at = 1;
            while at < 64 {
                let (symbol, value) = others.next(&mut bits)?;
                match (symbol >> 4, symbol & 15) {
                    (15, 0) => at += 16,
                    (_, 0) => break,
                    (zeros, _) => {
                        at += usize::from(zeros);
                        *block.get_mut(*ZIGZAG.get(at)?)? = value as f32 * quanta[at];
                        at += 1;
                    }
                }
            }
            let (left, top) = (number % across * 8, number / across * 8);
            let rows = values.chunks_exact_mut(width).skip(top);
            for (row, pixels) in rows.zip(inverse(&block, &waves).as_chunks::<8>().0) {
                for (value, pixel) in row[left..].iter_mut().zip(pixels) {
                    *value = (pixel + 2048.5).clamp(0.0, 4095.0) as u16;
                }
            }
        }
        bits.at_end().then_some(values)
    }
}

/// By position and frequency: the basis of the discrete cosine transform of eight values.
fn waves() -> [[f32; 8]; 8] {
    std::array::from_fn(|position| {
        std::array::from_fn(|frequency| {
            let angle = (2 * position + 1) as f32 * frequency as f32 * std::f32::consts::PI / 16.0;
            let scale = if frequency == 0 {
                0.125_f32.sqrt()
            } else {
                0.5
            };
            scale * angle.cos()
        })
    })
}

/// The inverse discrete cosine transform of a block.
fn inverse(block: &[f32; 64], waves: &[[f32; 8]; 8]) -> [f32; 64] {
    let rows = along_rows(block, waves);
    transposed(&along_rows(&transposed(&rows), waves))
}

fn along_rows(block: &[f32; 64], waves: &[[f32; 8]; 8]) -> [f32; 64] {
    std::array::from_fn(|at| {
        let row = &block[at / 8 * 8..][..8];
        row.iter().zip(&waves[at % 8]).map(|(a, b)| a * b).sum()
    })
}

fn transposed(block: &[f32; 64]) -> [f32; 64] {
    std::array::from_fn(|at| block[at % 8 * 8 + at / 8])
}
