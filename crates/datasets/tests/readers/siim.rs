//! Tests of the SIIM-ACR reader.
use std::fs;

use mflag_core::Named;
use mflag_datasets::readers::siim::{Options, Siim, balance};
use mflag_datasets::split::{Rule, RuleOptions};
use mflag_datasets::{AnnotationOptions, Reader};
use mflag_store::{Dataset, Mask, Record, Split};
use proptest::prelude::*;
use rstest::rstest;

use crate::toy::{Card, Tree, by_rule, ids, left_out, letters, refusal};

/// Films `1.a` (no mask), `1.b` (one row) and `1.c` (two rows that overlap).
fn tree() -> Tree {
    let tree = Tree::new();
    table(&tree, "1.a, -1\n1.b,5 3 2 1\n1.c,10 4\n1.c,12 6 100 1\n");
    for film in ["1.a", "1.b", "1.c"] {
        film_file(&tree, &format!("s{film}/t{film}/{film}.dcm"));
    }
    tree
}

fn table(tree: &Tree, rows: &str) {
    tree.write("train-rle.csv", format!("ImageId, EncodedPixels\n{rows}"));
}

fn film_file(tree: &Tree, name: &str) {
    tree.write(&format!("dicom-images-train/{name}"), "film");
}

fn read_all(tree: &Tree) -> Dataset {
    Siim::read(tree.root(), &Options::default()).unwrap()
}

fn message(tree: &Tree) -> String {
    refusal(Siim::read(tree.root(), &Options::default()))
}

fn mask(runs: &[[u32; 2]]) -> Option<Mask> {
    Some(Mask::Runs {
        width: 1024,
        height: 1024,
        runs: runs.to_vec(),
    })
}

#[test]
fn films_have_the_documented_fields() {
    let tree = tree();
    let data = read_all(&tree);
    assert_eq!(data.name, "siim-acr");
    assert_eq!(data.labels, ["Pneumothorax"]);
    assert_eq!(ids(&data), ["1.a", "1.b", "1.c"]);
    assert!(data.left_out.is_empty());
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
fn films_can_be_in_one_folder_of_any_name() {
    let tree = tree();
    let masks = |data: &Dataset| {
        data.records
            .iter()
            .map(|r| r.mask.clone())
            .collect::<Vec<_>>()
    };
    let expected = masks(&read_all(&tree));
    fs::remove_dir_all(tree.path("dicom-images-train")).unwrap();
    for film in ["1.a.dcm", "1.b.DCM", "1.c.dcm", "notes.txt"] {
        film_file(&tree, film);
    }
    assert_eq!(masks(&read_all(&tree)), expected);
    let elsewhere = tree.path("films");
    fs::rename(tree.path("dicom-images-train"), &elsewhere).unwrap();
    let error = message(&tree);
    assert!(
        error.contains("dicom-images-train: no such folder of films"),
        "{error}"
    );
    let options = Options {
        films: Some(elsewhere),
        ..Options::default()
    };
    assert_eq!(masks(&Siim::read(tree.root(), &options).unwrap()), expected);
}

#[test]
fn every_reason_is_counted() {
    let tree = tree();
    let negatives: String = (0..40).map(|i| format!("1.n{i},-1\n")).collect();
    table(&tree, &format!("1.b,5 3\n1.lost,-1\n{negatives}"));
    (0..40).for_each(|i| film_file(&tree, &format!("1.n{i}.dcm")));
    let data = read_all(&tree);
    assert_eq!(data.records.len(), 41);
    let files = [
        ("no film file", 1),
        ("film file without a row in the table", 2),
    ];
    assert_eq!(left_out(&data), files);

    let training = data.records.iter().filter(|r| r.split == Split::Train);
    let positive = training.clone().filter(|r| r.mask.is_some()).count();
    let surplus = training.count() - 2 * positive;
    let balanced = balance(data, 0);
    let why = "negative training film beyond the number of positive ones";
    assert_eq!(left_out(&balanced), [files[0], files[1], (why, surplus)]);
    assert_eq!(balanced.records.len(), 41 - surplus);
    assert!(surplus > 0);
    Card::open("siim-acr.md").has_reasons(&balanced);

    table(&tree, "1.lost,-1\n");
    let error = message(&tree);
    assert!(
        error.contains("no film is left (left out: 1 no film file, 43 film file without a row"),
        "{error}"
    );
    assert!(
        error.ends_with("dicom-images-train/<study>/<series>/<ImageId>.dcm"),
        "{error}"
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
    "row 3, column 'EncodedPixels': run 1 of the run-length string ends at pixel 1048577, and the film has 1024×1024"
)]
#[case::nothing(
    "1.b,\n",
    "row 2, column 'EncodedPixels': '' is not allowed; it must be -1 for no mask, or pairs"
)]
#[case::both(
    "1.b,5 3\n1.b, -1\n",
    "row 3, column 'ImageId': the value is not allowed; it must be a film with a mask in all of its rows, or with -1 in all"
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
    let tree = tree();
    table(&tree, rows);
    let error = message(&tree);
    assert!(
        error.contains("train-rle.csv: ") && error.contains(expected),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn missing_and_repeated_files_are_named() {
    let tree = tree();
    film_file(&tree, "again/1.a.dcm");
    let error = message(&tree);
    assert!(
        error.ends_with("this folder holds two files of one film (-v names them); keep one"),
        "{error}"
    );
    let options = Options {
        split: by_rule(Rule::Patient, None, 1.0),
        ..Options::default()
    };
    let error = refusal(Siim::read(tree.root(), &options));
    assert!(error.contains("both together below 1"), "{error}");
    tree.write("train-rle.csv", "ImageId,Encoded\n");
    let error = message(&tree);
    assert!(
        error.contains("column 'EncodedPixels' is missing (did you mean 'Encoded'?)"),
        "{error}"
    );
    tree.remove("train-rle.csv");
    let error = message(&tree);
    assert!(
        error.contains("table train-rle.csv is not in this folder"),
        "{error}"
    );
}

/// The split draws films in the order of their first rows. MGCA draws rows, so that a film of
/// several rows can be in two splits.
#[test]
fn films_are_drawn_whole() {
    let tree = tree();
    let names: Vec<String> = (0..60).rev().map(|i| format!("1.n{i:02}")).collect();
    let twice = names
        .iter()
        .map(|name| format!("{name},5 3\n{name},20 1\n"));
    table(&tree, &twice.collect::<String>());
    names
        .iter()
        .for_each(|name| film_file(&tree, &format!("{name}.dcm")));
    let mgca = |seed| {
        let split = RuleOptions {
            seed,
            ..by_rule(Rule::Mgca, None, None)
        };
        let options = Options {
            split: split.into(),
            ..Options::default()
        };
        Siim::read(tree.root(), &options).unwrap()
    };
    let data = mgca(None);
    let number = |split| data.records.iter().filter(|r| r.split == split).count();
    assert_eq!(
        Split::ALL
            .iter()
            .map(|split| number(*split))
            .collect::<Vec<_>>(),
        [42, 9, 9]
    );
    let reversed = |seed| {
        let data = mgca(Some(seed));
        data.records
            .iter()
            .rev()
            .map(|r| r.split)
            .collect::<Vec<_>>()
    };
    // 60 rows as scikit-learn splits them.
    assert_eq!(
        letters(reversed(0)),
        "rrervrrvrrevrrrrrrrrrrerrrerererrvvvrrrrvererrrrrvrrrrrrrrev"
    );
    assert_ne!(reversed(0), reversed(1));
}

#[test]
fn the_card_is_right() {
    let card = Card::open("siim-acr.md");
    card.describes(&tree());
    card.has_splits(Siim::SPLITS);
}

/// A data set of these films.
fn dataset(records: Vec<Record>) -> Dataset {
    Dataset {
        name: "siim-acr".to_owned(),
        labels: vec!["Pneumothorax".to_owned()],
        records,
        left_out: Vec::new(),
        notes: Vec::new(),
    }
}

fn record(film: usize, split: Split, positive: bool) -> Record {
    let film = format!("1.{film}");
    Record {
        labels: vec![Some(f32::from(u8::from(positive)))],
        mask: if positive { mask(&[[0, 1]]) } else { None },
        ..Record::new(&film, &film, format!("{film}.dcm"), split)
    }
}

proptest! {
    #[test]
    fn balance_removes_only_surplus_negative_training_films(
        films in prop::collection::vec((0usize..3, any::<bool>()), 0..60), seed: u64
    ) {
        let films = films.iter().enumerate();
        let all: Vec<Record> = films.map(|(i, (split, positive))| record(i, Split::ALL[*split], *positive)).collect();
        let kept = balance(dataset(all.clone()), seed).records;
        let surplus = |r: &&Record| r.split == Split::Train && r.mask.is_none();
        let [there, left] = [&all, &kept].map(|records| records.iter().filter(surplus).count());
        let positive = all.iter().filter(|r| r.split == Split::Train && r.mask.is_some()).count();
        prop_assert_eq!(left, there.min(positive));
        prop_assert_eq!(all.len() - kept.len(), there - left, "all other films stay");
        let mut reversed: Vec<Record> = all.into_iter().rev().collect();
        reversed = balance(dataset(reversed), seed).records;
        reversed.reverse();
        prop_assert_eq!(reversed, kept, "the order does not matter");
    }
}

#[test]
fn another_seed_keeps_others() {
    let all: Vec<Record> = (0..200).map(|i| record(i, Split::Train, i < 20)).collect();
    let kept = |seed| balance(dataset(all.clone()), seed);
    assert_ne!(kept(0), kept(1));
}

/// The form that Kaggle distributes now: other names of table and folder, no folders of studies.
#[test]
fn the_present_form_of_kaggle_is_read() {
    let tree = Tree::new();
    tree.write(
        "stage_2_train.csv",
        "ImageId,EncodedPixels\nID_1,-1\nID_2,5 3 2 1\nID_2,20 1\n",
    );
    tree.write("stage_2_images/ID_1.dcm", "film");
    tree.image("stage_2_images/ID_2.png", 1024, 1024);
    tree.write("stage_2_images/ID_3.dcm", "a film of the test");
    let data = read_all(&tree);
    assert_eq!(ids(&data), ["ID_1", "ID_2"]);
    assert_eq!(data.records[1].mask, mask(&[[5, 3], [10, 1], [20, 1]]));
    assert_eq!(
        left_out(&data),
        [("film file without a row in the table", 1)]
    );
    table(&tree, "ID_1,-1\n");
    let error = message(&tree);
    assert!(
        error.contains("holds both train-rle.csv and stage_2_train.csv"),
        "{error}"
    );
}

/// Copies of half the size are refused, or the masks are scaled. Single odd films are left out and
/// counted.
#[test]
fn masks_of_resized_copies_are_scaled_by_an_option() {
    let tree = Tree::new();
    // The left half of the film.
    table(&tree, "1.a,-1\n1.b,0 524288\n");
    tree.image("dicom-images-train/1.a.png", 512, 512);
    tree.image("dicom-images-train/1.b.png", 512, 512);
    let error = message(&tree);
    assert!(
        error.contains("are in pixels of a film of 1024×1024 px"),
        "{error}"
    );
    let read = |annotations| {
        let options = Options {
            annotations,
            balance: true,
            ..Options::default()
        };
        Siim::read(tree.root(), &options).unwrap()
    };
    let scaled = read(AnnotationOptions {
        scale_boxes: true,
        no_boxes: false,
    });
    let positive = |data: &Dataset| {
        let record = data.records.iter().find(|record| record.film == "1.b");
        record.unwrap().clone()
    };
    let half = Mask::Runs {
        width: 512,
        height: 512,
        runs: vec![[0, 131_072]],
    };
    assert_eq!(positive(&scaled).mask, Some(half));
    let without = read(AnnotationOptions {
        scale_boxes: false,
        no_boxes: true,
    });
    assert_eq!(positive(&without).mask, None);
    assert_eq!(positive(&without).labels, [Some(1.0)]);

    let many: String = (0..150).map(|i| format!("1.m{i},5 3\n")).collect();
    table(&tree, &format!("1.b,5 3\n{many}"));
    for i in 0..150 {
        film_file(&tree, &format!("1.m{i}.dcm"));
    }
    let data = read_all(&tree);
    assert_eq!(data.records.len(), 150);
    let reason = "film of another size than its boxes or mask";
    assert!(
        left_out(&data).contains(&(reason, 1)),
        "{:?}",
        data.left_out
    );
    Card::open("siim-acr.md").has_reasons(&data);
}
