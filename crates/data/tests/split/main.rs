//! Splits by patient, fractions of the training patients, and the check for overlaps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

#[path = "../toy/mod.rs"]
mod toy;

use std::collections::{BTreeSet, HashMap};

use mflag_data::split::{Parts, Verified, fraction, verify_datasets, verify_stores};
use mflag_data::{Dataset, Record, Split, prepare};
use mflag_film::{Fit, Squaring};
use proptest::prelude::*;
use rstest::rstest;
use toy::Tree;

fn record(film: String, patient: &str, split: Split, labels: &[Option<f32>]) -> Record {
    Record {
        path: film.clone().into(),
        study: film.clone(),
        film,
        patient: patient.to_owned(),
        split,
        text: None,
        labels: labels.to_vec(),
        boxes: Vec::new(),
        mask: None,
        size: None,
    }
}

/// `films` of as many patients / 3, one in ten with the first label, half with the second.
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
        record(format!("f{i}"), &format!("p{patient}"), split, &labels)
    };
    (0..films).map(film).collect()
}

/// Identifiers of films and of their patients.
fn chosen(records: &[Record], part: f64, seed: u64) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let films = fraction(records, part, seed).unwrap();
    let of = |name: fn(&Record) -> &str| films.iter().map(|&i| name(&records[i])).collect();
    (of(|r| &r.film), of(|r| &r.patient))
}

/// The hash is part of every published number: it never changes.
#[test]
fn the_splits_never_change() {
    let parts = Parts::new(0.25, 0.25, 7).unwrap();
    let names: Vec<&str> = (0..12)
        .map(|i| parts.of(&format!("patient{i}")).name())
        .collect();
    insta::assert_snapshot!(names.join(" "), @"validate validate train validate validate train train train validate train train test");
    let films = records(300);
    let (_, patients) = chosen(&films, 0.05, 7);
    insta::assert_snapshot!(patients.into_iter().collect::<Vec<_>>().join(" "), @"p13 p16 p43 p62");
}

proptest! {
    #[test]
    fn parts_have_their_sizes(validate in 0.0..0.5f64, test in 0.0..0.4f64, seed: u64) {
        let parts = Parts::new(validate, test, seed).unwrap();
        let mut counts = HashMap::new();
        for i in 0..4000 {
            *counts.entry(parts.of(&i.to_string())).or_insert(0usize) += 1;
        }
        let part = |split| *counts.get(&split).unwrap_or(&0) as f64 / 4000.0;
        // Five standard deviations of a binomial part.
        prop_assert!((part(Split::Validate) - validate).abs() < 0.04);
        prop_assert!((part(Split::Test) - test).abs() < 0.04);
    }

    #[test]
    fn larger_parts_keep_who_was_in_them(patient: String, seed: u64, a in 0.0..0.3f64, b in 0.0..0.3f64, test in 0.0..0.3f64) {
        let of = |validate, test| Parts::new(validate, test, seed).unwrap().of(&patient);
        let (few, many) = (a.min(b), a.max(b));
        prop_assert!(of(few, test) != Split::Validate || of(many, test) == Split::Validate);
        prop_assert_eq!(of(few, test) == Split::Test, of(many, test) == Split::Test);
        prop_assert!(of(test, few) != Split::Test || of(test, many) == Split::Test);
    }

    #[test]
    fn fractions_are_nested_whole_and_of_training(films in 1usize..600, seed: u64, a in 0.001..1.0f64, b in 0.001..1.0f64) {
        let records = records(films);
        let (few, many) = (a.min(b), a.max(b));
        let ((few_films, few_patients), (many_films, many_patients)) = (chosen(&records, few, seed), chosen(&records, many, seed));
        prop_assert!(few_films.is_subset(&many_films) && few_patients.is_subset(&many_patients));
        let train: Vec<&Record> = records.iter().filter(|r| r.split == Split::Train).collect();
        let patients: BTreeSet<&str> = train.iter().map(|r| &*r.patient).collect();
        let expected = (few * patients.len() as f64).round().max(1.0) as usize;
        prop_assert_eq!(few_patients.len(), expected);
        // All films of a patient, and none of the test.
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

    /// Each stratum has its share to within one patient, but for the rounding of the whole.
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
fn seeds_choose_others() {
    let records = records(3000);
    assert_ne!(chosen(&records, 0.1, 0), chosen(&records, 0.1, 1));
    let of = |seed| Parts::new(0.3, 0.3, seed).unwrap();
    assert!((0..20).any(|i| of(0).of(&i.to_string()) != of(1).of(&i.to_string())));
}

#[rstest]
#[case(0.5, 0.5)]
#[case(-0.1, 0.0)]
#[case(0.0, 1.0)]
#[case(f64::NAN, 0.0)]
fn parts_must_leave_somebody(#[case] validate: f64, #[case] test: f64) {
    let told = Parts::new(validate, test, 0).unwrap_err().to_string();
    assert!(
        told.contains("each must be from 0 to below 1, and both together below 1"),
        "{told}"
    );
}

#[rstest]
#[case(0.0)]
#[case(1.1)]
#[case(f64::NAN)]
fn fractions_must_be_parts(#[case] part: f64) {
    let told = fraction(&records(3), part, 0).unwrap_err().to_string();
    assert!(told.contains("it must be above 0 and at most 1"), "{told}");
    let tests = [record("a".to_owned(), "p", Split::Test, &[])];
    let told = fraction(&tests, 0.1, 0).unwrap_err().to_string();
    assert!(told.contains("no training films"), "{told}");
}

/// A data set of PNG films, each of the given grey steps.
fn dataset(tree: &Tree, name: &str, films: &[(&str, &str, Split, u8)]) -> Dataset {
    let film = |&(film, patient, split, content): &(&str, &str, Split, u8)| {
        let path = tree.path(&format!("{name}/{film}.png"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let pixel = |x, y| {
            image::Luma([if x == 0 {
                0
            } else {
                content.wrapping_mul(x as u8 ^ y as u8)
            }])
        };
        image::GrayImage::from_fn(32, 32, pixel)
            .save(&path)
            .unwrap();
        Record {
            path,
            ..record(film.to_owned(), patient, split, &[])
        }
    };
    Dataset {
        name: name.to_owned(),
        labels: Vec::new(),
        records: films.iter().map(film).collect(),
        dropped: Vec::new(),
    }
}

/// Files and stores of the same films.
fn both(tree: &Tree, data: &[&Dataset]) -> [mflag_data::Result<Verified>; 2] {
    let options = prepare::Options {
        squaring: Squaring::new(32, Fit::Pad),
        ..prepare::Options::default()
    };
    let stores: Vec<_> = data
        .iter()
        .map(|d| prepare::prepare(d, &tree.path(&format!("{}-store", d.name)), &options).unwrap())
        .collect();
    let stores: Vec<_> = stores.iter().collect();
    [verify_datasets(data), verify_stores(&stores)]
}

#[test]
fn sound_splits_are_verified() {
    let tree = Tree::new();
    let films = [
        ("a", "p1", Split::Train, 1),
        ("b", "p1", Split::Train, 1),
        ("c", "p2", Split::Test, 3),
        ("d", "p3", Split::Validate, 0),
        ("e", "p2", Split::Test, 0),
    ];
    let data = dataset(&tree, "one", &films[..3]);
    let other = dataset(&tree, "two", &[("a", "p1", Split::Test, 9)]);
    let expected = Verified {
        patients: 3,
        films: 3,
        repeated: 1,
    };
    for found in both(&tree, &[&data, &other]) {
        assert_eq!(
            found.unwrap(),
            expected,
            "the other set's p1 is another patient"
        );
    }
    // Black films of two splits are the same file; as stored pixels they say nothing.
    let black = dataset(&tree, "black", &films[3..]);
    let [files, pixels] = both(&tree, &[&black]);
    assert!(
        files
            .unwrap_err()
            .to_string()
            .contains("identical films in validate + test: 1")
    );
    assert_eq!(
        pixels.unwrap(),
        Verified {
            patients: 2,
            films: 0,
            repeated: 0
        }
    );
}

#[test]
fn overlaps_are_told_without_patients() {
    let tree = Tree::new();
    let data = dataset(
        &tree,
        "one",
        &[
            ("a", "p1", Split::Train, 1),
            ("b", "p1", Split::Test, 2),
            ("c", "p2", Split::Train, 3),
        ],
    );
    let other = dataset(
        &tree,
        "two",
        &[("x", "q1", Split::Validate, 1), ("y", "q2", Split::Test, 3)],
    );
    for found in both(&tree, &[&data, &other]) {
        let told = found.unwrap_err().to_string();
        assert!(told.contains("patients in train + test: 1, identical films in train + validate: 1, identical films in train + test: 1"), "{told}");
        assert!(!told.contains("p1"), "{told}");
    }
}

#[test]
fn a_film_that_is_gone_is_named() {
    let tree = Tree::new();
    let data = dataset(&tree, "one", &[("a", "p1", Split::Train, 1)]);
    tree.remove("one/a.png");
    let told = verify_datasets(&[&data]).unwrap_err().to_string();
    assert!(told.contains("one/a.png"), "{told}");
}
