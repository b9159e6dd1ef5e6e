//! The coded bits of a JPEG's scan.

/// Reads the bits of a scan, without stuffed zero bytes.
pub(super) struct Bits<'a> {
    /// The bytes that are not yet in `ahead`.
    rest: &'a [u8],
    /// The next bits, from the highest on, followed by zeros.
    pub(super) ahead: u64,
    /// Number of bits in `ahead`; negative after reading beyond the end.
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

    /// Fills `ahead` to at least 48 bits, unless the scan ends before.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        if self.count >= 48 {
            return;
        }
        if let Some(eight) = self.rest.first_chunk::<8>()
            && self.count >= 0
        {
            let word = u64::from_be_bytes(*eight);
            // Without a byte 0xff, nothing is stuffed and no marker begins.
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
                // A marker ends the scan, or its part before a restart.
                [0xff, ..] | [] => return,
                [byte, ..] => (*byte, 1),
            };
            self.ahead |= u64::from(byte) << (56 - self.count);
            self.count += 8;
            self.rest = &self.rest[length..];
        }
    }

    /// Skips `count` bits, fewer than 64.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u8) {
        self.ahead <<= count;
        self.count -= i32::from(count);
    }

    /// Reads `bits` bits, fewer than 64, and returns the number in the last `size` of them (ITU-T
    /// T.81 F.2.2.1).
    #[inline(always)]
    pub(super) fn number(&mut self, bits: u8, size: u8) -> i32 {
        // Two shifts, because for `size` 0 a single one would be by 64 bits.
        let raw = ((self.ahead << (bits - size)) >> 1 >> (63 - size)) as i32;
        self.skip(bits);
        let half = (1 << size) >> 1;
        if raw < half {
            raw - (1 << size) + 1
        } else {
            raw
        }
    }

    /// Continues after the restart marker of this number, modulo 8. `None` if it does not come
    /// next.
    pub(super) fn restart(&mut self, number: usize) -> Option<()> {
        let complete = self.at_marker();
        let marker = [0xff, 0xd0 + (number % 8) as u8];
        *self = Bits::new(self.rest.strip_prefix(&marker)?);
        complete.then_some(())
    }

    /// Whether the picture ends here.
    pub(super) fn at_end(&mut self) -> bool {
        self.at_marker() && self.rest.starts_with(&[0xff, 0xd9])
    }

    /// Whether everything up to the next marker was read, and nothing beyond it. The bits that fill
    /// up the last byte may be left.
    fn at_marker(&mut self) -> bool {
        self.fill();
        (0..8).contains(&self.count)
    }
}
