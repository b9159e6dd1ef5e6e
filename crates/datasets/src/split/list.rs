//! Tables that assign a split to each film.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use mflag_core::{Named, suggest};
use mflag_store::{Dataset, Error, Record, Result, Split};

use super::Splitter;
use crate::checks;
use crate::table::{Author, Row, Table};

/// The table of splits does not list the film.
const NOT_LISTED: &str = "not in the list of splits";

impl Splitter {
    /// Applies the table of splits, if one was given: each film gets the split of its row, and
    /// films without a row are left out.
    ///
    /// # Errors
    /// If the table cannot be read, or if it lists none of the films.
    pub(crate) fn apply_list(&self, mut data: Dataset) -> Result<Dataset> {
        let Some(list) = &self.list else {
            return Ok(data);
        };
        let table = Table::open_by(list, Author::User)?;
        let splits = read_splits(table, "film", checks::identifier)?;
        let films = data.records.len();
        data.records.retain_mut(|record| {
            let split = splits.get(&record.film);
            record.split = split.copied().unwrap_or(record.split);
            split.is_some()
        });
        if data.records.is_empty() {
            let reason = format!(
                "lists none of the {films} films of {}; give each film the name that it has in the \
                 store's films.jsonl",
                data.name
            );
            return Err(Error::file(list, reason));
        }
        if data.records.len() < films {
            let not_listed = films - data.records.len();
            data.left_out.push((NOT_LISTED.to_owned(), not_listed));
        }
        warn_of_shared_patients(list, &data.records);
        Ok(data)
    }
}

/// Reads a table with the columns `film_column` and `split`. `film` reads a film's identifier from
/// its cell.
///
/// # Errors
/// If a column is missing, if `film` fails, or if a split is unknown or differs from
/// that of an earlier row of the film.
pub(crate) fn read_splits(
    table: Table,
    film_column: &str,
    film: impl for<'a> Fn(&Row<'a>, usize) -> Result<&'a str>,
) -> Result<HashMap<String, Split>> {
    let [film_column, split_column] = table.columns([film_column, "split"])?;
    let mut splits = HashMap::new();
    table.for_each(|row| {
        let film = film(row, film_column)?;
        let name = row.get(split_column);
        let Some(split) = Split::from_name(name) else {
            let hint = suggest::hint(name, Split::ALL.iter().map(|split| split.name()));
            let allowed = format!("train, validate or test{hint}");
            return Err(row.refuse(split_column, &allowed));
        };
        let first = *splits.entry(film.to_owned()).or_insert(split);
        if first == split {
            return Ok(());
        }
        let allowed = format!("{}, as in the film's earlier row", first.name());
        Err(row.refuse(split_column, &allowed))
    })?;
    Ok(splits)
}

/// Warns if patients have films in more than one split. Published lists have such patients, so this
/// is not an error.
fn warn_of_shared_patients(list: &Path, records: &[Record]) {
    let shared = count_shared_patients(records);
    if shared > 0 {
        tracing::warn!(
            "{}: {shared} patients have films in more than one split, so metrics will be too high",
            list.display()
        );
    }
}

/// How many patients have films in more than one split.
fn count_shared_patients(records: &[Record]) -> usize {
    let mut splits: HashMap<&str, BTreeSet<Split>> = HashMap::new();
    for record in records {
        let of_patient = splits.entry(&record.patient).or_default();
        of_patient.insert(record.split);
    }
    splits.values().filter(|splits| splits.len() > 1).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patients_in_two_splits_are_counted() {
        let record = |patient: &str, split| Record::new("film", patient, "film.png", split);
        let records = [
            record("a", Split::Train),
            record("b", Split::Train),
            record("a", Split::Test),
            record("b", Split::Train),
        ];
        assert_eq!(count_shared_patients(&records), 1);
        assert_eq!(count_shared_patients(&[]), 0);
    }
}
