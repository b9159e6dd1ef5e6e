//! Tables as text, Markdown, JSON and CSV.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use csv::StringRecord;
use mflag_input::RESULTS;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{Result, atomic, visible_line};

/// Writes a CSV file atomically. Spreadsheets compute no cell of it: see [`protect`].
///
/// # Errors
/// If the file cannot be written.
pub fn write_csv(
    path: &Path,
    header: impl IntoIterator<Item = impl AsRef<str>>,
    rows: impl IntoIterator<Item = impl IntoIterator<Item = impl AsRef<str>>>,
) -> Result<()> {
    atomic::write(path, |file| fill_csv(file, header, rows).map(|_| ()))
}

/// Writes a CSV into `file` as [`write_csv`] does, and returns the file.
///
/// # Errors
/// If a row cannot be written.
pub fn fill_csv<W: Write>(
    file: W,
    header: impl IntoIterator<Item = impl AsRef<str>>,
    rows: impl IntoIterator<Item = impl IntoIterator<Item = impl AsRef<str>>>,
) -> io::Result<W> {
    let mut table = csv::Writer::from_writer(file);
    write_row(&mut table, header)?;
    for row in rows {
        write_row(&mut table, row)?;
    }
    table.into_inner().map_err(csv::IntoInnerError::into_error)
}

fn write_row<W: Write>(
    table: &mut csv::Writer<W>,
    cells: impl IntoIterator<Item = impl AsRef<str>>,
) -> csv::Result<()> {
    for cell in cells {
        table.write_field(protect(cell.as_ref()).as_bytes())?;
    }
    table.write_record(None::<&[u8]>)
}

/// Reads a CSV that [`write_csv`] wrote: its header, and its rows with the cells as they were
/// given.
///
/// # Errors
/// If the file cannot be read or is no CSV.
pub fn read_csv(path: &Path) -> csv::Result<(StringRecord, Vec<StringRecord>)> {
    let mut table = csv::Reader::from_reader(mflag_input::stream(path, &RESULTS)?);
    let unprotected = |row: &StringRecord| row.iter().map(unprotect).collect();
    let header = unprotected(table.headers()?);
    let rows = table.records().map(|row| row.map(|row| unprotected(&row)));
    Ok((header, rows.collect::<csv::Result<_>>()?))
}

/// A cell as it is written to a CSV: with `'` in front if a spreadsheet would compute it, because
/// it begins with `=`, `+`, `-`, `@`, a tab or a carriage return. Numbers stay as they are.
/// [`unprotect`] undoes it.
pub fn protect(cell: &str) -> Cow<'_, str> {
    // A cell that looks protected is protected once more, so that its own quote is kept.
    let is_number = cell.parse::<f64>().is_ok();
    if begins_formula(cell.trim_start_matches('\'')) && !is_number {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

/// The cell that [`protect`] was given.
pub fn unprotect(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if begins_formula(rest.trim_start_matches('\'')) => rest,
        _ => cell,
    }
}

fn begins_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A table with a header. Cells that look like numbers are aligned to the right. In text and
/// Markdown, characters that steer a terminal become visible.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this header and no rows.
    pub fn new(head: &[&str]) -> Table {
        Table {
            rows: vec![head.iter().map(|h| (*h).to_owned()).collect()],
        }
    }

    /// Adds a row. Missing cells stay empty.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Table {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    /// The header, followed by the rows.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// The table in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let line = |row: &Vec<String>| {
            let cell = |c| visible_line(row.get(c).map_or("", String::as_str)).replace('|', "\\|");
            let cells: Vec<String> = (0..columns).map(cell).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let (head, rows) = self.rows.split_at(1);
        let rule = format!("|{}\n", " --- |".repeat(columns));
        let lines = head.iter().map(line).chain([rule]);
        lines.chain(rows.iter().map(line)).collect()
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| {
            self.rows
                .iter()
                .filter_map(|r| r.get(c))
                .map(|s| visible_line(s).chars().count())
                .max()
        };
        (0..columns).map(|c| width(c).unwrap_or(0)).collect()
    }
}

/// Formats a fraction in per cent: `0.01` → `1 %`.
pub fn percent(fraction: f64) -> String {
    // Rounded, because 0.07 · 100 is 7.000000000000001.
    format!("{} %", (fraction * 1e8).round() / 1e6)
}

/// Whether a cell begins like a number: with a digit, a sign, a point or a dash.
pub fn is_number(cell: &str) -> bool {
    cell.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | '–'))
}

/// Serialises to a list of rows. Each row is an object with a key for each column; cells that are
/// numbers become numbers.
impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let (head, rows) = self.rows.split_at(1);
        let value = |cell: &String| match cell.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                serde_json::from_str(cell).unwrap_or_else(|_| Value::from(number))
            }
            _ => Value::from(cell.as_str()),
        };
        let row = |row: &Vec<String>| -> Map<String, Value> {
            let cells = head[0].iter().zip(row);
            cells
                .map(|(key, cell)| (key.clone(), value(cell)))
                .collect()
        };
        serializer.collect_seq(rows.iter().map(row))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for (i, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> = widths
                .iter()
                .enumerate()
                .map(|(c, &w)| {
                    let cell = visible_line(row.get(c).map_or("", String::as_str));
                    match i > 0 && is_number(&cell) {
                        true => format!("{cell:>w$}"),
                        false => format!("{cell:<w$}"),
                    }
                })
                .collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
            if i == 0 {
                let rule: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
                writeln!(f, "{}", rule.join("  "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formulas_are_protected_and_numbers_are_not() {
        let formulas = [
            "=1+1", "@SUM(A1)", "+x", "-2+3", "\t=1", "\r=1", "--", "'=1",
        ];
        for cell in formulas {
            assert_eq!(protect(cell), format!("'{cell}"));
        }
        for cell in ["", "-1", "+1.5e-3", "-inf", "-0", "a=1", "'quoted'", "2-1"] {
            assert_eq!(protect(cell), cell);
        }
    }

    #[test]
    fn a_written_csv_is_read_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.csv");
        let rows = [["=cmd|'/c calc'!A0", "-0.5"], ["'=x", "a,\"b\"\nc"]];
        write_csv(&file, ["@film", "score"], rows).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("'@film,score\n'=cmd|'/c calc'!A0,-0.5\n''=x,"),
            "{text}"
        );
        let (header, read) = read_csv(&file).unwrap();
        assert_eq!(header, vec!["@film", "score"]);
        assert!(
            read.iter()
                .zip(rows)
                .all(|(read, row)| *read == row.to_vec())
        );
    }

    #[test]
    fn cells_cannot_steer_a_terminal() {
        let mut table = Table::new(&["film"]);
        table.row(["a\u{1b}[2J\nb"]);
        assert_eq!(
            table.to_string(),
            "film\n─────────────────\na\\u001b[2J\\u000ab\n"
        );
        assert!(table.markdown().ends_with("| a\\u001b[2J\\u000ab |\n"));
    }

    proptest! {
        #[test]
        fn protection_is_undone(cell in "['=+@a1 \\-\t\r]{0,6}") {
            let protected = protect(&cell);
            prop_assert_eq!(unprotect(&protected), &cell);
            let is_number = protected.parse::<f64>().is_ok();
            prop_assert!(is_number || !begins_formula(&protected));
        }
    }

    #[test]
    fn fractions_become_per_cents() {
        let percents = [0.01, 0.07, 0.1, 1.0, 0.001].map(percent);
        assert_eq!(percents, ["1 %", "7 %", "10 %", "100 %", "0.1 %"]);
    }

    #[test]
    fn numbers_are_aligned_to_the_right() {
        let mut table = Table::new(&["metric", "before"]);
        table.row(["recall@1", "0.5"]).row(["rank", "12.25"]);
        let expected = "metric    before\n────────  ──────\nrecall@1     0.5\nrank       12.25\n";
        assert_eq!(table.to_string(), expected);
        let expected = "| metric | before |\n| --- | --- |\n| recall@1 | 0.5 |\n| rank | 12.25 |\n";
        assert_eq!(table.markdown(), expected);
    }

    #[test]
    fn rows_become_json_objects() {
        let mut table = Table::new(&["file", "MB"]);
        table.row(["a", "12"]).row(["b", "+1.5"]).row(["nan"]);
        let json = serde_json::to_string(&table).unwrap();
        let expected = r#"[{"file":"a","MB":12},{"file":"b","MB":1.5},{"file":"nan"}]"#;
        assert_eq!(json, expected);
    }
}
