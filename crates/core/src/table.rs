//! Tables as text, Markdown, JSON and CSV.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{Result, atomic};

/// Writes a CSV file atomically.
///
/// # Errors
/// If the file cannot be written.
pub fn write_csv(
    path: &Path,
    header: impl IntoIterator<Item = impl AsRef<[u8]>>,
    rows: impl IntoIterator<Item = impl IntoIterator<Item = impl AsRef<[u8]>>>,
) -> Result<()> {
    atomic::write(path, |file| fill_csv(file, header, rows).map(|_| ()))
}

/// Writes a CSV into `file`, and returns the file.
///
/// # Errors
/// If a row cannot be written.
pub fn fill_csv<W: Write>(
    file: W,
    header: impl IntoIterator<Item = impl AsRef<[u8]>>,
    rows: impl IntoIterator<Item = impl IntoIterator<Item = impl AsRef<[u8]>>>,
) -> io::Result<W> {
    let mut table = csv::Writer::from_writer(file);
    table.write_record(header)?;
    for row in rows {
        table.write_record(row)?;
    }
    table.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// A table with a header. Cells that look like numbers are aligned to the right.
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
            let cell = |c| row.get(c).map_or("", String::as_str).replace('|', "\\|");
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
                .map(|s| s.chars().count())
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
                .map(|(c, &w)| match row.get(c).map_or("", String::as_str) {
                    cell if i > 0 && is_number(cell) => format!("{cell:>w$}"),
                    cell => format!("{cell:<w$}"),
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
    use super::*;

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
