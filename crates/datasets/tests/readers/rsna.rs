//! Tests of the RSNA reader.
use mflag_core::Named;
use mflag_datasets::Reader;
use mflag_datasets::readers::rsna::{LABELS, Options, Rsna};
use mflag_datasets::split::{Rule, RuleOptions};
use mflag_store::{BoundingBox, Dataset, Split};
use rstest::rstest;

use crate::toy::{Card, Tree, by_rule, ids, left_out, letters, refusal};

const TARGETS: &str = "stage_2_train_labels.csv";
const CLASSES: &str = "stage_2_detailed_class_info.csv";

/// Films `a` (normal), `b` (two boxes) and `c` (neither normal nor opacity).
fn tree() -> Tree {
    let tree = Tree::new();
    targets(
        &tree,
        "a,,,,,0\nb,10.0,20.0,30.0,40.0,1\nb,1000.0,1000.0,24.0,24.0,1\nc,,,,,0\n",
    );
    let rows = "a,Normal\nb,Lung Opacity\nb,Lung Opacity\nc,No Lung Opacity / Not Normal\n";
    classes(&tree, rows);
    for film in ["a", "b", "c"] {
        tree.write(&file(film), "film");
    }
    tree
}

fn targets(tree: &Tree, rows: &str) {
    let table = format!("patientId,x,y,width,height,Target\n{rows}");
    tree.write(TARGETS, table);
}

fn classes(tree: &Tree, rows: &str) {
    tree.write(CLASSES, format!("patientId,class\n{rows}"));
}

fn file(id: &str) -> String {
    format!("stage_2_train_images/{id}.dcm")
}

fn read_all(tree: &Tree) -> Dataset {
    Rsna::read(tree.root(), &Options::default()).unwrap()
}

fn message(tree: &Tree) -> String {
    refusal(Rsna::read(tree.root(), &Options::default()))
}

#[test]
fn films_have_the_documented_fields() {
    let tree = tree();
    let data = read_all(&tree);
    assert_eq!(data.name, "rsna-pneumonia");
    assert_eq!(data.labels, LABELS);
    assert_eq!(ids(&data), ["a", "b", "c"]);
    assert!(data.left_out.is_empty());
    let [a, b, c] = &data.records[..] else {
        panic!()
    };
    assert_eq!((a.patient.as_str(), a.study.as_str()), ("a", "a"));
    assert_eq!(a.path, tree.path(&file("a")));
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
fn without_the_class_table_the_class_of_negatives_is_unknown() {
    let tree = tree();
    tree.remove(CLASSES);
    let data = read_all(&tree);
    assert_eq!(data.records[0].labels, [Some(0.0), None, None]);
    assert_eq!(data.records[1].labels, [1.0, 0.0, 0.0].map(Some));
    // The class of a film that is not in the class table is unknown. A film that is only in the
    // class table is not read.
    classes(&tree, "c,Normal\nz,Normal\n");
    let data = read_all(&tree);
    assert_eq!(data.records[0].labels, [Some(0.0), None, None]);
    assert_eq!(data.records[2].labels, [0.0, 0.0, 1.0].map(Some));
    assert_eq!(data.records.len(), 3);
}

#[test]
fn a_missing_film_is_counted() {
    let tree = tree();
    tree.remove(&file("b"));
    let data = read_all(&tree);
    assert_eq!(ids(&data), ["a", "c"]);
    assert_eq!(left_out(&data), [("no film file", 1)]);
    Card::open("rsna-pneumonia.md").has_reasons(&data);
    for film in ["a", "c"] {
        tree.remove(&file(film));
    }
    let error = message(&tree);
    assert!(
        error.contains("no film is left (left out: 3 no film file)"),
        "{error}"
    );
    assert!(
        error.ends_with("stage_2_train_images/<patientId>.dcm"),
        "{error}"
    );
}

#[test]
fn the_card_is_right() {
    let card = Card::open("rsna-pneumonia.md");
    card.describes(&tree());
    card.has_splits(Rsna::SPLITS);
}

/// Of 3,000 films, the hash gives the parts within three standard deviations, and the draw of MGCA
/// gives them exactly.
#[test]
fn patients_are_split_by_hash_or_drawn() {
    let tree = tree();
    // The draw uses sorted identifiers, so the order of the rows does not matter.
    let names: Vec<String> = (0..3000)
        .map(|i| format!("film-{:04}", i * 7 % 3000))
        .collect();
    let rows = names.iter().map(|n| format!("{n},,,,,0\n"));
    targets(&tree, &rows.collect::<String>());
    names
        .iter()
        .for_each(|name| tree.write(&file(name), "film"));
    let splits = |rule, seed| {
        let split = RuleOptions {
            seed: Some(seed),
            ..by_rule(rule, None, None)
        };
        let options = Options {
            split: split.into(),
            ..Options::default()
        };
        let data = Rsna::read(tree.root(), &options).unwrap();
        data.records.iter().map(|r| r.split).collect::<Vec<_>>()
    };
    let share = |splits: &[Split], split| {
        let films = splits.iter().filter(|s| **s == split).count();
        films as f64 / 3000.0
    };
    for (rule, tolerance) in [(Rule::Patient, 0.03), (Rule::Mgca, 0.0)] {
        let first = splits(rule, 0);
        for (split, expected) in Split::ALL.iter().copied().zip([0.6, 0.2, 0.2]) {
            let found = share(&first, split);
            assert!(
                (found - expected).abs() <= tolerance,
                "{rule:?} {split:?}: {found}"
            );
        }
        assert_eq!(first, splits(rule, 0));
        assert_ne!(first, splits(rule, 1));
    }
    // The first of 3,000 rows as scikit-learn splits them (tests/oracle/splits.py checks other
    // numbers).
    assert_eq!(
        letters(splits(Rule::Mgca, 0).into_iter().take(24)),
        "rvrrvrvrrveerrevrevrvree"
    );
    let split = RuleOptions {
        seed: Some(1 << 32),
        ..RuleOptions::default()
    };
    let split = split.into();
    let error = refusal(Rsna::read(
        tree.root(),
        &Options {
            split,
            ..Options::default()
        },
    ));
    assert!(error.contains("needs a seed below 2^32"), "{error}");
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
    "row 3, column 'patientId': the value is not allowed; it must be a film that no earlier row lists with the same box"
)]
#[case::way_out(
    "../secret,,,,,0\n",
    "row 2, column 'patientId': the value is not allowed"
)]
fn a_bad_target_is_explained(#[case] rows: &str, #[case] expected: &str) {
    let tree = tree();
    targets(&tree, rows);
    let error = message(&tree);
    assert!(error.contains(&format!("{TARGETS}: ")), "{error}");
    assert!(error.contains(expected), "{error}");
    assert!(!error.contains("secret"), "{error}");
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
    let tree = tree();
    classes(&tree, rows);
    let error = message(&tree);
    assert!(error.contains(&format!("{CLASSES}: ")), "{error}");
    assert!(error.contains(expected), "{error}");
}

#[test]
fn wrong_parts_and_missing_columns_are_named() {
    let tree = tree();
    let options = Options {
        split: by_rule(Rule::Patient, 0.6, 0.4),
        ..Options::default()
    };
    let parts = refusal(Rsna::read(tree.root(), &options));
    assert!(parts.contains("both together below 1"), "{parts}");
    tree.write(TARGETS, "patientId,x,y,width,height,target\n");
    let error = message(&tree);
    assert!(
        error.ends_with("column 'Target' is missing (did you mean 'target'?)"),
        "{error}"
    );
    tree.remove(TARGETS);
    let error = message(&tree);
    assert!(
        error.contains("table stage_2_train_labels.csv is not in this folder"),
        "{error}"
    );
}

/// Programs that join tables write `nan` into empty cells, and decimals beside them. Copies are
/// often PNGs.
#[test]
fn tables_of_joins_and_copies_as_png_are_read() {
    let tree = tree();
    let expected = read_all(&tree);
    let targets = std::fs::read_to_string(tree.path(TARGETS)).unwrap();
    let joined = targets
        .replace(",,,,,0", ",nan,NaN,nan,nan,0.0")
        .replace(",1\n", ",1.0\n");
    assert_ne!(joined, targets);
    tree.write(TARGETS, joined);
    assert_eq!(read_all(&tree), expected);

    for film in ["a", "b", "c"] {
        tree.remove(&file(film));
        tree.image(&format!("stage_2_train_images/{film}.png"), 1024, 1024);
    }
    let data = read_all(&tree);
    assert_eq!(data.records[1].boxes, expected.records[1].boxes);
    assert!(data.records.iter().all(|r| r.path.is_file()));
}
