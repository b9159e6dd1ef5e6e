//! Chooses the films of a contact sheet.

use std::collections::HashSet;

use mflag_core::suggest;
use mflag_store::{Error, Record, Result};

/// Chooses at most `number` films, the same ones every time. With `label`, all are positive for it.
///
/// The films positive for a label are one kind. Two more kinds have no positive label: films with a
/// mask or boxes, and films with neither. The choice takes one film of each kind in turn, until it
/// has `number` films. Within a kind, films with a mask or boxes come first, and a hash of the
/// film's identifier decides the rest. The result is ordered by kind.
///
/// # Errors
/// If the label is unknown, or if no film is positive for it.
pub(super) fn choose(
    records: &[Record],
    labels: &[String],
    number: usize,
    label: Option<&str>,
) -> Result<Vec<usize>> {
    let order = by_hash(records);
    let of_kind = |kind: &dyn Fn(&Record) -> bool| -> Vec<usize> {
        let of_kind = order.iter().copied().filter(|&film| kind(&records[film]));
        let (first, others): (Vec<_>, Vec<_>) = of_kind.partition(|&film| outlined(&records[film]));
        [first, others].concat()
    };
    let kinds: Vec<Vec<usize>> = if let Some(name) = label {
        let Some(index) = labels.iter().position(|known| known == name) else {
            let hint = suggest::hint(name, labels.iter().map(String::as_str));
            return Err(Error::Data(format!("label '{name}' is unknown{hint}")));
        };
        let films = of_kind(&|record| positive(record, index));
        if films.is_empty() {
            return Err(Error::Data(format!("no film is positive for '{name}'")));
        }
        vec![films]
    } else {
        let has_label = |record: &Record| (0..labels.len()).any(|index| positive(record, index));
        let with_label = (0..labels.len()).map(|index| of_kind(&|r| positive(r, index)));
        let without_label = [
            of_kind(&|record| !has_label(record) && outlined(record)),
            of_kind(&|record| !has_label(record) && !outlined(record)),
        ];
        with_label.chain(without_label).collect()
    };
    Ok(take_in_turn(&kinds, number))
}

fn positive(record: &Record, label: usize) -> bool {
    record.labels.get(label).copied().flatten() == Some(1.0)
}

/// Whether the film has a mask or boxes.
fn outlined(record: &Record) -> bool {
    record.mask.is_some() || !record.boxes.is_empty()
}

/// The films, ordered by a hash of their identifiers.
fn by_hash(records: &[Record]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_by_cached_key(|&film| *blake3::hash(records[film].film.as_bytes()).as_bytes());
    order
}

/// Takes one film of each kind in turn, and returns the films ordered by kind. A film of several
/// kinds is taken once.
fn take_in_turn(kinds: &[Vec<usize>], number: usize) -> Vec<usize> {
    let mut left: Vec<_> = kinds.iter().map(|films| films.iter().copied()).collect();
    let mut chosen = vec![Vec::new(); kinds.len()];
    let mut taken = HashSet::new();
    while taken.len() < number {
        let before = taken.len();
        for (films, chosen) in left.iter_mut().zip(&mut chosen) {
            if taken.len() < number {
                chosen.extend(films.find(|film| taken.insert(*film)));
            }
        }
        if taken.len() == before {
            break;
        }
    }
    chosen.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mflag_store::{BoundingBox, Split};

    /// A film with these labels, and with a box or without.
    fn record(film: usize, labels: &[f32], boxed: bool) -> Record {
        let found = BoundingBox {
            label: String::new(),
            x: 0.0,
            y: 0.0,
            width: 1.0,
            height: 1.0,
        };
        let name = film.to_string();
        Record {
            labels: labels.iter().map(|v| Some(*v)).collect(),
            boxes: if boxed { vec![found] } else { Vec::new() },
            ..Record::new(&name, &name, &name, Split::Train)
        }
    }

    fn names() -> Vec<String> {
        ["Common", "Rare", "Absent"].map(str::to_owned).to_vec()
    }

    /// 100 films: two rare, the second of them boxed; 30 common, the last boxed; one boxed without
    /// label.
    fn records() -> Vec<Record> {
        let film = |i: usize| match i {
            0 => record(i, &[1.0, 1.0, 0.0], false),
            1 => record(i, &[0.0, 1.0, -1.0], true),
            2..30 => record(i, &[1.0, 0.0, 0.0], i == 29),
            30 => record(i, &[-1.0, 0.0, 0.0], true),
            _ => record(i, &[0.0, 0.0, 0.0], false),
        };
        (0..100).map(film).collect()
    }

    #[test]
    fn each_kind_is_chosen_and_outlined_films_come_first() {
        let records = records();
        let films = choose(&records, &names(), 4, None).unwrap();
        assert_eq!(films[..3], [29, 1, 30]);
        assert!(films[3] > 30, "one without anything: {films:?}");
        let more = choose(&records, &names(), 12, None).unwrap();
        assert_eq!(more.len(), 12);
        assert!(more.contains(&0) && films.iter().all(|film| more.contains(film)));
        let mut all = choose(&records, &names(), 1000, None).unwrap();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_label_can_be_chosen() {
        let of = |label| choose(&records(), &names(), 10, Some(label));
        assert_eq!(of("Rare").unwrap(), [1, 0]);
        let error = |label| of(label).unwrap_err().to_string();
        assert_eq!(
            error("Comon"),
            "label 'Comon' is unknown (did you mean 'Common'?)"
        );
        assert_eq!(error("Absent"), "no film is positive for 'Absent'");
    }

    #[test]
    fn without_labels_outlined_films_come_first() {
        let records = [record(0, &[], false), record(1, &[], true)];
        assert_eq!(choose(&records, &[], 5, None).unwrap(), [1, 0]);
    }
}
