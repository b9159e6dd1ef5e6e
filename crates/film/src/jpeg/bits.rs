//! The coded bits of a JPEG's scan.

/// The next bits of a scan, stuffed zero bytes taken out.
pub(super) struct Bits<'a> {
    /// What is not yet in `ahead`.
    rest: &'a [u8],
    /// The next bits, from the highest on; zeros after the last.
    pub(super) ahead: u64,
    /// How many of them there are; what is read after the end counts below zero.
    count: i32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Bits {
            rest,
            ahead: 0,
            count: 0,
        }
    }

    /// At least 48 bits ahead, while there are any.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        if self.count >= 48 {
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

    /// Over `count` bits, less than 64.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u8) {
        self.ahead <<= count;
        self.count -= i32::from(count);
    }

    /// The number in the last `size` of the next `bits` bits, less than 64, all of them read (ITU-T T.81 F.2.2.1).
    #[inline(always)]
    pub(super) fn number(&mut self, bits: u8, size: u8) -> i32 {
        // In two steps: no number is a shift of 64.
        let raw = ((self.ahead << (bits - size)) >> 1 >> (63 - size)) as i32;
        self.skip(bits);
        let half = (1 << size) >> 1;
        if raw < half {
            raw - (1 << size) + 1
        } else {
            raw
        }
    }

    /// Goes on after the restart marker of this number, counted modulo 8; `None` if it is not here.
    pub(super) fn restart(&mut self, number: usize) -> Option<()> {
        let whole = self.at_marker();
        let marker = [0xff, 0xd0 + (number % 8) as u8];
        *self = Bits::new(self.rest.strip_prefix(&marker)?);
        whole.then_some(())
    }

    /// Whether this is the end of the picture.
    pub(super) fn at_end(&mut self) -> bool {
        self.at_marker() && self.rest.starts_with(&[0xff, 0xd9])
    }

    /// Whether all was read up to the next marker, and nothing beyond: at most what fills up the last byte is left.
    fn at_marker(&mut self) -> bool {
        self.fill();
        (0..8).contains(&self.count)
    }
}
