//! The SIIM-ACR reader on a tree written here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

use std::fs;
use std::path::{Path, PathBuf};

use mflag_data::siim::{Options, balance, read};
use mflag_data::{Dataset, Mask, Record, Split};
use proptest::prelude::*;
use rstest::rstest;
use tempfile::TempDir;

/// A data set's folder.
struct Tree(TempDir);

impl Tree {
    /// Films `1.a` (no mask), `1.b` (one row), `1.c` (two rows that overlap), all whole.
    fn new() -> Tree {
        let tree = Tree(tempfile::tempdir().unwrap());
        tree.rows("1.a, -1\n1.b,5 3 2 1\n1.c,10 4\n1.c,12 6 100 1\n");
        for film in ["1.a", "1.b", "1.c"] {
            tree.film(&format!("dicom-images-train/s{film}/t{film}/{film}.dcm"));
        }
        tree
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn rows(&self, rows: &str) {
        let table = format!("ImageId, EncodedPixels\n{rows}");
        fs::write(self.path("train-rle.csv"), table).unwrap();
    }

    fn film(&self, name: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), b"film").unwrap();
    }

    fn read(&self) -> Dataset {
        read(self.root(), &Options::default()).unwrap()
    }

    fn message(&self) -> String {
        read(self.root(), &Options::default())
            .unwrap_err()
            .to_string()
    }
}

fn ids(data: &Dataset) -> Vec<&str> {
    data.records.iter().map(|r| r.film.as_str()).collect()
}

fn dropped(data: &Dataset) -> Vec<(&str, usize)> {
    let counts = data.dropped.iter();
    counts.map(|(why, n)| (why.as_str(), *n)).collect()
}

fn mask(runs: &[[u32; 2]]) -> Option<Mask> {
    Some(Mask::Runs {
        width: 1024,
        height: 1024,
        runs: runs.to_vec(),
    })
}

#[test]
fn films_come_with_all_that_is_known() {
    let tree = Tree::new();
    let data = tree.read();
    assert_eq!(data.name, "siim-acr");
    assert_eq!(data.labels, ["Pneumothorax"]);
    assert_eq!(ids(&data), ["1.a", "1.b", "1.c"]);
    assert!(data.dropped.is_empty());
    let [a, b, c] = &data.records[..] else {
        panic!()
    };
    assert_eq!((a.patient.as_str(), a.study.as_str()), ("1.a", "1.a"));
    assert_eq!(a.path, tree.path("dicom-images-train/s1.a/t1.a/1.a.dcm"));
    assert_eq!([a, b, c].map(|r| r.labels[0]), [0.0, 1.0, 1.0].map(Some));
    assert_eq!(a.mask, None);
    assert_eq!(b.mask, mask(&[[5, 3], [10, 1]]));
    assert_eq!(c.mask, mask(&[[10, 8], [118, 1]]), "the union of both rows");
    assert!(c.boxes.is_empty() && c.text.is_none());
}

#[test]
fn films_may_lie_flat_and_elsewhere() {
    let tree = Tree::new();
    let masks = |data: &Dataset| {
        data.records
            .iter()
            .map(|r| r.mask.clone())
            .collect::<Vec<_>>()
    };
    let expected = masks(&tree.read());
    fs::remove_dir_all(tree.path("dicom-images-train")).unwrap();
    for film in ["1.a.dcm", "1.b.DCM", "1.c.dcm", "notes.txt"] {
        tree.film(&format!("dicom-images-train/{film}"));
    }
    assert_eq!(masks(&tree.read()), expected);
    let elsewhere = tree.path("films");
    fs::rename(tree.path("dicom-images-train"), &elsewhere).unwrap();
    let told = tree.message();
    assert!(
        told.contains("dicom-images-train: no such folder with the films"),
        "{told}"
    );
    let options = Options {
        films: Some(elsewhere),
        ..Options::default()
    };
    assert_eq!(masks(&read(tree.root(), &options).unwrap()), expected);
}

#[test]
fn every_reason_is_counted() {
    let tree = Tree::new();
    let negatives: String = (0..40).map(|i| format!("1.n{i},-1\n")).collect();
    tree.rows(&format!("1.b,5 3\n1.lost,-1\n{negatives}"));
    (0..40).for_each(|i| tree.film(&format!("dicom-images-train/1.n{i}.dcm")));
    let data = tree.read();
    assert_eq!(data.records.len(), 41);
    let files = [
        ("no film file", 1),
        ("film file without a row in train-rle.csv", 2),
    ];
    assert_eq!(dropped(&data), files);

    let options = Options {
        balance: true,
        ..Options::default()
    };
    let balanced = read(tree.root(), &options).unwrap();
    let training = data.records.iter().filter(|r| r.split == Split::Train);
    let positive = training.clone().filter(|r| r.mask.is_some()).count();
    let surplus = training.count() - 2 * positive;
    assert_eq!(balanced.records, balance(data.records, 0));
    let why = "negative training film beyond the number of positive ones";
    assert_eq!(dropped(&balanced), [files[0], files[1], (why, surplus)]);
    assert!(surplus > 0);

    tree.rows("1.lost,-1\n");
    let told = tree.message();
    assert!(
        told.contains("no film is left (left out: 1 no film file, 43 film file without a row"),
        "{told}"
    );
    assert!(
        told.ends_with("dicom-images-train/<study>/<series>/<ImageId>.dcm"),
        "{told}"
    );
}

#[rstest]
#[case::odd(
    "1.b,5 3 2\n",
    "row 2, column 'EncodedPixels': run 2 of the run-length string has no length"
)]
#[case::negative(
    "1.b,5 -3\n",
    "row 2, column 'EncodedPixels': run 1 of the run-length string has '-3', which is negative"
)]
#[case::beyond(
    "1.a,-1\n1.b,1048575 2\n",
    "row 3, column 'EncodedPixels': run 1 of the run-length string ends at pixel 1048577 of a plane of 1024 × 1024"
)]
#[case::nothing(
    "1.b,\n",
    "row 2, column 'EncodedPixels': '' is not allowed; it must be -1 for no mask, or pairs"
)]
#[case::both(
    "1.b,5 3\n1.b, -1\n",
    "row 3, column 'ImageId': the value is not allowed; it must be with a mask in all of its rows, or -1 in all"
)]
#[case::both_reversed(
    "1.b,-1\n1.b,5 3\n",
    "row 3, column 'ImageId': the value is not allowed"
)]
#[case::way_out(
    "../secret,-1\n",
    "row 2, column 'ImageId': the value is not allowed; it must be a file name"
)]
fn a_bad_row_is_explained(#[case] rows: &str, #[case] expected: &str) {
    let tree = Tree::new();
    tree.rows(rows);
    let told = tree.message();
    assert!(
        told.contains("train-rle.csv: ") && told.contains(expected),
        "{told}"
    );
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn what_is_missing_or_twice_is_named() {
    let tree = Tree::new();
    tree.film("dicom-images-train/again/1.a.dcm");
    let told = tree.message();
    assert!(
        told.ends_with("a film lies in two places here (-v shows where); keep one"),
        "{told}"
    );
    let options = Options {
        test: 1.0,
        ..Options::default()
    };
    let told = read(tree.root(), &options).unwrap_err().to_string();
    assert!(told.contains("both together below 1"), "{told}");
    fs::write(tree.path("train-rle.csv"), "ImageId,Encoded\n").unwrap();
    let told = tree.message();
    assert!(
        told.contains("column 'EncodedPixels' is missing (did you mean 'Encoded'?)"),
        "{told}"
    );
    fs::remove_file(tree.path("train-rle.csv")).unwrap();
    let told = tree.message();
    assert!(
        told.contains("table train-rle.csv is not in this folder"),
        "{told}"
    );
}

fn record(film: usize, split: Split, positive: bool) -> Record {
    let film = format!("1.{film}");
    Record {
        path: PathBuf::from(format!("{film}.dcm")),
        patient: film.clone(),
        study: film.clone(),
        film,
        split,
        text: None,
        labels: vec![Some(f32::from(u8::from(positive)))],
        boxes: Vec::new(),
        size: None,
        mask: if positive { mask(&[[0, 1]]) } else { None },
    }
}

proptest! {
    #[test]
    fn balance_takes_surplus_negatives_of_training_alone(
        films in prop::collection::vec((0usize..3, any::<bool>()), 0..60), seed: u64
    ) {
        let films = films.iter().enumerate();
        let all: Vec<Record> = films.map(|(i, (split, positive))| record(i, Split::ALL[*split], *positive)).collect();
        let kept = balance(all.clone(), seed);
        let surplus = |r: &&Record| r.split == Split::Train && r.mask.is_none();
        let [there, left] = [&all, &kept].map(|records| records.iter().filter(surplus).count());
        let positive = all.iter().filter(|r| r.split == Split::Train && r.mask.is_some()).count();
        prop_assert_eq!(left, there.min(positive));
        prop_assert_eq!(all.len() - kept.len(), there - left, "nothing else goes");
        let mut reversed: Vec<Record> = all.into_iter().rev().collect();
        reversed = balance(reversed, seed);
        reversed.reverse();
        prop_assert_eq!(reversed, kept, "whatever the order");
    }
}

#[test]
fn another_seed_keeps_others() {
    let all: Vec<Record> = (0..200).map(|i| record(i, Split::Train, i < 20)).collect();
    assert_ne!(balance(all.clone(), 0), balance(all, 1));
}
