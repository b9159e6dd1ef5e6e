//! Tests of the Object-CXR reader.
use mflag_datasets::Reader;
use mflag_datasets::readers::object_cxr::{LABELS, ObjectCxr, Options};
use mflag_datasets::split::Rule;
use mflag_store::{Dataset, Split};
use rstest::rstest;

use crate::toy::{Card, Tree, by_rule, films, left_out, refusal};

const HEADER: &str = "image_name,annotation\n";

fn tree() -> Tree {
    let tree = Tree::new();
    let shapes = "0 1 2 11 22;1 30 40 20 10;2 5 5 9 7 6 12";
    tree.write("train.csv", format!("{HEADER}a.jpg,{shapes}\nb.jpg,\n"));
    tree.write("dev.csv", format!("{HEADER}c.jpg,0 1 1 2 2\n"));
    for film in ["train/a.jpg", "train/b.jpg", "dev/c.jpg"] {
        tree.image(film, 64, 48);
    }
    tree
}

fn mgca(validate: f64) -> Options {
    let split = by_rule(Rule::Mgca, validate, None);
    Options {
        split,
        ..Options::default()
    }
}

fn read_all(tree: &Tree) -> Dataset {
    ObjectCxr::read(tree.root(), &mgca(0.0)).unwrap()
}

#[test]
fn a_list_may_name_films_of_the_test_set() {
    let tree = tree();
    tree.write("test.csv", format!("{HEADER}d.jpg,\n"));
    tree.image("test/d.jpg", 64, 48);
    let list = "film,split\ntrain/a.jpg,train\ndev/c.jpg,validate\ntest/d.jpg,test\n";
    tree.write("list.csv", list);
    let mut options = mgca(0.0);
    options.split.list = Some(tree.root().join("list.csv"));
    let data = ObjectCxr::read(tree.root(), &options).unwrap();
    let expected = [
        ("dev/c.jpg", Split::Validate),
        ("test/d.jpg", Split::Test),
        ("train/a.jpg", Split::Train),
    ];
    assert_eq!(films(&data), expected);
}

fn message(tree: &Tree) -> String {
    refusal(ObjectCxr::read(tree.root(), &Options::default()))
}

#[test]
fn films_have_the_documented_fields() {
    let tree = tree();
    let data = read_all(&tree);
    assert_eq!(
        (data.name.as_str(), &data.labels[..]),
        ("object-cxr", &LABELS.map(str::to_owned)[..])
    );
    let expected = [
        ("dev/c.jpg", Split::Test),
        ("train/a.jpg", Split::Train),
        ("train/b.jpg", Split::Train),
    ];
    assert_eq!(films(&data), expected);
    assert!(data.left_out.is_empty());
    let labels: Vec<Option<f32>> = data.records.iter().map(|r| r.labels[0]).collect();
    assert_eq!(labels, [Some(1.0), Some(1.0), Some(0.0)]);
    let boxes = data.records[1].boxes.iter();
    let boxes: Vec<[f64; 4]> = boxes.map(|b| [b.x, b.y, b.width, b.height]).collect();
    let expected = [
        [1.0, 2.0, 10.0, 20.0],
        [20.0, 10.0, 10.0, 30.0],
        [5.0, 5.0, 4.0, 7.0],
    ];
    assert_eq!(
        boxes, expected,
        "rectangle, ellipse with swapped corners, polygon"
    );
}

#[test]
fn each_rule_has_its_splits() {
    let tree = tree();
    let release = Options {
        split: by_rule(Rule::Official, None, None),
        ..Options::default()
    };
    let error = refusal(ObjectCxr::read(tree.root(), &release));
    assert!(
        error.contains("table test.csv is not in this folder"),
        "{error}"
    );
    tree.write("test.csv", format!("{HEADER}d.jpg,\n"));
    tree.image("test/d.jpg", 64, 48);
    let data = ObjectCxr::read(tree.root(), &release).unwrap();
    let expected = [
        ("dev/c.jpg", Split::Validate),
        ("test/d.jpg", Split::Test),
        ("train/a.jpg", Split::Train),
        ("train/b.jpg", Split::Train),
    ];
    assert_eq!(films(&data), expected);

    assert_eq!(
        read_all(&tree).records.len(),
        3,
        "MGCA does not read the part test"
    );
    let data = ObjectCxr::read(tree.root(), &mgca(0.999_999)).unwrap();
    let splits: Vec<Split> = data.records.iter().map(|r| r.split).collect();
    assert_eq!(splits, [Split::Test, Split::Validate, Split::Validate]);

    let card = Card::open("object-cxr.md");
    card.describes(&tree);
    card.has_splits(ObjectCxr::SPLITS);
}

#[test]
fn every_reason_is_counted() {
    let tree = tree();
    tree.write("train.csv", format!("{HEADER}a.jpg,\na.jpg,\ngone.jpg,\n"));
    let data = read_all(&tree);
    assert_eq!(left_out(&data), [("duplicate row", 1), ("no film file", 1)]);
    Card::open("object-cxr.md").has_reasons(&data);
    tree.remove("train/a.jpg");
    tree.remove("dev/c.jpg");
    assert!(
        message(&tree).contains("no film is left"),
        "{}",
        message(&tree)
    );
    tree.remove("train.csv");
    assert!(
        message(&tree).contains("table train.csv is not in this folder"),
        "{}",
        message(&tree)
    );
}

#[rstest]
#[case::kind("3 1 2 3 4")]
#[case::few("0 1 2 3")]
#[case::many("1 1 2 3 4 5")]
#[case::two_points("2 1 2 3 4")]
#[case::odd("2 1 2 3 4 5 6 7")]
#[case::word("0 1 2 3 x")]
#[case::infinite("0 1 2 3 inf")]
#[case::no_area("0 1 2 1 4")]
#[case::nothing("0")]
fn a_bad_shape_is_explained(#[case] shape: &str) {
    let tree = tree();
    tree.write(
        "train.csv",
        format!("{HEADER}b.jpg,\na.jpg,0 1 2 3 4;{shape}\n"),
    );
    let error = message(&tree);
    assert!(
        error.contains("train.csv: row 3, column 'annotation'"),
        "{error}"
    );
    assert!(
        error.ends_with(&format!("the wrong shape is '{shape}'")),
        "{error}"
    );
}

#[test]
fn resized_films_and_strange_names_are_refused() {
    let tree = tree();
    tree.write("train.csv", format!("{HEADER}a.jpg,0 1 2 300 4\n"));
    assert!(
        message(&tree)
            .contains("the first such film has 64×48 px, and its boxes reach beyond the edge"),
        "{}",
        message(&tree)
    );
    tree.write("train.csv", format!("{HEADER}../a.jpg,\n"));
    assert!(
        message(&tree).contains("row 2, column 'image_name': the value is not allowed"),
        "{}",
        message(&tree)
    );
    tree.write("train.csv", "image,annotation\n");
    assert!(
        message(&tree).contains("column 'image_name' is missing"),
        "{}",
        message(&tree)
    );
}
