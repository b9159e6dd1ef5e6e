//! Tests of the VinDr-CXR reader.
use mflag_datasets::readers::vindr::{LABELS, Options, Vindr};
use mflag_datasets::split::Rule;
use mflag_datasets::{AnnotationOptions, Reader};
use mflag_store::{BoundingBox, Dataset, Split};
use rstest::rstest;

use crate::toy::{Card, Tree, by_rule, films, left_out, refusal};

const HEADER: &str = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n";

/// Film `a` has a nodule that two radiologists found and a calcification that another found. Film
/// `b` has no finding.
fn tree() -> Tree {
    let tree = Tree::new();
    tree.write(
        "train.csv",
        format!(
            "{HEADER}a,Nodule/Mass,8,R9,1,2,11,22\nb,No finding,14,R1,,,,\na,Nodule/Mass,8,R8,2.5,2,11,21\n\
             a,Calcification,2,R10,3,4,5,6\nb,No finding,14,R2,,,,\nb,No finding,14,R3,,,,\n"
        ),
    );
    tree.image("train/a.png", 64, 48);
    tree.write("train/b.dicom", "film");
    tree
}

fn all_train(agree: usize) -> Options {
    Options {
        split: by_rule(Rule::Patient, 0.0, 0.0),
        agree,
        ..Options::default()
    }
}

fn read_all(tree: &Tree, agree: usize) -> Dataset {
    Vindr::read(tree.root(), &all_train(agree)).unwrap()
}

fn message(tree: &Tree) -> String {
    refusal(Vindr::read(tree.root(), &Options::default()))
}

#[test]
fn films_have_the_documented_fields() {
    let tree = tree();
    let data = read_all(&tree, 2);
    assert_eq!(
        (data.name.as_str(), &data.labels[..]),
        ("vindr-cxr", &LABELS.map(str::to_owned)[..])
    );
    assert_eq!(films(&data), [("a", Split::Train), ("b", Split::Train)]);
    assert!(data.left_out.is_empty());
    let [a, b] = &data.records[..] else { panic!() };
    assert_eq!(
        (&a.path, &b.path),
        (&tree.path("train/a.png"), &tree.path("train/b.dicom"))
    );
    assert_eq!(a.boxes.len(), 3);
    let expected = BoundingBox {
        label: "Nodule/Mass".to_owned(),
        x: 2.5,
        y: 2.0,
        width: 8.5,
        height: 19.0,
    };
    assert_eq!(a.boxes[1], expected);
    assert_eq!((&b.labels, b.boxes.len()), (&vec![Some(0.0); 14], 0));
}

/// Two radiologists found the nodule, one the calcification.
#[rstest]
#[case(1, 1.0, 1.0)]
#[case(2, 1.0, -1.0)]
#[case(3, -1.0, -1.0)]
fn a_label_that_fewer_found_is_uncertain(
    #[case] agree: usize,
    #[case] nodule: f32,
    #[case] calcification: f32,
) {
    let labels = read_all(&tree(), agree).records[0].labels.clone();
    assert_eq!(
        [labels[8], labels[2], labels[0]],
        [Some(nodule), Some(calcification), Some(0.0)]
    );
}

#[test]
fn two_boxes_of_one_radiologist_count_once() {
    let tree = tree();
    tree.write(
        "train.csv",
        format!("{HEADER}a,ILD,5,R9,1,2,3,4\na,ILD,5,R9,5,6,7,8\n"),
    );
    assert_eq!(read_all(&tree, 2).records[0].labels[5], Some(-1.0));
}

#[test]
fn a_missing_film_is_counted() {
    let tree = tree();
    tree.remove("train/b.dicom");
    let data = read_all(&tree, 2);
    assert_eq!(left_out(&data), [("no film file", 1)]);
    Card::open("vindr-cxr.md").has_reasons(&data);
    tree.remove("train/a.png");
    assert!(
        message(&tree).contains("no film is left (left out: 2 no film file)"),
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

#[test]
fn an_agreement_of_zero_is_refused() {
    let error = refusal(Vindr::read(tree().root(), &all_train(0)));
    assert!(error.contains("--agree 0"), "{error}");
}

#[test]
fn the_card_is_right() {
    let card = Card::open("vindr-cxr.md");
    card.describes(&tree());
    card.has_splits(Vindr::SPLITS);
}

#[rstest]
#[case::class(
    "a,ILD,15,R9,1,2,3,4",
    "row 2, column 'class_id': '15' is not allowed; it must be from 0 to 14"
)]
#[case::name(
    "a,Ild,5,R9,1,2,3,4",
    "row 2, column 'class_name': 'Ild' is not allowed; it must be 'ILD', as class_id is 5 (did you mean 'ILD'?)"
)]
#[case::nothing(
    "a,ILD,14,R9,,,,",
    "row 2, column 'class_name': 'ILD' is not allowed; it must be 'No finding', as class_id is 14"
)]
#[case::radiologist("a,ILD,5,,1,2,3,4", "row 2, column 'rad_id': '' is not allowed")]
#[case::number(
    "a,ILD,5,R9,,2,3,4",
    "row 2, column 'x_min': '' is not allowed; it must be a number"
)]
#[case::infinite(
    "a,ILD,5,R9,inf,2,3,4",
    "row 2, column 'x_min': 'inf' is not allowed; it must be a number"
)]
#[case::width(
    "a,ILD,5,R9,3,2,3,4",
    "row 2, column 'x_max': '3' is not allowed; it must be above x_min"
)]
#[case::height(
    "a,ILD,5,R9,1,5,3,4",
    "row 2, column 'y_max': '4' is not allowed; it must be above y_min"
)]
#[case::film(
    "../a,ILD,5,R9,1,2,3,4",
    "row 2, column 'image_id': the value is not allowed"
)]
#[case::resized(
    "a,ILD,5,R9,1,2,3,400",
    "boxes or masks do not fit 1 of the 1 films that have any; the first such film has 64×48 px, and its boxes reach beyond the edge (-v names it). The films seem to be resized copies"
)]
fn a_bad_row_is_explained(#[case] row: &str, #[case] expected: &str) {
    let tree = tree();
    tree.write("train.csv", format!("{HEADER}{row}\n"));
    assert!(message(&tree).contains(expected), "{}", message(&tree));
}

/// Tables of resized copies state the size of the originals, so boxes can be scaled.
#[rstest]
#[case::in_the_table(true)]
#[case::in_a_table_of_its_own(false)]
fn boxes_of_resized_copies_are_scaled_by_the_size_of_the_original(#[case] in_table: bool) {
    let tree = tree();
    if in_table {
        let header = HEADER.replace('\n', ",width,height\n");
        let row = "a,ILD,5.0,R9,20,30,40,50,640,480\n";
        tree.write("train.csv", format!("{header}{row}"));
    } else {
        let row = "a,ILD,5.0,R9,20,30,40,50\n";
        tree.write("train.csv", format!("{HEADER}{row}"));
        tree.write("train_meta.csv", "image_id,dim0,dim1\na,480,640\nb,9,9\n");
    }
    let error = message(&tree);
    assert!(
        error.contains("are in pixels of a film of 640×480 px"),
        "{error}"
    );
    let options = Options {
        annotations: AnnotationOptions {
            scale_boxes: true,
            no_boxes: false,
        },
        ..Options::default()
    };
    let data = Vindr::read(tree.root(), &options).unwrap();
    let found = &data.records[0].boxes[0];
    assert_eq!(
        [found.x, found.y, found.width, found.height],
        [2.0, 3.0, 2.0, 2.0]
    );
}
