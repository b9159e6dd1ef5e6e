//! Streams within limits.

use std::io::{self, BufRead, Read};

use crate::limit::Limit;

/// A stream that fails once it has given more bytes than a limit. [`refill`](Capped::refill) starts
/// the count again, for a limit of each record.
#[derive(Debug)]
pub struct Capped<R> {
    inner: R,
    limit: Limit,
    left: u64,
}

impl<R> Capped<R> {
    /// Limits `inner`.
    pub fn new(inner: R, limit: Limit) -> Capped<R> {
        Capped {
            inner,
            limit,
            left: limit.bytes,
        }
    }

    /// Starts the count of bytes again.
    pub fn refill(&mut self) {
        self.left = self.limit.bytes;
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One byte more than is left shows that the stream is too long.
        let most = usize::try_from(self.left + 1).unwrap_or(usize::MAX);
        let end = buffer.len().min(most);
        let count = self.inner.read(&mut buffer[..end])?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| self.limit.exceeded())?;
        Ok(count)
    }
}

/// The lines of a text (UTF-8), without their ends. Each line must keep to `limit`. Nothing follows
/// an error.
pub fn lines(mut reader: impl BufRead, limit: Limit) -> impl Iterator<Item = io::Result<String>> {
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let line = next_line(&mut reader, limit).transpose()?;
        failed = line.is_err();
        Some(line)
    })
}

/// The next line. `None` at the end of the text.
fn next_line(reader: &mut impl BufRead, limit: Limit) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    reader
        .by_ref()
        .take(limit.bytes + 1)
        .read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() as u64 > limit.bytes {
        return Err(limit.exceeded());
    }
    if line.ends_with(b"\n") {
        line.pop();
        line.pop_if(|end| *end == b'\r');
    }
    let text = String::from_utf8(line);
    text.map(Some)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}
