//! The header of npy files (`numpy.save`), within limits. Source: NEP 1 and
//! `numpy.lib.format`.
//!
//! A general reader of this header is a reader of Python expressions, which can be nested without
//! bound. This one reads exactly the three keys that numpy writes.

/// The longest header that is read, in bytes. Those of numpy have 128.
const LONGEST: usize = 1 << 16;
/// The most dimensions of an array, as in numpy.
const DIMENSIONS: usize = 64;
const MAGIC: &[u8] = b"\x93NUMPY";
/// The values begin at a multiple of this.
const ALIGNMENT: usize = 64;

/// The type of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits, little-endian.
    U16,
    /// Float, 32 bits, little-endian.
    F32,
}

impl Values {
    const ALL: [Values; 3] = [Values::U8, Values::U16, Values::F32];

    fn name(self) -> &'static str {
        match self {
            Values::U8 => "|u1",
            Values::U16 => "<u2",
            Values::F32 => "<f4",
        }
    }
}

/// The header of an npy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The type of the values.
    pub values: Values,
    /// The lengths of the array's dimensions. The last one varies fastest.
    pub shape: Vec<u64>,
}

/// Such as `values |u1 of the shape [3, 1, 64, 64]`.
impl std::fmt::Display for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "values {} of the shape {:?}",
            self.values.name(),
            self.shape
        )
    }
}

impl Header {
    /// The bytes of the header in version 1.0, to the first value.
    pub fn bytes(&self) -> Vec<u8> {
        let name = self.values.name();
        let shape: String = self.shape.iter().map(|n| format!("{n}, ")).collect();
        let text = format!("{{'descr': '{name}', 'fortran_order': False, 'shape': ({shape}), }}");
        let before = MAGIC.len() + 4;
        // At least a line feed follows the text.
        let length = (before + text.len() + 1).next_multiple_of(ALIGNMENT) - before;
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((length as u16).to_le_bytes());
        bytes.extend(format!("{text:width$}\n", width = length - 1).as_bytes());
        bytes
    }

    /// Reads the header of an npy file. Also returns where its values begin. `file` is the file or
    /// its beginning.
    ///
    /// # Errors
    /// If the header is cut short, damaged or too long, or the array has values of another type or
    /// lies column by column.
    pub fn read(file: &[u8]) -> Result<(Header, usize), String> {
        let (text, start) = text(file)?;
        let text = text.trim_end_matches(['\n', ' ']);
        let mut rest = Rest(text);
        let (mut values, mut ordered, mut shape) = (None, false, None);
        rest.expect("{")?;
        while !rest.skip("}") {
            let key = rest.quoted()?;
            rest.expect(":")?;
            match key {
                "descr" => values = Some(rest.values()?),
                "fortran_order" => ordered = rest.row_by_row()?,
                "shape" => shape = Some(rest.shape()?),
                _ => return Err(format!("its npy header has the unknown key {key:?}")),
            }
            if !rest.skip(",") && !rest.0.starts_with('}') {
                return Err(rest.unexpected("a comma"));
            }
        }
        match (values, ordered, shape, rest.0) {
            (Some(values), true, Some(shape), "") => Ok((Header { values, shape }, start)),
            _ => Err("its npy header lacks a key, or has something after its end".into()),
        }
    }
}

/// The text of the header, and where the values begin.
fn text(file: &[u8]) -> Result<(&str, usize), String> {
    let rest = file
        .strip_prefix(MAGIC)
        .ok_or("it is not an npy file by its first bytes")?;
    let (length, rest) = match rest {
        [1, 0, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, 0, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [1..=3, 0, ..] | [_] | [] => return Err("its npy header is cut short".into()),
        _ => return Err("its npy header has an unknown version".into()),
    };
    if length > LONGEST {
        return Err(format!(
            "its npy header has {length} bytes, more than the limit of {LONGEST}"
        ));
    }
    let text = rest.get(..length).ok_or("its npy header is cut short")?;
    let text = str::from_utf8(text).map_err(|_| "its npy header is not text")?;
    Ok((text, file.len() - rest.len() + length))
}

/// What is left of the header's text.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Skips `token` and the spaces after it. Whether the text goes on with it.
    fn skip(&mut self, token: &str) -> bool {
        let rest = self.0.strip_prefix(token);
        self.0 = rest.map_or(self.0, |rest| rest.trim_start_matches(' '));
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        match self.skip(token) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("{token:?}"))),
        }
    }

    fn unexpected(&self, wanted: &str) -> String {
        let found: String = self.0.chars().take(20).collect();
        format!("its npy header is damaged: {wanted} is missing before {found:?}")
    }

    /// A text in single quotation marks.
    fn quoted(&mut self) -> Result<&'a str, String> {
        let split = self
            .0
            .strip_prefix('\'')
            .and_then(|rest| rest.split_once('\''));
        let (text, rest) = split.ok_or_else(|| self.unexpected("a text in quotation marks"))?;
        self.0 = rest.trim_start_matches(' ');
        Ok(text)
    }

    fn values(&mut self) -> Result<Values, String> {
        let name = self.quoted()?;
        let known = Values::ALL.into_iter().find(|values| values.name() == name);
        known.ok_or_else(|| {
            let names = Values::ALL.map(Values::name).join(", ");
            format!("its values have the type {name:?}, not one of {names}")
        })
    }

    fn row_by_row(&mut self) -> Result<bool, String> {
        if self.skip("False") {
            return Ok(true);
        }
        match self.skip("True") {
            true => Err("its values lie column by column (fortran_order), not row by row".into()),
            false => Err(self.unexpected("True or False")),
        }
    }

    /// Whole numbers in round brackets, each with a comma after it; the last may lack one.
    fn shape(&mut self) -> Result<Vec<u64>, String> {
        let mut shape = Vec::new();
        self.expect("(")?;
        while !self.skip(")") {
            let end = self.0.find(|c: char| !c.is_ascii_digit());
            let (digits, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
            let length = digits.parse().map_err(|_| self.unexpected("a length"))?;
            shape.push(length);
            self.0 = rest.trim_start_matches(' ');
            if shape.len() > DIMENSIONS {
                return Err(format!("its array has more than {DIMENSIONS} dimensions"));
            }
            if !self.skip(",") && !self.0.starts_with(')') {
                return Err(self.unexpected("a comma"));
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first 128 bytes of an array of numpy 2.3: `numpy.save(file, numpy.zeros((3, 1, 4, 4),
    /// numpy.uint16))`.
    fn of_numpy() -> Vec<u8> {
        let text = "{'descr': '<u2', 'fortran_order': False, 'shape': (3, 1, 4, 4), }";
        let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        bytes.extend(format!("{text:117}\n").as_bytes());
        bytes
    }

    fn header() -> Header {
        Header {
            values: Values::U16,
            shape: vec![3, 1, 4, 4],
        }
    }

    #[test]
    fn headers_of_numpy_and_own_headers_are_read() {
        assert_eq!(Header::read(&of_numpy()), Ok((header(), 128)));
        let own = header().bytes();
        // Stores are compared by their digests, so their bytes must not change.
        let text = "{'descr': '<u2', 'fortran_order': False, 'shape': (3, 1, 4, 4, ), }";
        let expected = format!("{text:117}\n");
        assert_eq!(&own[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert_eq!(&own[10..], expected.as_bytes());
        assert_eq!(Header::read(&own), Ok((header(), 128)));
        // Version 2.0 has a length of 32 bits.
        let mut second = b"\x93NUMPY\x02\x00\x76\x00\x00\x00".to_vec();
        second.extend(&own[10..]);
        assert_eq!(Header::read(&second), Ok((header(), 130)));
    }

    #[test]
    fn other_headers_are_refused_in_words() {
        let with = |text: &str| {
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((text.len() as u16).to_le_bytes());
            bytes.extend(text.as_bytes());
            Header::read(&bytes).unwrap_err()
        };
        let change = |from: &str, to: &str| {
            with(&"{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }".replace(from, to))
        };
        assert!(change("|u1", ">u2").contains("the type \">u2\""));
        assert!(change("False", "True").contains("column by column"));
        assert!(change("False", "None").contains("True or False is missing before \"None"));
        assert!(change("(3,)", "(-3,)").contains("a length is missing before \"-3"));
        assert!(change("(3,)", "(3").contains("a length is missing before \"}\""));
        assert!(change("(3,)", "(3 3)").contains("a comma is missing before \"3)"));
        assert!(change("shape", "form").contains("unknown key \"form\""));
        assert!(change(", 'shape': (3,)", "").contains("lacks a key"));
        assert!(change("(3,)", &format!("({})", "1,".repeat(65))).contains("64 dimensions"));
        assert!(change("}", "} more").contains("after its end"));
        let long = Header::read(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").unwrap_err();
        assert!(
            long.contains("4294967295 bytes, more than the limit"),
            "{long}"
        );
        assert!(
            Header::read(b"\x93NUMPY\x09\x00")
                .unwrap_err()
                .contains("version")
        );
        assert!(Header::read(b"PK").unwrap_err().contains("not an npy file"));
        for end in 0..of_numpy().len() {
            Header::read(&of_numpy()[..end]).unwrap_err();
        }
    }

    #[test]
    fn nested_brackets_take_no_time() {
        for bracket in ["{", "(", "[", "{'a':", "(1,"] {
            let mut bytes = of_numpy();
            let text = bracket.repeat(60_000 / bracket.len());
            bytes[8..10].copy_from_slice(&(text.len() as u16).to_le_bytes());
            bytes.truncate(10);
            bytes.extend(text.as_bytes());
            let start = std::time::Instant::now();
            Header::read(&bytes).unwrap_err();
            assert!(start.elapsed().as_secs() < 10);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(shape in prop::collection::vec(any::<u64>(), 0..8)) {
            let header = Header { values: Values::F32, shape };
            let bytes = header.bytes();
            prop_assert_eq!(bytes.len() % 64, 0);
            prop_assert_eq!(Header::read(&bytes), Ok((header, bytes.len())));
        }

        #[test]
        fn no_bytes_panic(at in 0usize..128, with in prop::collection::vec(any::<u8>(), 0..8)) {
            let mut bytes = of_numpy();
            let end = bytes.len().min(at + with.len());
            bytes[at..end].copy_from_slice(&with[..end - at]);
            let _ = Header::read(&bytes);
        }
    }
}
