//! The header of a JPEG (ITU-T T.81 annex B), as far as our own decoders need it.

/// The header of a grey, sequential, Huffman-coded JPEG of one scan.
pub(super) struct Header<'a> {
    pub(super) width: u16,
    pub(super) height: u16,
    /// Factors of a block's coefficients.
    pub(super) quanta: Quanta<'a>,
    /// Huffman table of the blocks' first coefficients.
    pub(super) means: Codes<'a>,
    /// Huffman table of all other coefficients.
    pub(super) others: Codes<'a>,
    /// Blocks between restart markers; 0: no markers.
    pub(super) restart: u16,
    /// The file from the first coded byte on.
    pub(super) coded: &'a [u8],
}

/// A quantisation table as the file has it.
#[derive(Clone, Copy)]
pub(super) struct Quanta<'a> {
    /// 64 factors, in the order of the file.
    factors: &'a [u8],
    /// Whether a factor has two bytes.
    is_wide: bool,
}

impl Quanta<'_> {
    /// The factor of the first coefficient.
    pub(super) fn first(&self) -> Option<u16> {
        if self.is_wide {
            return Some(u16::from_be_bytes(*self.factors.first_chunk()?));
        }
        Some(u16::from(*self.factors.first()?))
    }

    /// All 64 factors, in the order of the file.
    #[cfg(feature = "dicom")]
    pub(super) fn all(&self) -> Option<[f32; 64]> {
        let factors: Vec<f32> = if self.is_wide {
            let pairs = self.factors.as_chunks().0.iter();
            pairs.map(|b| f32::from(u16::from_be_bytes(*b))).collect()
        } else {
            self.factors.iter().map(|b| f32::from(*b)).collect()
        };
        factors.try_into().ok()
    }
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
struct Tables<'a> {
    /// Width, height, component and its quantisation table.
    frame: Option<(u16, u16, u8, u8)>,
    quanta: [Option<Quanta<'a>>; 4],
    /// Huffman tables of means, then those of the other coefficients.
    codes: [[Option<Codes<'a>>; 4]; 2],
    restart: u16,
}

/// A segment of a JPEG.
pub(crate) struct Segment<'a> {
    pub(crate) marker: u8,
    pub(crate) content: &'a [u8],
    /// The bytes behind the segment.
    after: &'a [u8],
}

/// The segments of a JPEG up to the header of its first scan, which is the last.
pub(crate) fn segments(bytes: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = bytes.strip_prefix(&super::START);
    std::iter::from_fn(move || {
        // A marker may follow any number of fill bytes.
        while let Some([0xff, 0xff, ..]) = rest {
            rest = rest.map(|bytes| &bytes[1..]);
        }
        let Some([0xff, marker, after @ ..]) = rest.take() else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
        let content = after.get(2..length)?;
        let after = &after[length..];
        rest = (*marker != SCAN).then_some(after);
        Some(Segment {
            marker: *marker,
            content,
            after,
        })
    })
}

/// Marker of the header of a scan.
const SCAN: u8 = 0xda;

/// Reads the header of the JPEG in `bytes`. `None` if the JPEG is damaged or of another kind than
/// [`Header`] describes, or if its values have another number of bits.
pub(super) fn header(bytes: &[u8], bits: u8) -> Option<Header<'_>> {
    let mut tables = Tables::default();
    for Segment {
        marker,
        content,
        after,
    } in segments(bytes)
    {
        match marker {
            0xdb => tables.quantisation(content)?,
            0xc4 => tables.huffman(content)?,
            0xdd => tables.restart = u16::from_be_bytes(*content.first_chunk()?),
            0xc0 | 0xc1 => tables.frame(content, bits)?,
            // Progressive, lossless, arithmetic.
            0xc2..=0xcf => return None,
            // The coded bytes follow the header of the scan.
            SCAN => return tables.scan(content, after),
            _ => {}
        }
    }
    None
}

impl<'a> Tables<'a> {
    fn frame(&mut self, segment: &[u8], bits: u8) -> Option<()> {
        let [stated, h1, h0, w1, w0, 1, component, _, table] = *segment else {
            return None;
        };
        if stated != bits {
            return None;
        }
        let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
        self.frame = Some((width, height, component, table));
        Some(())
    }

    fn quantisation(&mut self, mut segment: &'a [u8]) -> Option<()> {
        while let [kind, rest @ ..] = segment {
            let is_wide = kind >> 4 != 0;
            let (factors, after) = rest.split_at_checked(if is_wide { 128 } else { 64 })?;
            *self.quanta.get_mut(usize::from(kind & 15))? = Some(Quanta { factors, is_wide });
            segment = after;
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
            quanta: (*self.quanta.get(usize::from(quantisation))?)?,
            means: codes(0, tables >> 4)?,
            others: codes(1, tables & 15)?,
            restart: self.restart,
            coded,
        })
    }
}
