//! CSV tables, gzipped or not, read row by row. Columns are found by their names.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use flate2::bufread::MultiGzDecoder;
use mflag_core::suggest;
use mflag_input::{Capped, RECORD, TABLE, exceeds_limit};
use mflag_store::{Error, Result};

/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

// Limits that no real table reaches. A small gzip file can hold far larger tables.
const MOST_ROWS: usize = 20_000_000;
const MOST_COLUMNS: usize = 10_000;

/// An open table. Names of columns and values are trimmed, a byte-order mark is skipped, and the
/// order of the columns does not matter.
pub struct Table {
    path: PathBuf,
    header: Vec<String>,
    rows: csv::Reader<Capped<Capped<Box<dyn Read + Send>>>>,
}

impl Table {
    /// Opens a table. The first bytes of the file, and not its name, show whether it is gzipped.
    ///
    /// # Errors
    /// If the file cannot be read, is empty, is a web page, or is a damaged gzip file.
    pub fn open(path: &Path) -> Result<Table> {
        let io = |e| Error::io("read", path, e);
        let mut file = BufReader::with_capacity(1 << 18, mflag_input::open(path).map_err(io)?);
        let gzipped = file.fill_buf().map_err(io)?.starts_with(&GZIP);
        let content: Box<dyn Read + Send> = if gzipped {
            Box::new(MultiGzDecoder::new(file))
        } else {
            Box::new(file)
        };
        let mut rows = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(Capped::new(Capped::new(content, TABLE), RECORD));
        let header = rows.headers().map_err(|e| unreadable(path, 1, &e))?;
        let header: Vec<String> = header
            .iter()
            .map(|h| h.trim_start_matches('\u{feff}').trim().to_owned())
            .collect();
        if header.len() > MOST_COLUMNS {
            let reason = format!(
                "the table has {} columns, more than the limit of {MOST_COLUMNS}; keep the columns \
                 that are read",
                header.len()
            );
            return Err(Error::file(path, reason));
        }
        match header.first() {
            None => return Err(Error::file(path, "the table is empty; download it again")),
            Some(first) if first.starts_with('<') => {
                let reason = "this is a web page, not a table: log in to the publisher's site, and \
                              download the table again";
                return Err(Error::file(path, reason));
            }
            Some(_) => {}
        }
        Ok(Table {
            path: path.to_owned(),
            header,
            rows,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Positions of the columns with these names.
    ///
    /// # Errors
    /// If a column is missing or appears twice. The message suggests the nearest name in the
    /// header.
    pub fn columns<const N: usize>(&self, names: [&str; N]) -> Result<[usize; N]> {
        let mut found = [0; N];
        for (position, name) in found.iter_mut().zip(names) {
            *position = self.column(name)?;
        }
        Ok(found)
    }

    fn column(&self, name: &str) -> Result<usize> {
        let header = self.header.iter().enumerate();
        let mut positions = header.filter(|(_, h)| *h == name).map(|(i, _)| i);
        match (positions.next(), positions.next()) {
            (Some(position), None) => Ok(position),
            (Some(_), Some(_)) => {
                let reason = format!("column '{name}' appears twice; delete one of the two");
                Err(Error::file(&self.path, reason))
            }
            (None, _) => {
                let reason = format!("column '{name}' is missing{}", self.hint(name));
                Err(Error::file(&self.path, reason))
            }
        }
    }

    /// The end of the message about a missing column: what may mend it.
    fn hint(&self, name: &str) -> String {
        match &self.header[..] {
            [line] if line.contains([';', '\t']) => {
                "; the table's columns are not separated by commas: save it as CSV with commas"
                    .to_owned()
            }
            names => suggest::hint(name, names.iter().map(String::as_str)),
        }
    }

    /// Calls `take` with every row, in order. Only one row is in memory at a time.
    ///
    /// # Errors
    /// If `take` fails, if a row has more or fewer values than the header, or if the file is
    /// truncated.
    pub fn for_each(mut self, mut take: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let mut values = StringRecord::new();
        let mut number = 1;
        loop {
            number += 1;
            if number > MOST_ROWS {
                let reason = format!(
                    "the table has more than the limit of {MOST_ROWS} rows; keep the rows of your \
                     films"
                );
                return Err(Error::file(&self.path, reason));
            }
            self.rows.get_mut().refill();
            let more = self.rows.read_record(&mut values);
            if !more.map_err(|e| unreadable(&self.path, number, &e))? {
                return Ok(());
            }
            take(&Row {
                path: &self.path,
                header: &self.header,
                number,
                values: &values,
            })?;
        }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("path", &self.path)
            .field("header", &self.header)
            .finish()
    }
}

/// One row of a [`Table`].
#[derive(Debug)]
pub struct Row<'a> {
    path: &'a Path,
    header: &'a [String],
    number: usize,
    values: &'a StringRecord,
}

impl<'a> Row<'a> {
    /// The value in a column. [`Table::columns`] returns the column's position.
    pub fn get(&self, column: usize) -> &'a str {
        self.values.get(column).unwrap_or("")
    }

    /// Number of the row. The header is row 1. If no value has line breaks, it is the number of the
    /// line.
    pub fn number(&self) -> usize {
        self.number
    }

    /// An error about the value in `column`. `allowed` completes the sentence "it must be …".
    pub fn refuse(&self, column: usize, allowed: &str) -> Error {
        let value = self.get(column);
        self.error(
            column,
            &format!("'{value}' is not allowed; it must be {allowed}"),
        )
    }

    /// Like [`Row::refuse`], but the message does not contain the value, which may identify a
    /// patient.
    pub fn refuse_without_value(&self, column: usize, allowed: &str) -> Error {
        self.error(
            column,
            &format!("the value is not allowed; it must be {allowed}"),
        )
    }

    fn error(&self, column: usize, reason: &str) -> Error {
        let name = self.header.get(column).map_or("", String::as_str);
        Error::file(
            self.path,
            format!("row {}, column '{name}': {reason}", self.number),
        )
    }
}

/// The error for a row that cannot be read.
fn unreadable(path: &Path, row: usize, error: &csv::Error) -> Error {
    let reason = match error.kind() {
        csv::ErrorKind::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => format!(
            "the gzip file ends too early, after row {}: the download is incomplete; download it \
             again",
            row - 1
        ),
        csv::ErrorKind::Io(e) if exceeds_limit(e) => format!("row {row} cannot be read: {e}"),
        csv::ErrorKind::Io(e) => {
            format!("row {row} cannot be read ({e}): the file is damaged; download it again")
        }
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!(
            "row {row} has {len} values, but the header has {expected_len}: the file is truncated or \
             was edited; correct the row, or download the file again"
        ),
        csv::ErrorKind::Utf8 { .. } => {
            format!("row {row} is not UTF-8: save the table as UTF-8, or download it again")
        }
        _ => format!("row {row}: {error}"),
    };
    Error::file(path, reason)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gz(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    /// The values of the columns `b` and `a` of a file with this content.
    fn read(content: &[u8]) -> Result<Vec<(String, String)>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, content).unwrap();
        let table = Table::open(&path)?;
        let [b, a] = table.columns(["b", "a"])?;
        let mut rows = Vec::new();
        table.for_each(|row| {
            if row.get(a) == "bad" {
                return Err(row.refuse(a, "good"));
            }
            rows.push((row.get(b).to_owned(), row.get(a).to_owned()));
            Ok(())
        })?;
        Ok(rows)
    }

    fn message(content: &[u8]) -> String {
        read(content).unwrap_err().to_string()
    }

    #[test]
    fn columns_are_found_by_name() {
        let expected = vec![
            ("2".to_owned(), "1, x".to_owned()),
            ("4".to_owned(), String::new()),
        ];
        let plain = "\u{feff} a ,c, b\r\n\"1, x\",0, 2 \r\n,0,4\r\n";
        assert_eq!(read(plain.as_bytes()).unwrap(), expected);
        assert_eq!(read(&gz(plain)).unwrap(), expected);
        let mut two_members = gz("a,b\n\"1, x\",2\n");
        two_members.extend(gz(",4\n"));
        assert_eq!(read(&two_members).unwrap(), expected);
        assert_eq!(
            read("\u{feff}\"a\",b\n\"1, x\",2\n,4".as_bytes()).unwrap(),
            expected
        );
    }

    #[test]
    fn messages_name_the_place_and_the_fix() {
        assert!(message(b"a,c\n").contains("t.csv: column 'b' is missing (known: a, c)"));
        assert!(message(b"a,B\n").ends_with("column 'b' is missing (did you mean 'B'?)"));
        assert!(message(b"a;b;c\n").contains("not separated by commas"));
        assert!(message(b"a,b,b\n").contains("column 'b' appears twice"));
        let bad = message(b"a,b\n1,2\nbad,3\n");
        assert!(
            bad.ends_with("row 3, column 'a': 'bad' is not allowed; it must be good"),
            "{bad}"
        );
        assert!(message(b"a,b\n1,2\n1\n").contains("row 3 has 1 values, but the header has 2"));
        assert!(message(b"a,b\n\xff,2\n").contains("row 2 is not UTF-8"));
        assert!(message(b"").contains("the table is empty"));
        assert!(message(b"<!DOCTYPE html>\n").contains("this is a web page"));
    }

    #[test]
    fn tables_keep_to_their_limits() {
        let mut longest = 0;
        for (text, expected) in [
            // A cell of 64 MiB, and a quotation mark that is not closed.
            (
                format!("a,b\n1,{}\n", "0".repeat(64 << 20)),
                "limit of 4 MiB for a row",
            ),
            (
                format!("a,b\n1,2\n\"{}", "x,\n".repeat(2 << 20)),
                "that is not closed",
            ),
            (
                format!("a,b{}\n", ",c".repeat(20_000)),
                "20002 columns, more than the limit",
            ),
            ("a".repeat(64 << 20), "limit of 4 MiB for a row"),
        ] {
            let packed = gz(&text);
            longest = longest.max(packed.len());
            let error = message(&packed);
            assert!(
                error.contains("t.csv") && error.contains(expected),
                "{error}"
            );
            assert!(message(text.as_bytes()).contains(expected));
        }
        assert!(longest < 1 << 20, "the files are small: {longest} bytes");
        // The limit of a row is for each row.
        let text = format!("a,b\n{}", format!("1,{}\n", "0".repeat(1 << 20)).repeat(9));
        assert_eq!(read(&gz(&text)).unwrap().len(), 9);
    }

    #[test]
    fn a_damaged_gzip_file_is_refused() {
        let text: String = (0..5000)
            .map(|i| format!("{},{i}\n", i * 7919 % 1000))
            .collect();
        let whole = gz(&format!("a,b\n{text}"));
        for end in [3, 12, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
            let error = message(&whole[..end]);
            assert!(error.contains("gzip file ends too early"), "{end}: {error}");
        }
        let mut damaged = whole;
        let last = damaged.len() - 6;
        damaged[last] ^= 0xff;
        assert!(message(&damaged).contains("the file is damaged"));
    }
}
