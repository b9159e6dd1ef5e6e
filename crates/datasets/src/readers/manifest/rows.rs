//! The rows of the table: each becomes the record of a film.

use std::collections::HashMap;
use std::path::Path;

use mflag_core::Named;
use mflag_store::{Mask, Record, Result, Split};

use super::{Columns, ListedFilm, cells};
use crate::checks;
use crate::report_text::TextRules;
use crate::split::Splitter;
use crate::table::Row;

/// Reads rows, and remembers earlier ones to detect contradictions.
pub(super) struct Rows<'a> {
    folder: &'a Path,
    columns: &'a Columns,
    splitter: &'a Splitter,
    rules: TextRules,
    /// The row of each film.
    films: HashMap<String, usize>,
    /// The split of each patient, and the first row of the patient.
    patients: HashMap<String, (Split, usize)>,
}

impl<'a> Rows<'a> {
    /// A reader for the rows of the table `file`, before the first row.
    pub(super) fn new(
        file: &'a Path,
        columns: &'a Columns,
        splitter: &'a Splitter,
        rules: TextRules,
    ) -> Rows<'a> {
        Rows {
            folder: file.parent().unwrap_or(Path::new("")),
            columns,
            splitter,
            rules,
            films: HashMap::new(),
            patients: HashMap::new(),
        }
    }

    /// Reads the film of a row.
    pub(super) fn read(&mut self, row: &Row<'_>) -> Result<ListedFilm> {
        let film = self.film(row)?;
        let split = self.split(row)?;
        let columns = self.columns;
        let cell = |column: Option<usize>| {
            let value = column.map_or("", |column| row.get(column));
            (!value.is_empty()).then_some(value)
        };
        let report = cell(columns.text);
        let labels = columns.labels.iter();
        let record = Record {
            study: cell(columns.study).unwrap_or(&film).to_owned(),
            text: report.and_then(|report| self.rules.text_of(report)),
            labels: labels
                .map(|(_, column)| checks::label(row, *column))
                .collect::<Result<_>>()?,
            boxes: columns
                .boxes
                .map_or(Ok(Vec::new()), |column| cells::boxes(row, column))?,
            mask: cell(columns.mask).map(|mask| Mask::File {
                path: self.folder.join(mask),
                scale: false,
            }),
            ..Record::new(
                &film,
                row.get(columns.patient),
                self.folder.join(&film),
                split,
            )
        };
        Ok(ListedFilm {
            row: row.number(),
            record,
            has_report: report.is_some(),
            lost_letters: report.is_some_and(|report| self.rules.loses_letters(report)),
        })
    }

    /// Reads the film's path. Refuses a film that an earlier row lists.
    fn film(&mut self, row: &Row<'_>) -> Result<String> {
        let film = row.get(self.columns.film);
        if film.is_empty() {
            return Err(row.refuse(self.columns.film, "the path of the film's file"));
        }
        match self.films.insert(film.to_owned(), row.number()) {
            None => Ok(film.to_owned()),
            Some(first) => {
                let allowed = format!(
                    "another film, because row {first} lists this one; delete one of the rows"
                );
                Err(row.refuse(self.columns.film, &allowed))
            }
        }
    }

    /// Reads the split. Refuses a split that differs from the one of the patient's earlier rows.
    fn split(&mut self, row: &Row<'_>) -> Result<Split> {
        let patient = row.get(self.columns.patient);
        if patient.is_empty() {
            let allowed = "the patient's identifier (if no patient has two films, repeat the film's \
                           name)";
            return Err(row.refuse(self.columns.patient, allowed));
        }
        let given = self.columns.split.map(|column| cells::split(row, column));
        let split = given.transpose()?.flatten();
        let split = split.unwrap_or_else(|| self.splitter.by_hash(patient));
        let (first_split, first_row) = *self
            .patients
            .entry(patient.to_owned())
            .or_insert((split, row.number()));
        if first_split == split {
            return Ok(split);
        }
        let allowed = format!(
            "{}, the split of the same patient in row {first_row}: give all rows of a patient the \
             same split",
            first_split.name()
        );
        // Without a column of splits, all rows of a patient have the same split.
        let column = self.columns.split.unwrap_or(self.columns.patient);
        Err(row.refuse(column, &allowed))
    }
}
