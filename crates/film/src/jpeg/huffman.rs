//! Huffman codes of a sequential JPEG (ITU-T T.81 annexes C and F).
//!
//! Each code is followed by a number of as many bits as the code's symbol states.

use super::header::Codes;

/// Bits that index the tables.
const LOOK: u32 = 12;
/// Most bits of the number of a mean, in pictures of 8 bits.
const MEAN_BITS: u8 = 11;
/// Most bits of the number of another coefficient.
const BITS: u8 = 10;
/// [`Step::ahead`] of the code that ends a block.
const END: u8 = 128;

/// What the next bits contain.
#[derive(Clone, Copy, Default)]
struct Step {
    /// Bits of the codes and of their numbers; 0 for a code longer than [`LOOK`].
    bits: u8,
    /// Number of coefficients that they encode, plus [`END`] if they end the block. In a table of
    /// means: bits of the number.
    ahead: u8,
}

type Table = Box<[Step; 1 << LOOK]>;

/// The code of the blocks' means. A symbol is the number of bits of the number that follows it.
pub(super) struct Means<'a>(Single<'a>);

impl<'a> Means<'a> {
    /// `None` for invalid codes.
    pub(super) fn new(codes: Codes<'a>) -> Option<Means<'a>> {
        let step = |length: u32, size: u8| {
            (size <= MEAN_BITS).then(|| Step {
                bits: length as u8 + size,
                ahead: size,
            })
        };
        Some(Means(Single::new(codes, step)?))
    }

    /// Reads the next number.
    #[inline(always)]
    pub(super) fn next(&self, bits: &mut super::bits::Bits<'_>) -> Option<i32> {
        bits.fill();
        let step = self.0.step(bits.ahead)?;
        Some(bits.number(step.bits, step.ahead))
    }
}

/// The code of all other coefficients, which are skipped, several at a time.
pub(super) struct Others<'a> {
    single: Single<'a>,
    /// For each prefix of [`LOOK`] bits: as many complete codes with their numbers as it holds.
    several: Table,
}

impl<'a> Others<'a> {
    /// `None` for invalid codes.
    pub(super) fn new(codes: Codes<'a>) -> Option<Others<'a>> {
        let step = |length: u32, symbol: u8| {
            let (zeros, size) = (symbol >> 4, symbol & 15);
            let ahead = match (zeros, size) {
                (15, 0) => 16,
                (_, 0) => END,
                _ => zeros + 1,
            };
            (size <= BITS).then_some(Step {
                bits: length as u8 + size,
                ahead,
            })
        };
        let single = Single::new(codes, step)?;
        let mut several = single.table.clone();
        for (prefix, step) in several.iter_mut().enumerate() {
            while step.bits > 0 && u32::from(step.bits) < LOOK && step.ahead < 64 {
                let rest = (prefix << step.bits) & ((1 << LOOK) - 1);
                let next = single.table[rest];
                let fits = u32::from(step.bits + next.bits) <= LOOK;
                if next.bits == 0 || !fits || step.ahead + (next.ahead & !END) > 63 {
                    break;
                }
                step.bits += next.bits;
                step.ahead += next.ahead;
            }
        }
        Some(Others { single, several })
    }

    /// Skips the 63 coefficients of a block that follow its mean.
    #[inline(always)]
    pub(super) fn skip(&self, bits: &mut super::bits::Bits<'_>) -> Option<()> {
        let mut at = 1;
        loop {
            bits.fill();
            // 48 bits are ahead, and a step takes at most LOOK + BITS of them: two steps fit.
            for _ in 0..2 {
                let step = self.several[(bits.ahead >> (64 - LOOK)) as usize];
                let next = at + u32::from(step.ahead);
                match next {
                    _ if step.bits == 0 => return self.skip_singly(bits, at),
                    0..64 => {
                        bits.skip(step.bits);
                        at = next;
                    }
                    64 | 128..192 => {
                        bits.skip(step.bits);
                        return Some(());
                    }
                    // The block ends before the last of these codes.
                    _ => return self.skip_singly(bits, at),
                }
            }
        }
    }

    /// Skips the coefficients from `at` on, one code at a time.
    #[cold]
    fn skip_singly(&self, bits: &mut super::bits::Bits<'_>, mut at: u32) -> Option<()> {
        loop {
            bits.fill();
            let step = self.single.step(bits.ahead)?;
            bits.skip(step.bits);
            at += u32::from(step.ahead);
            match at {
                0..64 => {}
                64 | 128..192 => return Some(()),
                _ => return None,
            }
        }
    }
}

/// A code whose symbols are read one by one, each with the number that follows it.
#[cfg(feature = "dicom")]
pub(super) struct Symbols<'a>(Single<'a>);

#[cfg(feature = "dicom")]
impl<'a> Symbols<'a> {
    /// `None` for invalid codes.
    pub(super) fn new(codes: Codes<'a>) -> Option<Symbols<'a>> {
        let step = |length: u32, symbol: u8| {
            Some(Step {
                bits: length as u8 + (symbol & 15),
                ahead: symbol,
            })
        };
        Some(Symbols(Single::new(codes, step)?))
    }

    /// Reads the next symbol, and the number of as many bits as its lower half states.
    pub(super) fn next(&self, bits: &mut super::bits::Bits<'_>) -> Option<(u8, i32)> {
        bits.fill();
        let step = self.0.step(bits.ahead)?;
        Some((step.ahead, bits.number(step.bits, step.ahead & 15)))
    }
}

/// A code that is read one symbol at a time.
struct Single<'a> {
    table: Table,
    /// By length of the code: the first code that is longer, extended to 16 bits, and what to add
    /// to a code to get the index of its symbol.
    longer: [(u32, i32); 17],
    symbols: &'a [u8],
    /// The step of a code of this length with this symbol; `None` for an invalid symbol.
    to_step: fn(u32, u8) -> Option<Step>,
}

impl<'a> Single<'a> {
    fn new(codes: Codes<'a>, to_step: fn(u32, u8) -> Option<Step>) -> Option<Single<'a>> {
        let mut table = Box::new([Step::default(); 1 << LOOK]);
        let mut longer = [(0, 0); 17];
        let (mut code, mut used) = (0u32, 0usize);
        for (length, count) in (1u32..).zip(codes.counts) {
            for symbol in &codes.symbols[used..used + usize::from(*count)] {
                let step = to_step(length, *symbol)?;
                if length <= LOOK {
                    let first = (code << (LOOK - length)) as usize;
                    let after = first + (1 << (LOOK - length));
                    table.get_mut(first..after)?.fill(step);
                }
                code += 1;
            }
            used += usize::from(*count);
            if code > 1 << length {
                return None;
            }
            longer[length as usize] = (code << (16 - length), used as i32 - code as i32);
            code <<= 1;
        }
        Some(Single {
            table,
            longer,
            symbols: codes.symbols,
            to_step,
        })
    }

    /// The step of the next code; `None` if the bits begin with no code.
    #[inline(always)]
    fn step(&self, ahead: u64) -> Option<Step> {
        let step = self.table[(ahead >> (64 - LOOK)) as usize];
        if step.bits > 0 {
            return Some(step);
        }
        self.longer(ahead)
    }

    #[cold]
    fn longer(&self, ahead: u64) -> Option<Step> {
        let next = (ahead >> 48) as u32;
        let length = (LOOK + 1..=16).find(|length| next < self.longer[*length as usize].0)?;
        let number = (next >> (16 - length)) as i32 + self.longer[length as usize].1;
        (self.to_step)(length, *self.symbols.get(number as usize)?)
    }
}
