//! The header of a JPEG (ITU-T T.81 annex B), as far as [`super::blocks`] needs it.

/// The header of a grey, sequential, Huffman-coded JPEG of 8 bits and one scan.
pub(super) struct Header<'a> {
    pub(super) width: u16,
    pub(super) height: u16,
    /// Factor of a block's first coefficient.
    pub(super) quantum: u16,
    /// Huffman table of the blocks' first coefficients.
    pub(super) means: Codes<'a>,
    /// Huffman table of all other coefficients.
    pub(super) others: Codes<'a>,
    /// Blocks between restart markers; 0: no markers.
    pub(super) restart: u16,
    /// The file from the first coded byte on.
    pub(super) coded: &'a [u8],
}

/// A Huffman table as the file has it.
#[derive(Clone, Copy)]
pub(super) struct Codes<'a> {
    /// Numbers of codes of 1, 2, … 16 bits.
    pub(super) counts: &'a [u8; 16],
    /// Symbols in the order of their codes.
    pub(super) symbols: &'a [u8],
}

/// Tables and frame header, collected segment by segment.
#[derive(Default)]
struct Segments<'a> {
    /// Width, height, component and its quantisation table.
    frame: Option<(u16, u16, u8, u8)>,
    /// The first value of each quantisation table.
    quanta: [Option<u16>; 4],
    /// Huffman tables of means, then those of the other coefficients.
    codes: [[Option<Codes<'a>>; 4]; 2],
    restart: u16,
}

/// Reads the header of the JPEG in `bytes`. `None` if the JPEG is of another kind or damaged.
pub(super) fn header(bytes: &[u8]) -> Option<Header<'_>> {
    let mut rest = bytes.strip_prefix(&super::START)?;
    let mut segments = Segments::default();
    loop {
        let [0xff, marker, after @ ..] = rest else {
            return None;
        };
        // A marker may follow any number of fill bytes.
        if *marker == 0xff {
            rest = &rest[1..];
            continue;
        }
        let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
        let segment = after.get(2..length)?;
        rest = &after[length..];
        match marker {
            0xdb => segments.quantisation(segment)?,
            0xc4 => segments.huffman(segment)?,
            0xdd => segments.restart = u16::from_be_bytes(*segment.first_chunk()?),
            0xc0 | 0xc1 => segments.frame(segment)?,
            // Progressive, lossless, arithmetic.
            0xc2..=0xcf => return None,
            0xda => return segments.scan(segment, rest),
            _ => {}
        }
    }
}

impl<'a> Segments<'a> {
    fn frame(&mut self, segment: &[u8]) -> Option<()> {
        let [8, h1, h0, w1, w0, 1, component, _, table] = *segment else {
            return None;
        };
        let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
        self.frame = Some((width, height, component, table));
        Some(())
    }

    fn quantisation(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [kind, rest @ ..] = segment {
            let (first, length) = match kind >> 4 {
                0 => (u16::from(*rest.first()?), 64),
                _ => (u16::from_be_bytes(*rest.first_chunk()?), 128),
            };
            *self.quanta.get_mut(usize::from(kind & 15))? = Some(first);
            segment = rest.get(length..)?;
        }
        Some(())
    }

    fn huffman(&mut self, mut segment: &'a [u8]) -> Option<()> {
        while let [kind, rest @ ..] = segment {
            let tables = self.codes.get_mut(usize::from(kind >> 4))?;
            let table = tables.get_mut(usize::from(kind & 15))?;
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let total = counts.iter().map(|n| usize::from(*n)).sum();
            let (symbols, after) = rest.split_at_checked(total)?;
            *table = Some(Codes { counts, symbols });
            segment = after;
        }
        Some(())
    }

    fn scan(&self, segment: &[u8], coded: &'a [u8]) -> Option<Header<'a>> {
        let (width, height, component, quantisation) = self.frame?;
        let [1, scanned, tables, 0, 63, 0] = *segment else {
            return None;
        };
        let codes = |class: usize, number: u8| *self.codes[class].get(usize::from(number))?;
        let valid = scanned == component && width > 0 && height > 0;
        valid.then_some(Header {
            width,
            height,
            quantum: (*self.quanta.get(usize::from(quantisation))?)?,
            means: codes(0, tables >> 4)?,
            others: codes(1, tables & 15)?,
            restart: self.restart,
            coded,
        })
    }
}
