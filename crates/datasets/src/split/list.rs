//! Files that assign films or patients to splits: a table of films, a list of films for each split,
//! or a list of the test patients.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use mflag_core::{Named, suggest};
use mflag_input::LIST;
use mflag_store::{Dataset, Error, Record, Result, Split};

use super::Splitter;
use crate::checks;
use crate::table::{Author, Row, Table};

/// The list of splits lacks the film.
const NOT_LISTED: &str = "not in the list of splits";

/// The names of the lists of films, in a folder.
const LISTS: [(&str, Split); 3] = [
    ("train.txt", Split::Train),
    ("val.txt", Split::Validate),
    ("test.txt", Split::Test),
];

impl Splitter {
    /// Applies the list of splits or of test patients, if one was given. With a list of splits,
    /// each film gets its split, and films that are not listed are left out.
    ///
    /// # Errors
    /// If the list cannot be read, or if it lists none of the films or patients.
    pub(crate) fn apply_lists(&self, data: Dataset) -> Result<Dataset> {
        match (&self.list, &self.test_patients) {
            (Some(list), _) => apply_list(list, data),
            (None, Some(list)) => apply_test_patients(list, data),
            (None, None) => Ok(data),
        }
    }
}

fn apply_list(list: &Path, mut data: Dataset) -> Result<Dataset> {
    let splits = if list.is_dir() {
        read_folder(list)?
    } else {
        let table = Table::open_by(list, Author::User)?;
        read_splits(table, "film", checks::identifier)?
    };
    let films = data.records.len();
    data.records.retain_mut(|record| {
        let split = splits.get(&record.film).or_else(|| {
            let (stem, _) = record.film.rsplit_once('.')?;
            splits.get(stem)
        });
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
    tell_absent(
        list,
        "films",
        splits.len().saturating_sub(data.records.len()),
    );
    warn_of_shared_patients(list, &data.records);
    Ok(data)
}

/// Moves the listed patients to the test split.
fn apply_test_patients(list: &Path, mut data: Dataset) -> Result<Dataset> {
    let mut listed: HashMap<String, bool> = lines(list)?
        .into_iter()
        .filter(|line| line.contains(|c: char| c.is_ascii_digit()))
        .map(|line| (patient_number(&line).to_owned(), false))
        .collect();
    for record in &mut data.records {
        if let Some(is_found) = listed.get_mut(patient_number(&record.patient)) {
            *is_found = true;
            record.split = Split::Test;
        }
    }
    let found = listed.values().filter(|is_found| **is_found).count();
    if found == 0 {
        let example = data.records.first().map_or("", |record| &record.patient);
        let reason = format!(
            "lists none of the patients of {}; it must have the identifier of a patient in each \
             line, such as {example}",
            data.name
        );
        return Err(Error::file(list, reason));
    }
    tracing::info!("{}: {found} patients are for test", list.display());
    tell_absent(list, "patients", listed.len() - found);
    Ok(data)
}

/// Says how many entries of a list are not in the data set.
fn tell_absent(list: &Path, what: &str, absent: usize) {
    if absent > 0 {
        tracing::warn!(
            "{}: {absent} listed {what} are not among the films that were kept",
            list.display()
        );
    }
}

/// The number of a patient: lists have it without the letters and zeros that data sets write before
/// it (`patient00003` is `3`). An identifier that is not of this form stays as it is.
fn patient_number(patient: &str) -> &str {
    let digits = patient.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return patient;
    }
    match digits.trim_start_matches('0') {
        "" => "0",
        number => number,
    }
}

/// Reads the lists of a folder: the split of each film.
fn read_folder(folder: &Path) -> Result<HashMap<String, Split>> {
    let mut splits = HashMap::new();
    for (name, split) in LISTS {
        let path = folder.join(name);
        if !path.exists() {
            let reason = format!(
                "has no {name}; the folder of a list needs train.txt, val.txt and test.txt, a film \
                 in each line"
            );
            return Err(Error::file(folder, reason));
        }
        for film in lines(&path)? {
            let first = *splits.entry(film.clone()).or_insert(split);
            if first != split {
                let reason = format!("lists {film}, which is also for {}", first.name());
                return Err(Error::file(&path, reason));
            }
        }
    }
    Ok(splits)
}

/// The lines of a list, trimmed, without empty ones.
fn lines(path: &Path) -> Result<Vec<String>> {
    let text = mflag_input::read_text(path, &LIST).map_err(|e| Error::io("read", path, e))?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    Ok(lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
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
    fn patients_are_compared_by_their_number() {
        for (of_data_set, of_list) in [
            ("patient00003", "3"),
            ("10002559", "10002559"),
            ("p10002559", "10002559"),
            ("00000001", "1"),
            ("patient00000", "0"),
            ("1.2.276.0", "1.2.276.0"),
            ("patient", "patient"),
        ] {
            assert_eq!(patient_number(of_data_set), patient_number(of_list));
        }
        assert_ne!(patient_number("patient00030"), patient_number("3"));
    }

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
