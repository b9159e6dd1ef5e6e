//! Which films a contact sheet shows.

use std::collections::HashSet;

use mflag_core::suggest;

use mflag_store::{Error, Record, Result};

/// At most `number` films, the same every time. Of each label in turn one that is positive for it, then one that has none
/// but a mask or boxes, then one without anything, until there are enough; of each kind those with a mask or boxes come
/// first, else a hash of the film's identifier decides. They are given kind by kind. With `label`, only films positive for it.
///
/// # Errors
/// If there is no such label, or no film is positive for it.
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
        let Some(place) = labels.iter().position(|known| known == name) else {
            let hint = suggest::hint(name, labels.iter().map(String::as_str));
            return Err(Error::Data(format!("label '{name}' is unknown{hint}")));
        };
        let films = of_kind(&|record| positive(record, place));
        if films.is_empty() {
            return Err(Error::Data(format!("no film is positive for '{name}'")));
        }
        vec![films]
    } else {
        let any = |record: &Record| (0..labels.len()).any(|place| positive(record, place));
        let of_labels = (0..labels.len()).map(|place| of_kind(&|r| positive(r, place)));
        let of_none = [
            of_kind(&|record| !any(record) && outlined(record)),
            of_kind(&|record| !any(record) && !outlined(record)),
        ];
        of_labels.chain(of_none).collect()
    };
    Ok(in_turn(&kinds, number))
}

fn positive(record: &Record, label: usize) -> bool {
    record.labels.get(label).copied().flatten() == Some(1.0)
}

fn outlined(record: &Record) -> bool {
    record.mask.is_some() || !record.boxes.is_empty()
}

fn by_hash(records: &[Record]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_by_cached_key(|&film| *blake3::hash(records[film].film.as_bytes()).as_bytes());
    order
}

/// One film of each kind, again and again; kind by kind.
fn in_turn(kinds: &[Vec<usize>], number: usize) -> Vec<usize> {
    let mut left: Vec<_> = kinds.iter().map(|films| films.iter().copied()).collect();
    let mut chosen = vec![Vec::new(); kinds.len()];
    let mut shown = HashSet::new();
    while shown.len() < number {
        let before = shown.len();
        for (films, chosen) in left.iter_mut().zip(&mut chosen) {
            if shown.len() < number {
                chosen.extend(films.find(|film| shown.insert(*film)));
            }
        }
        if shown.len() == before {
            break;
        }
    }
    chosen.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mflag_store::{BoundingBox, Split};

    /// `labels` of film `film`, boxed or not.
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

    /// 100 films: two rare, the second of them boxed; 30 common, the last boxed; one boxed without label.
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
    fn each_kind_is_there_those_with_outlines_first() {
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
        let told = |label| of(label).unwrap_err().to_string();
        assert_eq!(
            told("Comon"),
            "label 'Comon' is unknown (did you mean 'Common'?)"
        );
        assert_eq!(told("Absent"), "no film is positive for 'Absent'");
    }

    #[test]
    fn without_labels_outlines_come_first() {
        let records = [record(0, &[], false), record(1, &[], true)];
        assert_eq!(choose(&records, &[], 5, None).unwrap(), [1, 0]);
    }
}
