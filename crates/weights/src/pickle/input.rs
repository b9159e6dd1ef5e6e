//! The bytes of a pickle, read from front to back.

use crate::Parsed;

pub(super) struct Input<'a> {
    bytes: &'a [u8],
    pub(super) position: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { bytes, position: 0 }
    }

    pub(super) fn take(&mut self, length: usize) -> Parsed<&'a [u8]> {
        let bytes = self.bytes[self.position..]
            .get(..length)
            .ok_or("is cut off or damaged; download it again")?;
        self.position += length;
        Ok(bytes)
    }

    pub(super) fn skip(&mut self, length: usize) -> Parsed<()> {
        self.take(length).map(drop)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Parsed<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// An unsigned number of `width` bytes (at most 8), lowest byte first.
    pub(super) fn unsigned(&mut self, width: usize) -> Parsed<u64> {
        let mut number = [0; 8];
        number[..width].copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(number))
    }

    /// Bytes that follow their count. The count is an unsigned number of `width` bytes.
    pub(super) fn counted(&mut self, width: usize) -> Parsed<&'a [u8]> {
        let length = self.unsigned(width)?;
        // A length beyond usize is beyond the end of the file, too.
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Text up to the next line feed, which is skipped.
    pub(super) fn line(&mut self) -> Parsed<&'a str> {
        let rest = &self.bytes[self.position..];
        let length = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        let line = self.take(length)?;
        self.skip(1)?;
        std::str::from_utf8(line)
            .map_err(|_| "is damaged: the name of a class is not text".to_owned())
    }
}
