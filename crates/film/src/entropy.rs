//! The Huffman code of a sequential JPEG, bit by bit.

use crate::jpeg::Codes;

/// How many bits the quick table looks at.
const QUICK: u32 = 11;

/// What one code says.
#[derive(Clone, Copy, Default)]
pub(crate) struct Code {
    /// Bits of the code, 0 for none.
    length: u8,
    /// Bits of the code and of the number after it.
    total: u8,
    /// How many coefficients are zero before it, and the size of the number.
    pub(crate) symbol: u8,
}

impl Code {
    fn new(length: u32, symbol: u8) -> Code {
        Code {
            length: length as u8,
            total: length as u8 + (symbol & 15),
            symbol,
        }
    }
}

/// A Huffman code (ITU-T T.81 annex C).
pub(crate) struct Huffman<'a> {
    /// By the next bits: the code that they begin with; none for longer ones.
    quick: Box<[Code; 1 << QUICK]>,
    /// Per length: the first code beyond it, filled up to 16 bits, and where its symbols end, less its codes' end.
    longer: [(u32, i32); 17],
    symbols: &'a [u8],
}

impl<'a> Huffman<'a> {
    /// `None` for more codes than there can be.
    pub(crate) fn new(codes: Codes<'a>) -> Option<Huffman<'a>> {
        let mut quick = Box::new([Code::default(); 1 << QUICK]);
        let mut longer = [(0, 0); 17];
        let (mut code, mut used) = (0u32, 0usize);
        for (length, count) in (1u32..).zip(codes.counts) {
            for symbol in &codes.symbols[used..used + usize::from(*count)] {
                if length <= QUICK {
                    let first = (code << (QUICK - length)) as usize;
                    let after = first + (1 << (QUICK - length));
                    quick
                        .get_mut(first..after)?
                        .fill(Code::new(length, *symbol));
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
        Some(Huffman {
            quick,
            longer,
            symbols: codes.symbols,
        })
    }

    /// The next code, left where it is; `None` where there is none.
    #[inline(always)]
    pub(crate) fn next(&self, bits: &mut Bits<'_>) -> Option<Code> {
        bits.fill();
        let code = self.quick[(bits.ahead >> (64 - QUICK)) as usize];
        if code.length > 0 {
            return Some(code);
        }
        self.longer(bits.ahead)
    }

    #[cold]
    fn longer(&self, ahead: u64) -> Option<Code> {
        let next = (ahead >> 48) as u32;
        let length = (QUICK + 1..=16).find(|length| next < self.longer[*length as usize].0)?;
        let number = (next >> (16 - length)) as i32 + self.longer[length as usize].1;
        Some(Code::new(length, *self.symbols.get(number as usize)?))
    }
}

/// The coded bits, stuffed zero bytes taken out.
pub(crate) struct Bits<'a> {
    /// What is not yet in `ahead`.
    rest: &'a [u8],
    /// The next bits, from the highest on.
    ahead: u64,
    /// How many of them there are; after the end, zeros count below zero.
    count: i32,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Bits {
            rest,
            ahead: 0,
            count: 0,
        }
    }

    /// At least 32 bits ahead, a symbol and its value, while there are any.
    #[inline(always)]
    fn fill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(eight) = self.rest.first_chunk::<8>()
            && self.count >= 0
        {
            let word = u64::from_be_bytes(*eight);
            // Whether no byte is 0xff: then none is stuffed, and no marker begins.
            if (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080 == 0 {
                self.ahead |= word >> self.count;
                let taken = (63 - self.count) / 8;
                self.rest = &self.rest[taken as usize..];
                self.count += taken * 8;
                return;
            }
        }
        self.fill_by_bytes();
    }

    #[cold]
    fn fill_by_bytes(&mut self) {
        while (0..=56).contains(&self.count) {
            let (byte, length) = match self.rest {
                [0xff, 0, ..] => (0xff, 2),
                // A marker: the scan, or its part before a restart, is over.
                [0xff, ..] | [] => return,
                [byte, ..] => (*byte, 1),
            };
            self.ahead |= u64::from(byte) << (56 - self.count);
            self.count += 8;
            self.rest = &self.rest[length..];
        }
    }

    /// Over `code` and its number.
    #[inline(always)]
    pub(crate) fn skip(&mut self, code: Code) {
        self.ahead <<= code.total;
        self.count -= i32::from(code.total);
    }

    /// The number after `code` (ITU-T T.81 F.2.2.1), both read.
    #[inline(always)]
    pub(crate) fn value(&mut self, code: Code) -> i32 {
        let size = code.total - code.length;
        // In two steps: no number is a shift of 64.
        let bits = ((self.ahead << code.length) >> 1 >> (63 - size)) as i32;
        self.skip(code);
        let half = (1 << size) >> 1;
        if bits < half {
            bits - (1 << size) + 1
        } else {
            bits
        }
    }

    /// Whether all was read up to the next marker, and nothing beyond: at most what fills up the last byte is left.
    fn at_marker(&mut self) -> bool {
        self.fill();
        (0..8).contains(&self.count)
    }

    /// Goes on after the next restart marker, which must be here.
    pub(crate) fn restart(&mut self) -> Option<()> {
        let whole = self.at_marker();
        let [0xff, 0xd0..=0xd7, rest @ ..] = self.rest else {
            return None;
        };
        *self = Bits::new(rest);
        whole.then_some(())
    }

    /// Whether this is the end of the picture.
    pub(crate) fn at_end(&mut self) -> bool {
        self.at_marker() && self.rest.starts_with(&[0xff, 0xd9])
    }
}
