//! Tests of the CheXpert reader.
use mflag_datasets::Reader;
use mflag_datasets::readers::chexpert::{Chexpert, Options};
use mflag_datasets::readers::mimic::LABELS;
use mflag_datasets::split::Rule;
use mflag_store::{Dataset, Split};
use rstest::rstest;

use crate::toy::{Card, Tree, by_rule, films, left_out, refusal};

/// The header of the release.
const HEADER: &str = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,\
    Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices";
const SMALL: &str = "CheXpert-v1.0-small";

fn row(folder: &str, film: &str, view: &str, labels: &str) -> String {
    format!("{folder}/{film},Unknown,68,{view},AP,{labels}\n")
}

/// Writes a release into `folder` of the tree.
fn release(tree: &Tree, folder: &str) {
    let train = [
        row(
            folder,
            "train/patient00001/study1/view1_frontal.jpg",
            "Frontal",
            "1.0,,,,,,,,,0.0,,,,1.0",
        ),
        row(
            folder,
            "train/patient00001/study1/view2_lateral.jpg",
            "Lateral",
            ",,,,,,,,,,,,,",
        ),
        row(
            folder,
            "train/patient00002/study7/view1_frontal.jpg",
            "Frontal",
            ",,,,,-1.0,0,1,,,,,,",
        ),
    ];
    let valid = row(
        folder,
        "valid/patient64541/study1/view1_frontal.jpg",
        "Frontal",
        "0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0",
    );
    tree.write(
        &format!("{folder}/train.csv"),
        format!("{HEADER}\n{}", train.concat()),
    );
    tree.write(&format!("{folder}/valid.csv"), format!("{HEADER}\n{valid}"));
    for film in [
        "train/patient00001/study1/view1_frontal.jpg",
        "train/patient00002/study7/view1_frontal.jpg",
        "valid/patient64541/study1/view1_frontal.jpg",
    ] {
        tree.write(&format!("{folder}/{film}"), "film");
    }
}

fn tree() -> Tree {
    let tree = Tree::new();
    release(&tree, SMALL);
    tree
}

fn all_train(root: &std::path::Path) -> mflag_store::Result<Dataset> {
    let split = by_rule(Rule::Official, 0.0, None);
    Chexpert::read(root, &Options { split })
}

fn message(tree: &Tree) -> String {
    refusal(Chexpert::read(tree.root(), &Options::default()))
}

#[test]
fn films_have_the_documented_fields() {
    let tree = tree();
    let data = all_train(tree.root()).unwrap();
    assert_eq!(
        (data.name.as_str(), &data.labels[..]),
        ("chexpert", &LABELS.map(str::to_owned)[..])
    );
    let expected = [
        ("patient00001/study1/view1_frontal.jpg", Split::Train),
        ("patient00002/study7/view1_frontal.jpg", Split::Train),
        ("patient64541/study1/view1_frontal.jpg", Split::Test),
    ];
    assert_eq!(films(&data), expected);
    assert_eq!(left_out(&data), [("not a frontal view", 1)]);
    let of = |film: usize, label: &str| {
        data.records[film].labels[LABELS.iter().position(|l| *l == label).unwrap()]
    };
    assert_eq!(
        [
            of(0, "No Finding"),
            of(0, "Pneumothorax"),
            of(0, "Support Devices")
        ],
        [Some(1.0), Some(0.0), Some(1.0)]
    );
    assert_eq!(
        [
            of(0, "Edema"),
            of(1, "Edema"),
            of(1, "Consolidation"),
            of(1, "Pneumonia")
        ],
        [None, Some(-1.0), Some(0.0), Some(1.0)]
    );
    let first = &data.records[0];
    assert_eq!(
        (first.patient.as_str(), first.study.as_str()),
        ("patient00001", "patient00001/study1")
    );
    assert!(
        data.records
            .iter()
            .all(|r| r.path.is_file() && r.text.is_none())
    );
}

#[test]
fn the_root_is_the_release_or_holds_it() {
    let tree = tree();
    let expected = all_train(tree.root()).unwrap();
    assert_eq!(all_train(&tree.path(SMALL)).unwrap(), expected);

    release(&tree, "CheXpert-v1.0");
    assert!(
        message(&tree)
            .contains("holds both CheXpert-v1.0 and CheXpert-v1.0-small; give the folder of one")
    );
    let full = all_train(&tree.path("CheXpert-v1.0")).unwrap();
    assert_eq!(films(&full), films(&expected));
    assert!(full.records[0].path.starts_with(tree.path("CheXpert-v1.0")));

    let empty = Tree::new();
    assert!(
        message(&empty).contains("holds neither a table train.csv nor a folder"),
        "{}",
        message(&empty)
    );
    empty.write("CheXpert-v1.0/train.csv", HEADER);
    assert!(
        message(&empty).starts_with("cannot read"),
        "{}",
        message(&empty)
    );
}

#[test]
fn every_reason_is_counted() {
    let tree = tree();
    let one = row(
        SMALL,
        "train/patient00001/study1/view1_frontal.jpg",
        "Frontal",
        ",,,,,,,,,,,,,",
    );
    let gone = row(
        SMALL,
        "train/patient00009/study1/view1_frontal.jpg",
        "Frontal",
        ",,,,,,,,,,,,,",
    );
    let side = row(
        SMALL,
        "train/patient00001/study1/view2_lateral.jpg",
        "Lateral",
        ",,,,,,,,,,,,,",
    );
    tree.write(
        &format!("{SMALL}/train.csv"),
        format!("{HEADER}\n{one}{gone}{side}{one}"),
    );
    let data = all_train(tree.root()).unwrap();
    let expected = [
        ("not a frontal view", 1),
        ("duplicate row", 1),
        ("no film file", 1),
    ];
    assert_eq!(left_out(&data), expected);
    Card::open("chexpert.md").has_reasons(&data);
    for film in ["train/patient00001", "valid/patient64541"] {
        tree.remove(&format!("{SMALL}/{film}/study1/view1_frontal.jpg"));
    }
    let error = message(&tree);
    assert!(
        error.contains("no film is left") && error.contains("3 no film file"),
        "{error}"
    );
}

#[test]
fn validation_patients_are_chosen_by_hash() {
    let tree = Tree::new();
    let rows: String = (0..400)
        .map(|i| {
            let film = format!("train/patient{:05}/study{}/view1_frontal.jpg", i / 2, i % 2);
            tree.write(&format!("{SMALL}/{film}"), "film");
            row(SMALL, &film, "Frontal", ",,,,,,,,,,,,,")
        })
        .collect();
    tree.write(&format!("{SMALL}/train.csv"), format!("{HEADER}\n{rows}"));
    tree.write(&format!("{SMALL}/valid.csv"), HEADER);
    let split = by_rule(Rule::Official, 0.25, None);
    let data = Chexpert::read(tree.root(), &Options { split }).unwrap();
    let validate = data.records.iter().filter(|r| r.split == Split::Validate);
    let number = validate.count();
    assert!((60..140).contains(&number), "{number}");
    for two in data.records.chunks(2) {
        assert_eq!(
            (&two[0].patient, two[0].split),
            (&two[1].patient, two[1].split)
        );
    }
    let split = by_rule(Rule::Official, 1.0, None);
    let error = refusal(Chexpert::read(tree.root(), &Options { split }));
    assert!(error.contains("the parts 1 for validation"), "{error}");

    // MGCA draws single films: their number is exact, and a patient can be in two splits.
    let split = by_rule(Rule::Mgca, 0.25, None);
    let data = Chexpert::read(tree.root(), &Options { split }).unwrap();
    let validate = data.records.iter().filter(|r| r.split == Split::Validate);
    assert_eq!(validate.count(), 100);
    let mut patients = data.records.chunks(2);
    assert!(patients.any(|two| two[0].split != two[1].split));
}

#[test]
fn each_rule_chooses_other_test_films() {
    let tree = tree();
    let splits = |split| {
        let data = Chexpert::read(tree.root(), &Options { split }).unwrap();
        films(&data)
            .iter()
            .map(|(_, split)| *split)
            .collect::<Vec<_>>()
    };
    let (train, test) = (Split::Train, Split::Test);
    assert_eq!(
        splits(by_rule(Rule::Official, 0.0, None)),
        [train, train, test]
    );
    assert_eq!(splits(by_rule(Rule::Mgca, 0.0, None)), [train, train, test]);
    assert_eq!(splits(by_rule(Rule::Patient, 0.0, 0.0)), [train; 3]);
    assert_eq!(splits(by_rule(Rule::Patient, 0.0, 0.999_999)), [test; 3]);
}

#[test]
fn the_card_is_right() {
    let tree = Tree::new();
    release(&tree, ".");
    let card = Card::open("chexpert.md");
    card.describes(&tree);
    card.has_splits(Chexpert::SPLITS);
}

#[rstest]
#[case::view(
    "CheXpert-v1.0-small/train/p1/study1/a.jpg,F,1,Oblique,AP",
    "row 2, column 'Frontal/Lateral': 'Oblique' is not allowed; it must be Frontal or Lateral"
)]
#[case::path(
    "CheXpert-v1.0-small/train/../study1/a.jpg,F,1,Frontal,AP",
    "row 2, column 'Path': the value is not allowed; it must be CheXpert-v1.0/train/<patient>/<study>/<file>.jpg"
)]
#[case::part(
    "CheXpert-v1.0-small/valid/p1/study1/a.jpg,F,1,Frontal,AP",
    "row 2, column 'Path'"
)]
#[case::pieces("a.jpg,F,1,Frontal,AP", "row 2, column 'Path'")]
fn a_bad_row_is_explained(#[case] row: &str, #[case] expected: &str) {
    let tree = tree();
    tree.write(
        &format!("{SMALL}/train.csv"),
        format!("{HEADER}\n{row},,,,,,,,,,,,,,\n"),
    );
    assert!(message(&tree).contains(expected), "{}", message(&tree));
}

#[test]
fn bad_labels_and_columns_are_named() {
    let tree = tree();
    let bad = row(SMALL, "train/p1/study1/a.jpg", "Frontal", "2,,,,,,,,,,,,,");
    tree.write(&format!("{SMALL}/train.csv"), format!("{HEADER}\n{bad}"));
    let expected =
        "row 2, column 'No Finding': '2' is not allowed; it must be 1, 0, -1 (uncertain) or empty";
    assert!(message(&tree).ends_with(expected), "{}", message(&tree));
    tree.write(
        &format!("{SMALL}/train.csv"),
        HEADER.replace("Edema", "Oedema"),
    );
    assert!(
        message(&tree).contains("column 'Edema' is missing (did you mean 'Oedema'?)"),
        "{}",
        message(&tree)
    );
}

/// Prints the time for a table of the real size:
/// `cargo test --release -p mflag-datasets --test readers -- chexpert --ignored --nocapture`.
#[test]
#[ignore = "writes 223,000 small files"]
fn a_large_data_set_is_read_in_seconds() {
    let tree = Tree::new();
    let mut table = format!("{HEADER}\n");
    for i in 0..223_414 {
        let film = format!("train/patient{:05}/study{}/view1_frontal.jpg", i / 4, i % 4);
        tree.write(&format!("{SMALL}/{film}"), "");
        table += &row(SMALL, &film, "Frontal", "1.0,,,,,-1.0,,,,0.0,,,,1.0");
    }
    tree.write(&format!("{SMALL}/train.csv"), &table);
    tree.write(&format!("{SMALL}/valid.csv"), HEADER);
    let begin = std::time::Instant::now();
    let data = Chexpert::read(tree.root(), &Options::default()).unwrap();
    println!(
        "{} films in {:.1} s",
        data.records.len(),
        begin.elapsed().as_secs_f64()
    );
}
