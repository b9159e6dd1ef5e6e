//! The RSNA reader on a tree written here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

use std::fs;
use std::path::{Path, PathBuf};

use mflag_data::mask::{SET, plane};
use mflag_data::rsna::{LABELS, Options, read};
use mflag_data::{BoundingBox, Dataset, Split};
use rstest::rstest;
use tempfile::TempDir;

const TARGETS: &str = "stage_2_train_labels.csv";
const CLASSES: &str = "stage_2_detailed_class_info.csv";

/// A data set's folder.
struct Tree(TempDir);

impl Tree {
    /// Films `a` (normal), `b` (two boxes), `c` (neither normal nor opacity), all whole.
    fn new() -> Tree {
        let tree = Tree(tempfile::tempdir().unwrap());
        tree.targets("a,,,,,0\nb,10.0,20.0,30.0,40.0,1\nb,1000.0,1000.0,24.0,24.0,1\nc,,,,,0\n");
        tree.classes("a,Normal\nb,Lung Opacity\nb,Lung Opacity\nc,No Lung Opacity / Not Normal\n");
        for film in ["a", "b", "c"] {
            tree.film(film);
        }
        tree
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn targets(&self, rows: &str) {
        let table = format!("patientId,x,y,width,height,Target\n{rows}");
        fs::write(self.path(TARGETS), table).unwrap();
    }

    fn classes(&self, rows: &str) {
        fs::write(self.path(CLASSES), format!("patientId,class\n{rows}")).unwrap();
    }

    fn film(&self, id: &str) {
        fs::create_dir_all(self.path("stage_2_train_images")).unwrap();
        fs::write(self.file(id), b"film").unwrap();
    }

    fn file(&self, id: &str) -> PathBuf {
        self.path(&format!("stage_2_train_images/{id}.dcm"))
    }

    /// Options with a list of these rows.
    fn list(&self, rows: &str) -> Options {
        let list = self.path("splits.csv");
        fs::write(&list, format!("patientId,split\n{rows}")).unwrap();
        Options {
            list: Some(list),
            ..Options::default()
        }
    }

    fn read(&self) -> Dataset {
        read(self.root(), &Options::default()).unwrap()
    }

    fn message(&self) -> String {
        message(self, &Options::default())
    }
}

fn message(tree: &Tree, options: &Options) -> String {
    read(tree.root(), options).unwrap_err().to_string()
}

fn ids(data: &Dataset) -> Vec<&str> {
    data.records.iter().map(|r| r.film.as_str()).collect()
}

fn dropped(data: &Dataset) -> Vec<(&str, usize)> {
    let counts = data.dropped.iter();
    counts.map(|(why, n)| (why.as_str(), *n)).collect()
}

#[test]
fn films_come_with_all_that_is_known() {
    let tree = Tree::new();
    let data = tree.read();
    assert_eq!(data.name, "rsna-pneumonia");
    assert_eq!(data.labels, LABELS);
    assert_eq!(ids(&data), ["a", "b", "c"]);
    assert!(data.dropped.is_empty());
    let [a, b, c] = &data.records[..] else {
        panic!()
    };
    assert_eq!((a.patient.as_str(), a.study.as_str()), ("a", "a"));
    assert_eq!(a.path, tree.file("a"));
    assert_eq!((&a.text, &b.mask), (&None, &None));
    let bounding_box = |x, y, width, height| BoundingBox {
        label: "Lung Opacity".to_owned(),
        x,
        y,
        width,
        height,
    };
    let expected = [
        bounding_box(10.0, 20.0, 30.0, 40.0),
        bounding_box(1000.0, 1000.0, 24.0, 24.0),
    ];
    assert_eq!(b.boxes, expected);
    assert!(a.boxes.is_empty() && c.boxes.is_empty());
    assert_eq!(a.labels, [0.0, 0.0, 1.0].map(Some));
    assert_eq!(b.labels, [1.0, 0.0, 0.0].map(Some));
    assert_eq!(c.labels, [0.0, 1.0, 0.0].map(Some));
}

#[test]
fn without_the_class_table_negatives_are_of_no_class() {
    let tree = Tree::new();
    fs::remove_file(tree.path(CLASSES)).unwrap();
    let data = tree.read();
    assert_eq!(data.records[0].labels, [Some(0.0), None, None]);
    assert_eq!(data.records[1].labels, [1.0, 0.0, 0.0].map(Some));
    // So is a film that the table lacks; films that the other table lacks do not count.
    tree.classes("c,Normal\nz,Normal\n");
    let data = tree.read();
    assert_eq!(data.records[0].labels, [Some(0.0), None, None]);
    assert_eq!(data.records[2].labels, [0.0, 0.0, 1.0].map(Some));
    assert_eq!(data.records.len(), 3);
}

#[test]
fn boxes_become_masks_where_asked() {
    let tree = Tree::new();
    let options = Options {
        masks: true,
        ..Options::default()
    };
    let data = read(tree.root(), &options).unwrap();
    assert_eq!([0, 2].map(|i| &data.records[i].mask), [&None, &None]);
    let drawn = plane(data.records[1].mask.as_ref().unwrap(), 1024, 1024).unwrap();
    let set = drawn.pixels.iter().filter(|p| **p == SET).count();
    assert_eq!(set, 30 * 40 + 24 * 24);
    let at = |x: usize, y: usize| drawn.pixels[y * 1024 + x] == SET;
    let corners = [at(10, 20), at(39, 59), at(1000, 1000), at(1023, 1023)];
    let outside = [at(9, 20), at(40, 59), at(10, 19), at(39, 60), at(999, 1000)];
    assert!(corners == [true; 4] && outside == [false; 5]);
}

#[test]
fn every_reason_is_counted() {
    let tree = Tree::new();
    let options = tree.list("a,train\nb,test\nelsewhere,train\n");
    fs::remove_file(tree.file("b")).unwrap();
    let data = read(tree.root(), &options).unwrap();
    assert_eq!(ids(&data), ["a"]);
    let expected = [("not in the list of splits", 1), ("no film file", 1)];
    assert_eq!(dropped(&data), expected);
    fs::remove_dir_all(tree.path("stage_2_train_images")).unwrap();
    let told = tree.message();
    assert!(
        told.contains("no film is left (left out: 3 no film file)"),
        "{told}"
    );
    assert!(
        told.ends_with("stage_2_train_images/<patientId>.dcm"),
        "{told}"
    );
}

#[test]
fn a_list_gives_the_splits() {
    let tree = Tree::new();
    let options = tree.list("c,train\nb,validate\na,test\na,test\n");
    let data = read(tree.root(), &options).unwrap();
    let splits: Vec<Split> = data.records.iter().map(|r| r.split).collect();
    assert_eq!(splits, [Split::Test, Split::Validate, Split::Train]);
}

/// Of 3,000 films: the shares to three standard deviations, the same every time, others by another seed.
#[test]
fn patients_are_split_by_hash() {
    let tree = Tree::new();
    let names: Vec<String> = (0..3000).map(|i| format!("film-{i}")).collect();
    tree.targets(
        &names
            .iter()
            .map(|n| format!("{n},,,,,0\n"))
            .collect::<String>(),
    );
    names.iter().for_each(|name| tree.film(name));
    let splits = |seed| {
        let options = Options {
            seed,
            ..Options::default()
        };
        let data = read(tree.root(), &options).unwrap();
        data.records.iter().map(|r| r.split).collect::<Vec<_>>()
    };
    let first = splits(0);
    let share = |split| first.iter().filter(|s| **s == split).count() as f64 / 3000.0;
    for (split, expected) in Split::ALL.into_iter().zip([0.6, 0.2, 0.2]) {
        assert!(
            (share(split) - expected).abs() < 0.03,
            "{split:?}: {}",
            share(split)
        );
    }
    assert_eq!(first, splits(0));
    assert_ne!(first, splits(1));
}

#[rstest]
#[case::target(
    "a,,,,,2\n",
    "row 2, column 'Target': '2' is not allowed; it must be 0 or 1"
)]
#[case::no_box(
    "a,,,,,1\n",
    "row 2, column 'x': '' is not allowed; it must be a number"
)]
#[case::half_a_box("a,1,2,3,,1\n", "row 2, column 'height': '' is not allowed")]
#[case::negative_with_box(
    "a,,,3,,0\n",
    "column 'width': '3' is not allowed; it must be empty, as Target is 0"
)]
#[case::before(
    "a,-1,2,3,4,1\n",
    "column 'x': '-1' is not allowed; it must be 0 or more"
)]
#[case::empty_box(
    "a,1,2,3,0,1\n",
    "column 'height': '0' is not allowed; it must be above 0"
)]
#[case::beyond(
    "a,1000,2,30,4,1\n",
    "column 'width': '30' is not allowed; it must be above 0, and at most 1024 with x = 1000"
)]
#[case::endless("a,1,2,inf,4,1\n", "column 'width': 'inf' is not allowed")]
#[case::both(
    "a,,,,,0\na,1,2,3,4,1\n",
    "row 3, column 'Target': '1' is not allowed; it must be 0, as in the film's earlier row"
)]
#[case::both_reversed(
    "a,1,2,3,4,1\na,,,,,0\n",
    "row 3, column 'Target': '0' is not allowed; it must be 1"
)]
#[case::twice(
    "a,1,2,3,4,1\na,1,2,3,4,1\n",
    "row 3, column 'patientId': the value is not allowed; it must be there once with the same box"
)]
#[case::way_out(
    "../secret,,,,,0\n",
    "row 2, column 'patientId': the value is not allowed"
)]
fn a_bad_target_is_explained(#[case] rows: &str, #[case] expected: &str) {
    let tree = Tree::new();
    tree.targets(rows);
    let told = tree.message();
    assert!(told.contains(&format!("{TARGETS}: ")), "{told}");
    assert!(told.contains(expected), "{told}");
    assert!(!told.contains("secret"), "{told}");
}

#[rstest]
#[case::unknown(
    "a,normal\n",
    "'normal' is not allowed; it must be one of the three classes (did you mean 'Normal'?)"
)]
#[case::two(
    "a,Normal\na,No Lung Opacity / Not Normal\n",
    "row 3, column 'class': 'No Lung Opacity / Not Normal' is not allowed; it must be 'Normal', as"
)]
#[case::boxes(
    "b,Normal\n",
    "'Normal' is not allowed; it must be 'Lung Opacity', as the film has boxes in stage_2_train_labels.csv"
)]
#[case::no_boxes(
    "a,Lung Opacity\n",
    "'Lung Opacity' is not allowed; it must be another class, as the film has no boxes in stage_2_train_labels.csv"
)]
fn a_bad_class_is_explained(#[case] rows: &str, #[case] expected: &str) {
    let tree = Tree::new();
    tree.classes(rows);
    let told = tree.message();
    assert!(told.contains(&format!("{CLASSES}: ")), "{told}");
    assert!(told.contains(expected), "{told}");
}

#[rstest]
#[case::unknown(
    "a,val\n",
    "row 2, column 'split': 'val' is not allowed; it must be train, validate or test (did you mean 'validate'?)"
)]
#[case::two(
    "a,train\na,test\n",
    "row 3, column 'split': 'test' is not allowed; it must be train, as in the film's earlier row"
)]
fn a_bad_list_is_explained(#[case] rows: &str, #[case] expected: &str) {
    let tree = Tree::new();
    let told = message(&tree, &tree.list(rows));
    assert!(
        told.contains("splits.csv: ") && told.contains(expected),
        "{told}"
    );
}

#[test]
fn what_is_missing_is_named() {
    let tree = Tree::new();
    let options = Options {
        list: Some(tree.path("none.csv")),
        ..Options::default()
    };
    let told = message(&tree, &options);
    assert!(
        told.starts_with("cannot read ") && told.contains("none.csv"),
        "{told}"
    );
    let options = Options {
        validate: 0.6,
        test: 0.4,
        ..Options::default()
    };
    assert!(message(&tree, &options).contains("both together below 1"));
    fs::write(tree.path(TARGETS), "patientId,x,y,width,height,target\n").unwrap();
    let told = tree.message();
    assert!(
        told.ends_with("column 'Target' is missing (did you mean 'target'?)"),
        "{told}"
    );
    fs::remove_file(tree.path(TARGETS)).unwrap();
    let told = tree.message();
    assert!(
        told.contains("table stage_2_train_labels.csv is not in this folder"),
        "{told}"
    );
}
