//! What a JPEG says before its picture begins (ITU-T T.81 annex B).

/// Frame header and tables.
#[derive(Default)]
pub(crate) struct Header<'a> {
    /// Number of the start-of-frame marker: 0 and 1 are sequential, Huffman-coded.
    pub(crate) process: u8,
    /// Bits of a sample.
    pub(crate) precision: u8,
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Per component: number and quantisation table.
    pub(crate) components: Vec<(u8, u8)>,
    /// In zigzag order.
    pub(crate) quantisation: [Option<[u16; 64]>; 4],
    /// DC, then AC: how many codes there are of each length, and the symbols.
    pub(crate) huffman: [[Option<Codes<'a>>; 4]; 2],
    /// Blocks between restart markers, 0 for none.
    pub(crate) restart: u16,
    /// What the first scan says of itself.
    pub(crate) scan: &'a [u8],
    /// From the first scan's first coded byte on.
    pub(crate) coded: &'a [u8],
}

/// A Huffman table as it is written.
#[derive(Clone, Copy)]
pub(crate) struct Codes<'a> {
    /// How many codes have 1, 2, … 16 bits.
    pub(crate) counts: &'a [u8; 16],
    /// In the order of their codes.
    pub(crate) symbols: &'a [u8],
}

/// Header of the JPEG in `bytes`; `None` when it is none, or damaged.
pub(crate) fn header(bytes: &[u8]) -> Option<Header<'_>> {
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    let mut header = Header::default();
    loop {
        let [0xff, marker, after @ ..] = rest else {
            return None;
        };
        // Any number of fill bytes may stand before a marker.
        if *marker == 0xff {
            rest = &rest[1..];
            continue;
        }
        let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
        let segment = after.get(2..length)?;
        rest = &after[length..];
        match marker {
            0xdb => header.quantisation(segment)?,
            0xc4 => header.huffman(segment)?,
            0xdd => header.restart = u16::from_be_bytes(*segment.first_chunk()?),
            0xc0..=0xcf if !matches!(marker, 0xc8 | 0xcc) => {
                header.frame(marker - 0xc0, segment)?;
            }
            0xda => {
                header.scan = segment;
                header.coded = rest;
                return (!header.components.is_empty()).then_some(header);
            }
            _ => {}
        }
    }
}

impl<'a> Header<'a> {
    fn frame(&mut self, process: u8, segment: &[u8]) -> Option<()> {
        let [precision, h1, h0, w1, w0, count, components @ ..] = segment else {
            return None;
        };
        self.process = process;
        self.precision = *precision;
        self.height = u16::from_be_bytes([*h1, *h0]);
        self.width = u16::from_be_bytes([*w1, *w0]);
        let components = components.get(..3 * usize::from(*count))?;
        self.components = components
            .as_chunks()
            .0
            .iter()
            .map(|[id, _, q]| (*id, *q))
            .collect();
        Some(())
    }

    fn quantisation(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [kind, rest @ ..] = segment {
            let table = self.quantisation.get_mut(usize::from(kind & 15))?;
            let values: [u16; 64];
            if kind >> 4 == 0 {
                let (bytes, after) = rest.split_first_chunk::<64>()?;
                values = bytes.map(u16::from);
                segment = after;
            } else {
                let (bytes, after) = rest.split_first_chunk::<128>()?;
                values =
                    std::array::from_fn(|k| u16::from_be_bytes([bytes[2 * k], bytes[2 * k + 1]]));
                segment = after;
            }
            *table = Some(values);
        }
        Some(())
    }

    fn huffman(&mut self, mut segment: &'a [u8]) -> Option<()> {
        while let [kind, rest @ ..] = segment {
            let tables = self.huffman.get_mut(usize::from(kind >> 4))?;
            let table = tables.get_mut(usize::from(kind & 15))?;
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let total = counts.iter().map(|n| usize::from(*n)).sum();
            let (symbols, after) = rest.split_at_checked(total)?;
            *table = Some(Codes { counts, symbols });
            segment = after;
        }
        Some(())
    }
}
