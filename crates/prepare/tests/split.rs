//! Tests of splits by patient, of fractions of the training patients, and of the check for
//! overlaps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

use mflag_core::Named;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use mflag_datasets::split::HashSplit;
use mflag_film::{Depth, Fit, Squaring, Window};
use mflag_prepare::prepare::{self, prepare};
use mflag_prepare::verify::{Same, Verified, verify};
use mflag_store::subset::fraction;
use mflag_store::{Dataset, Record, Split, Store};
use proptest::prelude::*;
use rstest::rstest;
use tempfile::TempDir;

fn record(film: &str, patient: &str, split: Split, labels: &[Option<f32>]) -> Record {
    Record {
        labels: labels.to_vec(),
        ..Record::new(film, patient, film, split)
    }
}

/// Makes records of three films per patient. One patient in ten has the first label. One film in
/// six has the second.
fn records(films: usize) -> Vec<Record> {
    let film = |i: usize| {
        let (patient, has) = (i / 3, |yes: bool| Some(f32::from(u8::from(yes))));
        let labels = [
            has(patient.is_multiple_of(10)),
            has(i.is_multiple_of(6)),
            None,
        ];
        let split = if patient % 5 == 4 {
            Split::Test
        } else {
            Split::Train
        };
        record(&format!("f{i}"), &format!("p{patient}"), split, &labels)
    };
    (0..films).map(film).collect()
}

/// The films of a fraction, and their patients, by identifier.
fn chosen(records: &[Record], part: f64, seed: u64) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let films = fraction(records, part, seed).unwrap();
    let of = |name: fn(&Record) -> &str| films.iter().map(|&i| name(&records[i])).collect();
    (of(|r| &r.film), of(|r| &r.patient))
}

/// Published results use the splits of this hash, so it must not change.
#[test]
fn the_splits_never_change() {
    let parts = HashSplit::new(0.25, 0.25, 7).unwrap();
    let names: Vec<&str> = (0..12)
        .map(|i| parts.split_of(&format!("patient{i}")).name())
        .collect();
    insta::assert_snapshot!(names.join(" "), @"validate validate train validate validate train train train validate train train test");
    let films = records(300);
    let (_, patients) = chosen(&films, 0.05, 7);
    insta::assert_snapshot!(patients.into_iter().collect::<Vec<_>>().join(" "), @"p13 p30 p43 p62");
}

proptest! {
    #[test]
    fn parts_have_the_given_sizes(validate in 0.0..0.5f64, test in 0.0..0.4f64, seed: u64) {
        let parts = HashSplit::new(validate, test, seed).unwrap();
        let mut counts = HashMap::new();
        for i in 0..4000 {
            *counts.entry(parts.split_of(&i.to_string())).or_insert(0usize) += 1;
        }
        let part = |split| *counts.get(&split).unwrap_or(&0) as f64 / 4000.0;
        // Five standard deviations of a binomial part.
        prop_assert!((part(Split::Validate) - validate).abs() < 0.04);
        prop_assert!((part(Split::Test) - test).abs() < 0.04);
    }

    #[test]
    fn larger_parts_keep_the_patients_of_smaller_ones(patient: String, seed: u64, a in 0.0..0.3f64, b in 0.0..0.3f64, test in 0.0..0.3f64) {
        let of = |validate, test| HashSplit::new(validate, test, seed).unwrap().split_of(&patient);
        let (few, many) = (a.min(b), a.max(b));
        prop_assert!(of(few, test) != Split::Validate || of(many, test) == Split::Validate);
        prop_assert_eq!(of(few, test) == Split::Test, of(many, test) == Split::Test);
        prop_assert!(of(test, few) != Split::Test || of(test, many) == Split::Test);
    }

    #[test]
    fn fractions_are_nested_and_have_whole_training_patients(films in 1usize..600, seed: u64, a in 0.001..1.0f64, b in 0.001..1.0f64) {
        let records = records(films);
        let (few, many) = (a.min(b), a.max(b));
        let ((few_films, few_patients), (many_films, many_patients)) = (chosen(&records, few, seed), chosen(&records, many, seed));
        prop_assert!(few_films.is_subset(&many_films) && few_patients.is_subset(&many_patients));
        let train: Vec<&Record> = records.iter().filter(|r| r.split == Split::Train).collect();
        let patients: BTreeSet<&str> = train.iter().map(|r| &*r.patient).collect();
        let expected = (few * patients.len() as f64).round().max(1.0) as usize;
        prop_assert_eq!(few_patients.len(), expected);
        // A fraction has all films of its patients, and no test films.
        let whole = train.iter().filter(|r| few_patients.contains(&*r.patient)).count();
        prop_assert_eq!(few_films.len(), whole);
        let (all, _) = chosen(&records, 1.0, seed);
        prop_assert_eq!(all.len(), train.len());
    }

    #[test]
    fn the_order_of_the_films_does_not_matter(seed: u64, part in 0.01..1.0f64, order in Just((0..240usize).collect::<Vec<_>>()).prop_shuffle()) {
        let records = records(240);
        let shuffled: Vec<Record> = order.iter().map(|&i| records[i].clone()).collect();
        prop_assert_eq!(chosen(&records, part, seed), chosen(&shuffled, part, seed));
    }

    /// If a fraction has more patients than there are labels, every label occurs in it, and it has
    /// a patient without any label if there is one.
    #[test]
    fn no_label_is_lost_if_there_are_enough_patients(
        has in prop::collection::vec(prop::collection::vec(prop::bool::weighted(0.1), 6), 1..60), part in 0.01..1.0f64, seed: u64
    ) {
        let film = |(i, has): (usize, &Vec<bool>)| {
            let labels: Vec<Option<f32>> = has.iter().map(|&yes| Some(if yes { 1.0 } else { -1.0 })).collect();
            record(&format!("f{i}"), &format!("p{i}"), Split::Train, &labels)
        };
        let records: Vec<Record> = has.iter().enumerate().map(film).collect();
        let any = |films: &[usize], label: usize| films.iter().any(|&film| has[film][label]);
        let none = |films: &[usize]| films.iter().any(|&film| !has[film].contains(&true));
        let all: Vec<usize> = (0..records.len()).collect();
        let occur: Vec<usize> = (0..6).filter(|&label| any(&all, label)).collect();
        let films = fraction(&records, part, seed).unwrap();
        if films.len() > occur.len() {
            prop_assert!(occur.iter().all(|&label| any(&films, label)));
            prop_assert_eq!(none(&films), none(&all));
        } else if let Some(&rarest) = occur.iter().min_by_key(|&&label| all.iter().filter(|&&f| has[f][label]).count()) {
            prop_assert!(any(&films, rarest), "the rarest comes first");
        }
    }

    /// A rare label keeps its share within two patients: one for the rounding of its stratum, one
    /// for the patients that are chosen first.
    #[test]
    fn rare_labels_keep_their_share(seed: u64, part in 0.01..1.0f64) {
        let records = records(3000);
        let rare = |r: &&Record| r.split == Split::Train && r.labels[0] == Some(1.0);
        let all: BTreeSet<&str> = records.iter().filter(rare).map(|r| &*r.patient).collect();
        let (_, patients) = chosen(&records, part, seed);
        let kept = patients.intersection(&all).count() as f64;
        prop_assert!((kept - part * all.len() as f64).abs() <= 2.0, "{} of {}", kept, all.len());
    }
}

#[test]
fn another_seed_chooses_other_patients() {
    let records = records(3000);
    assert_ne!(chosen(&records, 0.1, 0), chosen(&records, 0.1, 1));
    let of = |seed| HashSplit::new(0.3, 0.3, seed).unwrap();
    assert!((0..20).any(|i| of(0).split_of(&i.to_string()) != of(1).split_of(&i.to_string())));
}

#[rstest]
#[case(0.5, 0.5)]
#[case(-0.1, 0.0)]
#[case(0.0, 1.0)]
#[case(f64::NAN, 0.0)]
fn parts_must_leave_training_patients(#[case] validate: f64, #[case] test: f64) {
    let error = HashSplit::new(validate, test, 0).unwrap_err().to_string();
    assert!(
        error.contains("each must be from 0 to below 1, and both together below 1"),
        "{error}"
    );
}

#[rstest]
#[case(0.0)]
#[case(1.1)]
#[case(f64::NAN)]
fn a_fraction_must_be_in_range(#[case] part: f64) {
    let error = fraction(&records(3), part, 0).unwrap_err().to_string();
    assert!(
        error.contains("it must be above 0 and at most 1"),
        "{error}"
    );
    let tests = [record("a", "p", Split::Test, &[])];
    let error = fraction(&tests, 0.1, 0).unwrap_err().to_string();
    assert!(error.contains("no training films"), "{error}");
}

/// Writes stores of PNG films. The name of a store, up to a hyphen, is the name of its data set.
struct Stores(TempDir);

impl Stores {
    fn new() -> Stores {
        Stores(tempfile::tempdir().unwrap())
    }

    fn store(&self, name: &str, films: &[(&str, &str, Split, u8)]) -> Store {
        self.store_of(name, Squaring::new(32, Fit::Pad), films)
    }

    fn store_of(&self, name: &str, squaring: Squaring, films: &[(&str, &str, Split, u8)]) -> Store {
        let folder = self.0.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let (dataset, _) = name.split_once('-').unwrap_or((name, ""));
        let data = Dataset {
            name: dataset.to_owned(),
            labels: Vec::new(),
            records: films.iter().map(|film| write(&folder, film)).collect(),
            left_out: Vec::new(),
            notes: Vec::new(),
        };
        let options = prepare::Options {
            squaring,
            ..prepare::Options::default()
        };
        prepare(&data, &folder.join("store"), &options).unwrap()
    }
}

fn write(folder: &Path, &(film, patient, split, content): &(&str, &str, Split, u8)) -> Record {
    let path = folder.join(format!("{film}.png"));
    let pixel = |x: u32, y: u32| match x {
        0 => image::Luma([0]),
        _ => image::Luma([content.wrapping_mul(x as u8 ^ y as u8)]),
    };
    image::GrayImage::from_fn(32, 32, pixel)
        .save(&path)
        .unwrap();
    Record {
        path,
        ..record(film, patient, split, &[])
    }
}

const BOTH: [Same; 2] = [Same::Pixels, Same::Files];

#[test]
fn sound_splits_are_verified() {
    let stores = Stores::new();
    let films = [
        ("a", "p1", Split::Train, 1),
        ("b", "p1", Split::Train, 1),
        ("c", "p2", Split::Test, 3),
        ("d", "p3", Split::Validate, 5),
        ("e", "p2", Split::Test, 5),
    ];
    let one = stores.store("one", &films[..3]);
    let other = stores.store("two", &[("a", "p1", Split::Test, 9)]);
    let expected = Verified {
        patients: 3,
        films: 3,
        repeated: 1,
    };
    for same in BOTH {
        let found = verify(&[&one, &other], same).unwrap();
        assert_eq!(
            found, expected,
            "p1 of the other data set is another patient"
        );
    }
    // Films of a single grey value, as stores of older versions have them, are not compared by
    // pixels. Their files are.
    let black = stores.store("black", &films[3..]);
    let shard = black.folder().join("shards/00000.npy");
    let meta = black.folder().join("store.json");
    drop(black);
    let mut content = std::fs::read(&shard).unwrap();
    let digest = mflag_core::digest::bytes(&content);
    let header = content.len() - 2 * 32 * 32;
    content[header..].fill(0);
    std::fs::write(&shard, &content).unwrap();
    let stored = std::fs::read_to_string(&meta).unwrap();
    assert!(stored.contains(&digest));
    let stored = stored.replace(&digest, &mflag_core::digest::bytes(&content));
    std::fs::write(&meta, stored).unwrap();
    let black = Store::open(&stores.0.path().join("black/store")).unwrap();
    let error = verify(&[&black], Same::Files).unwrap_err().to_string();
    assert!(
        error.contains("identical films in validate + test: 1"),
        "{error}"
    );
    let expected = Verified {
        patients: 2,
        films: 0,
        repeated: 0,
    };
    assert_eq!(verify(&[&black], Same::Pixels).unwrap(), expected);
}

#[test]
fn overlaps_are_reported_without_patients() {
    let stores = Stores::new();
    let films = [
        ("a", "p1", Split::Train, 1),
        ("b", "p1", Split::Test, 2),
        ("c", "p2", Split::Train, 3),
    ];
    let one = stores.store("one", &films);
    let two = stores.store(
        "two",
        &[("x", "q1", Split::Validate, 1), ("y", "q2", Split::Test, 3)],
    );
    let [of_one, of_two] = [&one, &two].map(|store| store.folder().display());
    for same in BOTH {
        let error = verify(&[&one], same).unwrap_err().to_string();
        assert!(
            error.contains("too high: patients in train + test: 1; keep"),
            "{error}"
        );
        let error = verify(&[&one, &two], same).unwrap_err().to_string();
        for expected in [
            format!("patients in train of {of_one} + test of {of_one}: 1"),
            format!("identical films in train of {of_one} + validate of {of_two}: 1"),
            format!("identical films in train of {of_one} + test of {of_two}: 1"),
        ] {
            assert!(error.contains(&expected), "{error} lacks {expected}");
        }
        assert!(!error.contains("p1"), "{error}");
    }
}

/// A test patient of a downstream data set is a training patient of the pre-training.
#[test]
fn a_test_patient_in_the_pretraining_is_found() {
    let stores = Stores::new();
    let pretraining = stores.store(
        "mimic-pre",
        &[("a", "p1", Split::Train, 1), ("b", "p2", Split::Train, 2)],
    );
    let films = [("c", "p1", Split::Test, 3), ("d", "p3", Split::Train, 4)];
    let downstream = stores.store("mimic-down", &films);
    let [pre, down] = [&pretraining, &downstream].map(|store| store.folder().display());
    for store in [&pretraining, &downstream] {
        verify(&[store], Same::Pixels).unwrap();
    }
    let error = verify(&[&pretraining, &downstream], Same::Pixels).unwrap_err();
    let expected = format!("patients in train of {pre} + test of {down}: 1");
    assert!(error.to_string().contains(&expected), "{error}");
    // The same identifiers in a data set of another name mean other patients.
    let other = stores.store("chexpert-down", &films);
    verify(&[&pretraining, &other], Same::Pixels).unwrap();
}

#[test]
fn squares_that_differ_are_not_compared() {
    let stores = Stores::new();
    let film = |name, split| [(name, name, split, 5)];
    let small = stores.store("one", &film("a", Split::Train));
    let padded = Squaring::new(32, Fit::Pad);
    let squares = [
        ("side", Squaring::new(48, Fit::Pad)),
        ("fit", Squaring::new(32, Fit::Crop)),
        (
            "window",
            Squaring {
                window: Window::FullRange,
                ..padded
            },
        ),
        (
            "depth",
            Squaring {
                depth: Depth::Sixteen,
                ..padded
            },
        ),
    ];
    for (name, squaring) in squares {
        let other = stores.store_of(name, squaring, &film("b", Split::Test));
        let error = verify(&[&small, &other], Same::Pixels)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("because their squares differ: add --files"),
            "{error}"
        );
        let error = verify(&[&small, &other], Same::Files)
            .unwrap_err()
            .to_string();
        assert!(error.contains("identical films in train of"), "{error}");
    }
    let records = small.folder().join("films.jsonl");
    let text = std::fs::read_to_string(&records).unwrap();
    std::fs::write(&records, text.replacen("train", "test", 1)).unwrap();
    let error = verify(&[&small], Same::Pixels).unwrap_err().to_string();
    assert!(
        error.contains("films.jsonl: differs from its digest"),
        "{error}"
    );
    std::fs::write(&records, text).unwrap();
    let shard = small.folder().join("shards/00000.npy");
    let mut pixels = std::fs::read(&shard).unwrap();
    *pixels.last_mut().unwrap() ^= 1;
    std::fs::write(&shard, pixels).unwrap();
    let error = verify(&[&small], Same::Pixels).unwrap_err().to_string();
    assert!(
        error.contains("00000.npy: differs from its digest"),
        "{error}"
    );
    std::fs::remove_file(stores.0.path().join("one/a.png")).unwrap();
    let error = verify(&[&small], Same::Files).unwrap_err().to_string();
    assert!(error.contains("one/a.png"), "{error}");
}
