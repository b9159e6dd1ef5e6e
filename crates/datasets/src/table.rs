//! CSV tables, gzipped or not, read row by row. Columns are found by their names.
//!
//! Text is UTF-8, or UTF-16 with a byte-order mark. Columns are separated by commas, or by
//! semicolons or tabs if the header has more of these. The line `sep=;`, which spreadsheets read,
//! may come first.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::bufread::MultiGzDecoder;
use mflag_core::suggest;
use mflag_core::table::unprotect;
use mflag_input::{Capped, RECORD, TABLE, exceeds_limit};
use mflag_store::{Error, Result};

/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

// Limits that no real table reaches. A small gzip file can hold far larger tables.
const MOST_ROWS: usize = 20_000_000;
const MOST_COLUMNS: usize = 10_000;
/// The most bytes of a header.
const HEADER: u64 = 1 << 20;
/// What separates columns, in the order of preference.
const SEPARATORS: [(u8, &str); 3] = [(b',', "commas"), (b';', "semicolons"), (b'\t', "tabs")];

/// Who wrote a table, which decides how a mistake in it can be corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The publisher of a data set: the table can be downloaded again.
    Publisher,
    /// The user.
    User,
}

/// An open table. Names of columns and values are trimmed, a byte-order mark is skipped, and the
/// order of the columns does not matter.
pub struct Table {
    file: TableFile,
    header: Vec<String>,
    rows: csv::Reader<Capped<Capped<Box<dyn Read + Send>>>>,
}

/// What messages about a table need.
#[derive(Debug, Clone)]
struct TableFile {
    path: PathBuf,
    author: Author,
    /// Lines before the header.
    lines_before: u64,
    separator: u8,
}

impl Table {
    /// Opens a table of the publisher of a data set. The first bytes of the file, and not its name,
    /// show whether it is gzipped.
    ///
    /// # Errors
    /// If the file cannot be read, is empty, is a web page, or is a damaged gzip file, or if its
    /// header is not UTF-8 or UTF-16.
    pub fn open(path: &Path) -> Result<Table> {
        Table::open_by(path, Author::Publisher)
    }

    /// As [`Table::open`], for a table by `author`.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub fn open_by(path: &Path, author: Author) -> Result<Table> {
        let io = |e| Error::io("read", path, e);
        let mut content = text(path)?;
        let mut file = TableFile {
            path: path.to_owned(),
            author,
            lines_before: 0,
            separator: b',',
        };
        let damaged = |e: io::Error| file.unreadable(1, &csv::Error::from(e));
        let mut first = first_line(&mut content).map_err(damaged)?;
        let declared = declared_separator(&first);
        if declared.is_some() {
            file.lines_before = 1;
            first = first_line(&mut content).map_err(io)?;
        }
        if first.contains(&0) {
            let reason = "the table is UTF-16 without a byte-order mark, or no text: save it as \
                          UTF-8";
            return Err(Error::file(path, reason));
        }
        file.separator = declared.unwrap_or_else(|| separator(path, &first));
        let content: Box<dyn Read + Send> = Box::new(Cursor::new(first).chain(content));
        let mut rows = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .delimiter(file.separator)
            .from_reader(Capped::new(Capped::new(content, TABLE), RECORD));
        let header = rows.headers().map_err(|e| file.unreadable(1, &e))?;
        let header: Vec<String> = header
            .iter()
            .map(|name| unprotect(name.trim()).to_owned())
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
            None => {
                let reason = match author {
                    Author::Publisher => "the table is empty; download it again",
                    Author::User => "the table is empty; its first row must name the columns",
                };
                return Err(Error::file(path, reason));
            }
            Some(first) if first.starts_with('<') => {
                let reason = "this is a web page, not a table: log in to the publisher's site, and \
                              download the table again";
                return Err(Error::file(path, reason));
            }
            Some(_) => {}
        }
        Ok(Table { file, header, rows })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Whether the table has a column with this name.
    pub fn has(&self, name: &str) -> bool {
        self.header.iter().any(|column| column == name)
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
                Err(Error::file(self.path(), reason))
            }
            (None, _) => {
                let reason = format!("column '{name}' is missing{}", self.hint(name));
                Err(Error::file(self.path(), reason))
            }
        }
    }

    /// The end of the message about a missing column: what may mend it.
    fn hint(&self, name: &str) -> String {
        match &self.header[..] {
            [only] => format!(
                "; the first row must have the names of the columns, separated by commas, \
                 semicolons or tabs, but it has one column: '{only}'"
            ),
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
                return Err(Error::file(&self.file.path, reason));
            }
            self.rows.get_mut().refill();
            let more = self.rows.read_record(&mut values);
            if !more.map_err(|e| self.file.unreadable(number, &e))? {
                return Ok(());
            }
            take(&Row {
                file: &self.file,
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
            .field("file", &self.file)
            .field("header", &self.header)
            .finish()
    }
}

/// One row of a [`Table`].
#[derive(Debug)]
pub struct Row<'a> {
    file: &'a TableFile,
    header: &'a [String],
    number: usize,
    values: &'a StringRecord,
}

impl<'a> Row<'a> {
    /// The value in a column. [`Table::columns`] returns the column's position. A `'` that protects
    /// the value in a spreadsheet is removed: see [`mflag_core::table::protect`].
    pub fn get(&self, column: usize) -> &'a str {
        unprotect(self.values.get(column).unwrap_or(""))
    }

    /// Number of the row. The header is row 1. Messages add the number of the line where it
    /// differs, because of line breaks in values or empty lines.
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
        let place = self.file.place(self.number, self.values.position());
        Error::file(
            &self.file.path,
            format!("{place}, column '{name}': {reason}"),
        )
    }
}

impl TableFile {
    /// Names a row, and its line if that has another number.
    fn place(&self, row: usize, position: Option<&csv::Position>) -> String {
        match position.and_then(|position| self.line_at(position.byte())) {
            Some(line) if line != row as u64 => format!("row {row} (line {line})"),
            _ => format!("row {row}"),
        }
    }

    /// The line of the row that the CSV reader looks for from the byte `start` on, counted from the
    /// header. The reader's own count is wrong after empty lines and at the ends of lines of
    /// Windows.
    fn line_at(&self, start: u64) -> Option<u64> {
        let mut content = text(&self.path).ok()?;
        for _ in 0..self.lines_before {
            first_line(&mut content).ok()?;
        }
        let mut line = self.lines_before + 1;
        // Empty lines could go on for long.
        let near = content.take(start.saturating_add(HEADER));
        for (at, byte) in (0_u64..).zip(near.bytes()) {
            match byte.ok()? {
                b'\n' => line += 1,
                b'\r' => {}
                _ if at >= start => break,
                _ => {}
            }
        }
        Some(line)
    }

    /// The error for a row that cannot be read.
    fn unreadable(&self, row: usize, error: &csv::Error) -> Error {
        let place = self.place(row, error.position());
        let again = match self.author {
            Author::Publisher => ", or download the table again",
            Author::User => "",
        };
        let reason = match error.kind() {
            csv::ErrorKind::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => format!(
                "the gzip file ends too early, after row {}: the download is incomplete; download \
                 it again",
                row - 1
            ),
            csv::ErrorKind::Io(e) if exceeds_limit(e) => format!("{place} cannot be read: {e}"),
            csv::ErrorKind::Io(e) => {
                format!("{place} cannot be read ({e}): the file is damaged; download it again")
            }
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => format!(
                "{place} has {len} values, but the header has {expected_len}: put values that \
                 contain {:?} into quotes, and give each row as many values as the header{again}",
                char::from(self.separator)
            ),
            csv::ErrorKind::Utf8 { err, .. } => format!(
                "{place} is not UTF-8 (value {}); it may be Latin-1 or Windows-1252: save the \
                 table as UTF-8 ('CSV UTF-8' in spreadsheets; iconv -f WINDOWS-1252 -t \
                 UTF-8){again}",
                err.field() + 1
            ),
            _ => format!("{place}: {error}"),
        };
        Error::file(&self.path, reason)
    }
}

/// The text of a table: unzipped, and in UTF-8 if it has a byte-order mark. Text without a mark is
/// returned as it is.
fn text(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    let io = |e| Error::io("read", path, e);
    let mut file = BufReader::with_capacity(1 << 18, mflag_input::open(path).map_err(io)?);
    let gzipped = file.fill_buf().map_err(io)?.starts_with(&GZIP);
    let content: Box<dyn Read + Send> = if gzipped {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let utf8 = DecodeReaderBytesBuilder::new()
        .utf8_passthru(true)
        .strip_bom(true)
        .build(content);
    Ok(Box::new(BufReader::new(utf8)))
}

/// Reads the first line with its end, or as much of it as a header may have.
fn first_line(content: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    content.take(HEADER).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// The separator that the line `sep=;` declares.
fn declared_separator(line: &[u8]) -> Option<u8> {
    match line.trim_ascii() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] => Some(*separator),
        // The white space around a tab is trimmed.
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'='] => Some(b'\t'),
        _ => None,
    }
}

/// The separator of a header's columns: the most frequent of [`SEPARATORS`], in doubt the comma.
/// Separators in quotes do not count.
fn separator(path: &Path, header: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [0_usize; SEPARATORS.len()];
    for byte in header {
        quoted ^= *byte == b'"';
        for (count, (separator, _)) in counts.iter_mut().zip(SEPARATORS) {
            *count += usize::from(!quoted && *byte == separator);
        }
    }
    // Of several maxima, the last counts.
    let counted = SEPARATORS.into_iter().zip(counts).rev();
    let Some(((separator, name), _)) = counted.max_by_key(|(_, count)| *count) else {
        return b',';
    };
    if separator != b',' {
        tracing::info!("{}: the columns are separated by {name}", path.display());
    }
    separator
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
        assert!(message(b"a,b,b\n").contains("column 'b' appears twice"));
        let bad = message(b"a,b\n1,2\nbad,3\n");
        assert!(
            bad.ends_with("row 3, column 'a': 'bad' is not allowed; it must be good"),
            "{bad}"
        );
        assert!(message(b"a,b\n1,2\n1\n").contains("row 3 has 1 values, but the header has 2"));
        assert!(message(b"x|y\n").ends_with("but it has one column: 'x|y'"));
        let latin = message(b"a,b\n1,2\n\n1,gr\xfc\n");
        assert!(
            latin.contains("row 3 (line 4) is not UTF-8 (value 2)"),
            "{latin}"
        );
        assert!(latin.contains("iconv -f WINDOWS-1252 -t UTF-8"), "{latin}");
        let windows = message(b"a,b\r\n1,2\r\nbad,3\r\n");
        assert!(windows.contains(": row 3, column 'a'"), "{windows}");
        let lines = message(b"a,b\n\"1\n2\",2\nbad,3\n");
        assert!(lines.contains(": row 3 (line 4), column 'a'"), "{lines}");
        let ragged = message(b"a;b\n1;2\n1;2;3\n");
        assert!(
            ragged.contains("put values that contain ';' into quotes"),
            "{ragged}"
        );
        assert!(message(b"").contains("the table is empty"));
        assert!(message(b"<!DOCTYPE html>\n").contains("this is a web page"));
    }

    /// The same two rows in the encodings and with the separators of spreadsheets.
    #[test]
    fn tables_of_spreadsheets_are_read() {
        let expected = [("grün", "1; x, y"), ("4", "")].map(|(b, a)| (b.to_owned(), a.to_owned()));
        for separator in [",", ";", "\t"] {
            let table = "a,b,c\n\"1; x~ y\",grün,0\n,4,\n";
            let table = table.replace(',', separator).replace('~', ",");
            let declared = format!("sep={separator}\r\n{table}");
            for text in [&table, &declared] {
                let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
                    let units = format!("\u{feff}{text}");
                    units.encode_utf16().flat_map(bytes).collect()
                };
                let little = utf16(u16::to_le_bytes);
                for content in [
                    text.as_bytes(),
                    format!("\u{feff}{text}").as_bytes(),
                    &gz(text),
                    &little,
                    &utf16(u16::to_be_bytes),
                ] {
                    assert_eq!(read(content).unwrap(), expected, "{text}");
                }
                let unmarked = message(&little[2..]);
                assert!(
                    unmarked.contains("UTF-16 without a byte-order mark"),
                    "{unmarked}"
                );
            }
        }
        // The header decides, and the more frequent separator in it.
        let one = [("2".to_owned(), "1".to_owned())];
        assert_eq!(read(b"a,b,x;y\n1,2,3\n").unwrap(), one);
        assert_eq!(read(b"a;b;\"x,y,z\"\n1;2;3\n").unwrap(), one);
        assert_eq!(read(b"a;b;x,y\n1;2;3\n").unwrap(), one);
    }

    /// A user corrects the table, a publisher's table is downloaded again.
    #[test]
    fn the_author_decides_the_fix() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        let message = |author, content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            let read = Table::open_by(&path, author).and_then(|table| table.for_each(|_| Ok(())));
            read.unwrap_err().to_string()
        };
        for content in [&b""[..], b"a,b\n1\n", b"a,b\n1,\xff\n"] {
            let again = |author| message(author, content).contains("download");
            assert!(again(Author::Publisher) && !again(Author::User));
        }
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
