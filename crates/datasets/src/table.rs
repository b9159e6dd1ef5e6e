//! Tables of the data sets: CSV or gzipped CSV, read row by row, columns by name.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use flate2::bufread::MultiGzDecoder;
use mflag_core::suggest;

use mflag_store::{Error, Result};

/// First bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// An open table. Header and values are trimmed, a byte-order mark is passed over, columns may stand in any order.
pub struct Table {
    path: PathBuf,
    header: Vec<String>,
    rows: csv::Reader<Box<dyn Read + Send>>,
}

impl Table {
    /// Opens a table; whether it is gzipped is told by its content, not by its name.
    ///
    /// # Errors
    /// The file cannot be read, is empty, is a web page, or its gzip stream is damaged.
    pub fn open(path: &Path) -> Result<Table> {
        let io = |e| Error::io("read", path, e);
        let mut file = BufReader::with_capacity(1 << 18, File::open(path).map_err(io)?);
        let gzipped = file.fill_buf().map_err(io)?.starts_with(&GZIP);
        let content: Box<dyn Read + Send> = if gzipped {
            Box::new(MultiGzDecoder::new(file))
        } else {
            Box::new(file)
        };
        let mut rows = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(content);
        let header = rows.headers().map_err(|e| unreadable(path, 1, &e))?;
        let header: Vec<String> = header
            .iter()
            .map(|h| h.trim_start_matches('\u{feff}').trim().to_owned())
            .collect();
        match header.first() {
            None => return Err(Error::file(path, "the table is empty; fetch it again")),
            Some(first) if first.starts_with('<') => {
                let reason = "this is a web page and no table: the download was not logged in; fetch it again";
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
    /// A column is missing or stands there twice; the message names it and the nearest name present.
    pub fn columns<const N: usize>(&self, names: [&str; N]) -> Result<[usize; N]> {
        let mut found = [0; N];
        for (place, name) in found.iter_mut().zip(names) {
            *place = self.column(name)?;
        }
        Ok(found)
    }

    fn column(&self, name: &str) -> Result<usize> {
        let mut places = self
            .header
            .iter()
            .enumerate()
            .filter(|(_, h)| *h == name)
            .map(|(i, _)| i);
        match (places.next(), places.next()) {
            (Some(place), None) => Ok(place),
            (Some(_), Some(_)) => {
                let reason = format!("column '{name}' stands there twice; delete one of them");
                Err(Error::file(&self.path, reason))
            }
            (None, _) => {
                let hint = match &self.header[..] {
                    [one] if one.contains([';', '\t']) => {
                        "; columns are separated by commas, and this table has other signs: save it as CSV with commas".to_owned()
                    }
                    all => suggest::hint(name, all.iter().map(String::as_str)),
                };
                Err(Error::file(
                    &self.path,
                    format!("column '{name}' is missing{hint}"),
                ))
            }
        }
    }

    /// Hands every row to `take`, in order, without keeping any.
    ///
    /// # Errors
    /// Those of `take`; a row has more or fewer values than the header; the file ends too early.
    pub fn for_each(mut self, mut take: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let mut values = StringRecord::new();
        let mut number = 1;
        loop {
            number += 1;
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
    /// The value in a column of [`Table::columns`].
    pub fn get(&self, column: usize) -> &'a str {
        self.values.get(column).unwrap_or("")
    }

    /// Number of the row; the header is row 1, so it is the line where no value has line breaks.
    pub fn number(&self) -> usize {
        self.number
    }

    /// An error about the value in `column`: `allowed` says what may stand there.
    pub fn refuse(&self, column: usize, allowed: &str) -> Error {
        let value = self.get(column);
        self.error(
            column,
            &format!("'{value}' is not allowed; it must be {allowed}"),
        )
    }

    /// Like [`Row::refuse`], for identifiers: the message does not show the value.
    pub fn refuse_unseen(&self, column: usize, allowed: &str) -> Error {
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

/// What a failed row means to the user.
fn unreadable(path: &Path, row: usize, error: &csv::Error) -> Error {
    let reason = match error.kind() {
        csv::ErrorKind::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => format!(
            "the gzip file ends too early, after row {}: its download is incomplete; fetch it again",
            row - 1
        ),
        csv::ErrorKind::Io(e) => {
            format!("row {row} cannot be read ({e}): the file is damaged; fetch it again")
        }
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!(
            "row {row} has {len} values and the header {expected_len}: the file is cut off or was edited; fetch it again"
        ),
        csv::ErrorKind::Utf8 { .. } => {
            format!("row {row} is not UTF-8: the file is damaged; fetch it again")
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
    fn messages_name_place_and_fix() {
        assert!(message(b"a,c\n").contains("t.csv: column 'b' is missing (known: a, c)"));
        assert!(message(b"a,B\n").ends_with("column 'b' is missing (did you mean 'B'?)"));
        assert!(message(b"a;b;c\n").contains("separated by commas"));
        assert!(message(b"a,b,b\n").contains("column 'b' stands there twice"));
        let bad = message(b"a,b\n1,2\nbad,3\n");
        assert!(
            bad.ends_with("row 3, column 'a': 'bad' is not allowed; it must be good"),
            "{bad}"
        );
        assert!(message(b"a,b\n1,2\n1\n").contains("row 3 has 1 values and the header 2"));
        assert!(message(b"a,b\n\xff,2\n").contains("row 2 is not UTF-8"));
        assert!(message(b"").contains("the table is empty"));
        assert!(message(b"<!DOCTYPE html>\n").contains("this is a web page"));
    }

    #[test]
    fn damaged_gzip_is_told() {
        let text: String = (0..5000)
            .map(|i| format!("{},{i}\n", i * 7919 % 1000))
            .collect();
        let whole = gz(&format!("a,b\n{text}"));
        for end in [3, 12, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
            let told = message(&whole[..end]);
            assert!(told.contains("gzip file ends too early"), "{end}: {told}");
        }
        let mut damaged = whole;
        let last = damaged.len() - 6;
        damaged[last] ^= 0xff;
        assert!(message(&damaged).contains("the file is damaged"));
    }
}
