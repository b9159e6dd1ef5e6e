//! Tests of the ChestX-ray14 reader.

use mflag_datasets::readers::nih::{LABELS, Nih, Options};
use mflag_datasets::split::Rule;
use mflag_datasets::{AnnotationOptions, Reader};
use mflag_store::{BoundingBox, Dataset, Split};
use rstest::rstest;

use crate::toy::{Card, Tree, by_rule, films, left_out, refusal};

const TABLE: &str = "Data_Entry_2017.csv";
const BOXES: &str = "BBox_List_2017.csv";
/// The headers of the release. The fields in brackets contain commas.
const HEADER: &str = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,\
    OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]\n";
const BOX_HEADER: &str = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n";

fn row(film: &str, labels: &str, patient: &str) -> String {
    format!(
        "{film},{labels},0,{patient},57,M,PA,2682,2749,0.14300000000000002,0.14300000000000002\n"
    )
}

/// Films `1_0` and `1_1` of one patient, and `2_0`, which is for test.
fn tree() -> Tree {
    let tree = Tree::new();
    let rows = [
        row("1_0.png", "Cardiomegaly|Emphysema", "1"),
        row("1_1.png", "No Finding", "1"),
        row("2_0.png", "Infiltration", "2"),
    ];
    tree.write(TABLE, format!("{HEADER}{}", rows.concat()));
    tree.write("train_val_list.txt", "1_0.png\r\n1_1.png\r\n");
    tree.write("test_list.txt", "2_0.png\n\n");
    tree.write(BOXES, format!("{BOX_HEADER}2_0.png,Infiltrate,22.5,54.7,8.6,7.25,,,\n1_0.png,Cardiomegaly,1,2,3,4,,,\n1_0.png,Cardiomegaly,5,6,7,8,,,\n"));
    // Only films with boxes must have the size of the release.
    tree.image("images_001/images/1_0.png", 1024, 1024);
    tree.image("images_001/images/1_1.png", 64, 64);
    tree.image("images_012/images/2_0.png", 1024, 1024);
    tree
}

fn all_train(tree: &Tree) -> Dataset {
    let split = by_rule(Rule::Official, 0.0, None);
    Nih::read(
        tree.root(),
        &Options {
            split,
            ..Options::default()
        },
    )
    .unwrap()
}

fn message(tree: &Tree) -> String {
    refusal(Nih::read(tree.root(), &Options::default()))
}

#[test]
fn films_have_the_documented_fields() {
    let tree = tree();
    let data = all_train(&tree);
    assert_eq!(
        (data.name.as_str(), &data.labels[..]),
        ("nih-chestxray14", &LABELS.map(str::to_owned)[..])
    );
    let expected = [
        ("1_0.png", Split::Train),
        ("1_1.png", Split::Train),
        ("2_0.png", Split::Test),
    ];
    assert_eq!(films(&data), expected);
    assert!(data.left_out.is_empty());
    let present = |film: usize| -> Vec<&str> {
        let values = data.records[film].labels.iter().zip(LABELS);
        values
            .filter(|(v, _)| **v == Some(1.0))
            .map(|(_, l)| l)
            .collect()
    };
    assert_eq!(present(0), ["Cardiomegaly", "Emphysema"]);
    assert_eq!(data.records[1].labels, vec![Some(0.0); 14]);
    assert_eq!(data.records[0].boxes.len(), 2);
    let expected = BoundingBox {
        label: "Infiltration".to_owned(),
        x: 22.5,
        y: 54.7,
        width: 8.6,
        height: 7.25,
    };
    assert_eq!(data.records[2].boxes, [expected]);
    assert_eq!(data.records[2].path, tree.path("images_012/images/2_0.png"));
    assert_eq!(data.records[1].patient, "1");
}

#[rstest]
#[case::one_folder("images")]
#[case::flat("")]
#[case::numbered("images_003")]
fn films_may_lie_in_one_folder(#[case] folder: &str) {
    let tree = tree();
    let expected = films(&all_train(&tree)).len();
    for film in [
        "images_001/images/1_0.png",
        "images_001/images/1_1.png",
        "images_012/images/2_0.png",
    ] {
        let to = tree
            .path(folder)
            .join(std::path::Path::new(film).file_name().unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::rename(tree.path(film), to).unwrap();
    }
    let data = all_train(&tree);
    assert_eq!(data.records.len(), expected);
    assert!(data.records.iter().all(|r| r.path.is_file()));
}

#[test]
fn the_corrected_table_is_read() {
    let tree = tree();
    let expected = all_train(&tree);
    // The later release has another header, and a comma at the end of each row.
    let table = std::fs::read_to_string(tree.path(TABLE))
        .unwrap()
        .replace('\n', ",\n")
        .replace("Gender", "Sex");
    tree.write("Data_Entry_2017_v2020.csv", &table);
    assert!(message(&tree).contains(
        "this folder holds both Data_Entry_2017.csv and Data_Entry_2017_v2020.csv; keep one"
    ));
    tree.remove(TABLE);
    assert_eq!(all_train(&tree), expected);
}

#[test]
fn every_reason_is_counted() {
    let tree = tree();
    let rows = [
        row("1_0.png", "Mass", "1"),
        row("1_0.png", "Mass", "1"),
        row("3_0.png", "Mass", "3"),
        row("4_0.png", "Mass", "4"),
    ];
    tree.write(TABLE, format!("{HEADER}{}", rows.concat()));
    tree.write("test_list.txt", "4_0.png\n");
    let expected = [
        ("duplicate row", 1),
        ("in neither train_val_list.txt nor test_list.txt", 1),
        ("no film file", 1),
    ];
    assert_eq!(left_out(&all_train(&tree)), expected);
    Card::open("nih-chestxray14.md").has_reasons(&all_train(&tree));
    tree.remove("images_001/images/1_0.png");
    assert!(
        message(&tree).contains("no film is left"),
        "{}",
        message(&tree)
    );
}

#[test]
fn without_the_box_table_there_are_no_boxes() {
    let tree = tree();
    tree.remove(BOXES);
    assert!(all_train(&tree).records.iter().all(|r| r.boxes.is_empty()));
}

#[test]
fn validation_has_whole_patients_and_no_test_films() {
    let tree = tree();
    let splits = |split| {
        let data = Nih::read(
            tree.root(),
            &Options {
                split,
                ..Options::default()
            },
        )
        .unwrap();
        data.records.iter().map(|r| r.split).collect::<Vec<_>>()
    };
    let official = splits(by_rule(Rule::Official, 0.999_999, None));
    assert_eq!(official, [Split::Validate, Split::Validate, Split::Test]);
    let all = splits(by_rule(Rule::Patient, 0.999_999, 0.0));
    assert_eq!(all, [Split::Validate; 3], "both lists are split as one");
}

#[test]
fn the_card_is_right() {
    let card = Card::open("nih-chestxray14.md");
    card.describes(&tree());
    card.has_splits(Nih::SPLITS);
}

#[rstest]
#[case::table(TABLE, "Data_Entry_2017.csv is not in this folder")]
#[case::train_list("train_val_list.txt", "train_val_list.txt is not in this folder")]
#[case::test_list("test_list.txt", "test_list.txt is not in this folder")]
fn a_missing_file_is_named(#[case] file: &str, #[case] expected: &str) {
    let tree = tree();
    tree.remove(file);
    assert!(message(&tree).contains(expected), "{}", message(&tree));
}

#[rstest]
#[case::label(TABLE, &row("1_0.png", "Mass|Noduel", "1"), "row 2, column 'Finding Labels': 'Mass|Noduel' is not allowed; it must be labels separated by '|', or only 'No Finding'; 'Noduel' is not a label (did you mean 'Nodule'?)")]
#[case::none_and_one(TABLE, &row("1_0.png", "No Finding|Mass", "1"), "'No Finding' is not a label")]
#[case::patient(TABLE, &row("1_0.png", "Mass", ""), "row 2, column 'Patient ID': '' is not allowed; it must be an identifier")]
#[case::film(TABLE, &row("../1_0.png", "Mass", "1"), "row 2, column 'Image Index': the value is not allowed; it must be a file name")]
#[case::box_label(
    BOXES,
    "1_0.png,Mas,1,2,3,4,,,\n",
    "row 2, column 'Finding Label': 'Mas' is not allowed; it must be one of the 14 labels (did you mean 'Mass'?)"
)]
#[case::box_number(
    BOXES,
    "1_0.png,Mass,1,2,x,4,,,\n",
    "row 2, column 'w': 'x' is not allowed; it must be a number"
)]
#[case::box_size(
    BOXES,
    "1_0.png,Mass,1,2,3,0,,,\n",
    "row 2, column 'h]': '0' is not allowed; it must be above 0"
)]
#[case::box_beyond(
    BOXES,
    "1_0.png,Mass,10,10,1200,10,,,\n",
    "boxes or masks do not fit 1 of the 1 films that have any; the first such film has 1024×1024 px"
)]
fn a_bad_table_is_explained(#[case] file: &str, #[case] rows: &str, #[case] expected: &str) {
    let tree = tree();
    let header = if file == TABLE { HEADER } else { BOX_HEADER };
    tree.write(file, format!("{header}{rows}"));
    assert!(message(&tree).contains(expected), "{}", message(&tree));
}

#[test]
fn films_converted_to_another_format_are_found() {
    let tree = tree();
    let folder = tree.root().join("images_001/images");
    std::fs::rename(folder.join("1_0.png"), folder.join("1_0.JPEG")).unwrap();
    let data = all_train(&tree);
    assert!(data.left_out.is_empty());
    assert_eq!(data.records[0].film, "1_0.png");
    assert_eq!(data.records[0].path, folder.join("1_0.JPEG"));
}

#[rstest]
#[case::in_both(
    "1_0.png\n",
    "test_list.txt: line 1: '1_0.png' is also in train_val_list.txt"
)]
#[case::path(
    "2_0.png\nimages/1_0.png\n",
    "test_list.txt: line 2: 'images/1_0.png' is not a file name"
)]
fn a_bad_list_is_explained(#[case] list: &str, #[case] expected: &str) {
    let tree = tree();
    tree.write("test_list.txt", list);
    assert!(message(&tree).contains(expected), "{}", message(&tree));
}

/// Prints the time for a table of the real size:
/// `cargo test --release -p mflag-datasets --test readers -- nih --ignored --nocapture`.
#[test]
#[ignore = "writes 112,000 small files"]
fn a_large_data_set_is_read_in_seconds() {
    let tree = Tree::new();
    let (mut table, mut list) = (HEADER.to_owned(), String::new());
    for i in 0..112_120 {
        let film = format!("{:08}_{:03}.png", i / 4, i % 4);
        tree.write(&format!("images_{:03}/images/{film}", i / 10_000 + 1), "");
        table += &row(&film, "Mass|Nodule", &(i / 4).to_string());
        list += &format!("{film}\n");
    }
    tree.write(TABLE, &table);
    tree.write("train_val_list.txt", &list);
    tree.write("test_list.txt", "");
    let begin = std::time::Instant::now();
    let data = Nih::read(tree.root(), &Options::default()).unwrap();
    println!(
        "{} films in {:.1} s",
        data.records.len(),
        begin.elapsed().as_secs_f64()
    );
}

/// Half-size copies: a box in the upper left quarter lies on the copy, and would be wrong.
#[test]
fn resized_copies_are_told_once_and_have_two_ways_on() {
    let tree = tree();
    for film in ["images_001/images/1_0.png", "images_012/images/2_0.png"] {
        tree.image(film, 512, 512);
    }
    let error = message(&tree);
    for expected in [
        "boxes or masks do not fit 2 of the 2 films that have any",
        "the first such film has 512×512 px, and its boxes or mask are in pixels of a film of \
         1024×1024 px",
        "--scale-boxes",
        "--no-boxes, which is enough for classification",
    ] {
        assert!(error.contains(expected), "{error}");
    }
    let read = |scale_boxes, no_boxes| {
        let options = Options {
            annotations: AnnotationOptions {
                scale_boxes,
                no_boxes,
            },
            ..Options::default()
        };
        Nih::read(tree.root(), &options).unwrap()
    };
    let scaled = read(true, false);
    assert_eq!(
        scaled.records[2].boxes,
        [BoundingBox {
            label: "Infiltration".to_owned(),
            x: 11.25,
            y: 27.35,
            width: 4.3,
            height: 3.625,
        }]
    );
    let without = read(false, true);
    assert!(without.records.iter().all(|r| r.boxes.is_empty()));
    assert_eq!(without.records.len(), 3);
    assert_eq!(without.records[2].labels, scaled.records[2].labels);

    // Films of another shape cannot be scaled, and nothing is left to be done with boxes.
    for film in ["images_001/images/1_0.png", "images_012/images/2_0.png"] {
        tree.image(film, 512, 400);
    }
    let error = message(&tree);
    assert!(
        error.contains("the shapes differ") && !error.contains("--scale-boxes"),
        "{error}"
    );
}
