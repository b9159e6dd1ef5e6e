//! Tests of the reader of own films.
use std::collections::BTreeSet;
use std::path::Path;

use mflag_core::Named;
use mflag_datasets::reader::Text;
use mflag_datasets::readers::manifest::{FILE, Manifest, Options};
use mflag_datasets::report_text::{Headings, NonAscii, TextOptions};
use mflag_datasets::split::Rule;
use mflag_datasets::{AnnotationOptions, Reader};
use mflag_store::{BoundingBox, Dataset, Mask, Split};
use rstest::rstest;

use crate::toy::{Card, Tree, by_rule, films, left_out, refusal};

const ALL: &str = "film,patient,study,split,text,label:Edema,label:Lung Lesion,boxes,mask,age\n\
    films/a.png,P-1,s1,train,\"FINDINGS: The heart is large, and so on.\n\nIMPRESSION: A large heart.\",1,,Lung Lesion 1 2 30.5 4; Edema 0 0 5 5,masks/a.png,61\n\
    films/b.png,p2,,test,,0,-1,,,\n";

fn tree(table: &str) -> Tree {
    let tree = Tree::new();
    tree.write(FILE, table);
    for image in ["films/a.png", "films/b.png", "masks/a.png"] {
        tree.image(image, 64, 48);
    }
    tree.image("masks/small.png", 32, 24);
    tree.write("masks/text.png", "no image");
    tree
}

fn read_all(tree: &Tree) -> Dataset {
    Manifest::read(tree.root(), &Options::default()).unwrap()
}

fn message(table: &str) -> String {
    let tree = tree(table);
    refusal(Manifest::read(tree.root(), &Options::default()))
}

#[test]
fn films_have_the_documented_fields() {
    let tree = tree(ALL);
    let data = read_all(&tree);
    assert_eq!(
        (data.name.as_str(), &data.labels[..]),
        (
            "manifest",
            &["Edema".to_owned(), "Lung Lesion".to_owned()][..]
        )
    );
    assert_eq!(
        films(&data),
        [("films/a.png", Split::Train), ("films/b.png", Split::Test)]
    );
    let [a, b] = &data.records[..] else { panic!() };
    assert_eq!(
        (a.patient.as_str(), a.study.as_str(), b.study.as_str()),
        ("P-1", "s1", "films/b.png")
    );
    assert_eq!(a.path, tree.path("films/a.png"));
    assert_eq!(
        a.text.as_deref(),
        Some("A large heart. The heart is large, and so on.")
    );
    assert_eq!(
        (a.labels.as_slice(), b.labels.as_slice()),
        (&[Some(1.0), None][..], &[Some(0.0), Some(-1.0)][..])
    );
    let expected = BoundingBox {
        label: "Lung Lesion".to_owned(),
        x: 1.0,
        y: 2.0,
        width: 30.5,
        height: 4.0,
    };
    assert_eq!(
        (&a.boxes[0], a.boxes[1].label.as_str()),
        (&expected, "Edema")
    );
    assert_eq!(
        a.mask,
        Some(Mask::File {
            path: tree.path("masks/a.png"),
            scale: false
        })
    );
    assert_eq!(
        (b.text.as_ref(), b.boxes.len(), b.mask.as_ref()),
        (None, 0, None)
    );
    assert_eq!(
        Manifest::read(&tree.path(FILE), &Options::default()).unwrap(),
        data
    );
}

#[test]
fn two_columns_are_enough() {
    let tree = tree("patient,film\np1,films/a.png\np1,films/b.png\n");
    let data = read_all(&tree);
    assert_eq!(
        data.records[0].split, data.records[1].split,
        "by the patient"
    );
    assert!(data.labels.is_empty());
    let options = Options {
        split: by_rule(Rule::Patient, 0.0, 0.999_999),
        name: "ours".to_owned(),
        ..Options::default()
    };
    let data = Manifest::read(tree.root(), &options).unwrap();
    assert_eq!(
        (data.name.as_str(), data.records[0].split),
        ("ours", Split::Test)
    );
    let split = by_rule(Rule::Patient, -0.1, None);
    let error = refusal(Manifest::read(tree.root(), &Options { split, ..options }));
    assert!(error.contains("the parts -0.1 for validation"), "{error}");
}

#[test]
fn every_reason_is_counted() {
    let tree = tree(
        "film,patient,text\nfilms/a.png,P-1,Normal.\nfilms/b.png,p2,\nmasks/a.png,p3,The heart is large.\n",
    );
    let data = read_all(&tree);
    assert_eq!((data.records.len(), left_out(&data).len()), (3, 0));
    let no_text = "kept without text: report with fewer than three words of findings or impression";
    let notes = [("kept without text: no report", 1), (no_text, 1)];
    assert_eq!(data.notes, notes.map(|(what, n)| (what.to_owned(), n)));
    let options = Options {
        text: Text::Required,
        ..Options::default()
    };
    let data = Manifest::read(tree.root(), &options).unwrap();
    assert_eq!(data.records[0].film, "masks/a.png");
    assert_eq!(
        left_out(&data),
        [
            ("no report", 1),
            (
                "report with fewer than three words of findings or impression",
                1
            )
        ]
    );
    tree.write(FILE, "film,patient\nfilms/a.png,P-1\n");
    let error = refusal(Manifest::read(tree.root(), &options));
    assert!(
        error.contains("no film is left (left out: 1 no report)"),
        "{error}"
    );
}

#[rstest]
#[case::no_patient("film\nfilms/a.png\n", "column 'patient' is missing")]
#[case::slip(
    "film,patient,splitt\n",
    "column 'splitt' is not read: rename it to 'split', or delete it"
)]
#[case::case(
    "Film,patient\n",
    "column 'Film' is not read: rename it to 'film', or delete it"
)]
#[case::label_slip(
    "film,patient,labels:Edema\n",
    "column 'labels:Edema' is not read: rename it to 'label:<name of the label>'"
)]
#[case::unnamed_label(
    "film,patient,label:\n",
    "column 'label:' is not read: write the label's name after 'label:'"
)]
#[case::label_twice("film,patient,label:A,label:A\n", "column 'label:A' appears twice")]
#[case::label_blank(
    "film,patient,label:A,label: A\n",
    "the labels 'A' and 'A' differ at most in case, spaces or the form of accents"
)]
#[case::label_case(
    "film,patient,label:Mass,label:mass\n",
    "the labels 'Mass' and 'mass' differ"
)]
#[case::label_form(
    "film,patient,label:\u{e9},label:e\u{301}\n",
    "differ at most in case, spaces or the form of accents"
)]
#[case::empty("film,patient\n", "no film is left (left out: none)")]
fn a_bad_header_is_explained(#[case] table: &str, #[case] expected: &str) {
    assert!(message(table).contains(expected), "{}", message(table));
}

#[rstest]
#[case::film(
    "film,patient\n,P-1\n",
    "row 2, column 'film': '' is not allowed; it must be the path of the film's file"
)]
#[case::twice(
    "film,patient\nfilms/a.png,P-1\nfilms/a.png,P-1\n",
    "row 3, column 'film': 'films/a.png' is not allowed; it must be another film, because row 2 lists this one"
)]
#[case::patient(
    "film,patient\nfilms/a.png,\n",
    "row 2, column 'patient': '' is not allowed; it must be the patient's identifier"
)]
#[case::split(
    "film,patient,split\nfilms/a.png,P-1,val\n",
    "row 2, column 'split': 'val' is not allowed; it must be train, validate, test or empty (did you mean 'validate'?)"
)]
#[case::two_splits(
    "film,patient,split\nfilms/a.png,P-1,train\nfilms/b.png,P-1,test\n",
    "row 3, column 'split': 'test' is not allowed; it must be train, the split of the same patient in row 2"
)]
#[case::label(
    "film,patient,label:Edema\nfilms/a.png,P-1,yes\n",
    "row 2, column 'label:Edema': 'yes' is not allowed; it must be 1, 0, -1 (uncertain) or empty"
)]
#[case::few_numbers(
    "film,patient,boxes\nfilms/a.png,P-1,Edema 1 2 3\n",
    "row 2, column 'boxes': 'Edema 1 2 3' is not allowed; it must be boxes '<label> <x> <y> <width> <height>'"
)]
#[case::no_label(
    "film,patient,boxes\nfilms/a.png,P-1,1 2 3 4\n",
    "the wrong box is '1 2 3 4'"
)]
#[case::no_area(
    "film,patient,boxes\nfilms/a.png,P-1,A 1 2 3 4;A 1 2 0 4\n",
    "the wrong box is 'A 1 2 0 4'"
)]
#[case::infinite(
    "film,patient,boxes\nfilms/a.png,P-1,A 1 2 nan 4\n",
    "the wrong box is 'A 1 2 nan 4'"
)]
#[case::no_file(
    "film,patient\nfilms/a.png,P-1\nfilms/c.png,P-1\n",
    "row 3, column 'film': 'films/c.png' is not a file: write its path relative to the table's folder, or delete the row"
)]
#[case::no_files(
    "film,patient\nx,P-1\nfilms/a.png,P-1\ny,P-1\n",
    "row 2, column 'film': 'x' is not a file: write its path relative to the table's folder, or delete the row (and 1 more)"
)]
#[case::no_mask(
    "film,patient,mask\nfilms/a.png,P-1,masks/b.png\n",
    "masks/b.png' is not a file"
)]
#[case::small_mask(
    "film,patient,mask\nfilms/a.png,P-1,masks/small.png\n",
    "masks/small.png' has 32×24 px, but the film has 64×48 px: draw the mask on the film at full size, or scale it with --scale-boxes"
)]
#[case::bad_mask(
    "film,patient,mask\nfilms/a.png,P-1,masks/text.png\n",
    "masks/text.png' is not a readable image: write it as PNG"
)]
#[case::spelling(
    "film,patient\nfilms/a.png,P-1\n./films/../films/a.png,P-1\n",
    "row 3, column 'film': './films/../films/a.png' is the file of row 2 ('films/a.png') in another spelling"
)]
#[case::ragged(
    "film,patient\n\nfilms/a.png,P-1,x\n",
    "row 2 (line 3) has 3 values, but the header has 2: put values that contain ',' into quotes"
)]
#[case::box_beyond(
    "film,patient,boxes\nfilms/a.png,P-1,A 40 2 40 4\n",
    "row 2, column 'boxes': the box 'A 40 2 40 4' reaches beyond the film of 64×48 px"
)]
fn a_bad_row_is_explained(#[case] table: &str, #[case] expected: &str) {
    let error = message(table);
    assert!(error.contains(expected), "{error}");
    assert!(error.contains("manifest.csv: row "), "{error}");
    assert!(
        !error.contains("P-1"),
        "the message has the patient: {error}"
    );
}

/// If one row of a patient has a split and another has none, the hash must give the same split.
#[test]
fn an_empty_split_is_that_of_the_hash() {
    let table = "film,patient,split\nfilms/a.png,P-1,\nfilms/b.png,P-1,SPLIT\n";
    let open = read_all(&tree("film,patient\nfilms/a.png,P-1\n")).records[0].split;
    for &split in Split::ALL {
        let tree = tree(&table.replace("SPLIT", split.name()));
        assert_eq!(
            Manifest::read(tree.root(), &Options::default()).is_ok(),
            split == open
        );
    }
}

/// Reads the committed template, with films for its rows.
#[test]
fn the_template_is_read() {
    let template =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/manifest-template.csv");
    let tree = tree(&std::fs::read_to_string(template).unwrap());
    for file in [
        "films/0001.png",
        "films/0002.png",
        "films/0003.png",
        "masks/0001.png",
    ] {
        tree.image(file, 1024, 1024);
    }
    let data = read_all(&tree);
    assert_eq!(data.records.len(), 3);
    assert!(data.records[0].text.is_some() && data.records[0].mask.is_some());
    assert_eq!(data.records[0].boxes.len(), 2);
}

/// The card's table has exactly the columns of the template, and the card lists all reasons why
/// films are left out.
#[test]
fn the_card_is_right() {
    let template =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/manifest-template.csv");
    let template = std::fs::read_to_string(template).unwrap();
    let header = template.lines().next().unwrap();
    let columns: BTreeSet<&str> = header
        .split(',')
        .map(|column| column.find(':').map_or(column, |_| "label:<name>"))
        .collect();
    let card = Card::open("manifest.md");
    let described = card.section("Columns").lines().filter_map(|line| {
        let cell = line.strip_prefix("| `")?;
        cell.split('`').next()
    });
    assert_eq!(described.collect::<BTreeSet<_>>(), columns);

    let tree = tree(
        "film,patient,text\nfilms/a.png,p1,\nfilms/b.png,p2,FINDINGS: Clear.\nmasks/a.png,p3,IMPRESSION: The heart is large.\n",
    );
    let required = Options {
        text: Text::Required,
        ..Options::default()
    };
    let data = Manifest::read(tree.root(), &required).unwrap();
    assert_eq!(data.left_out.len(), 2, "{:?}", data.left_out);
    for (reason, _) in &data.left_out {
        card.mentions(reason);
    }
}

/// Prints the time for a table of the real size:
/// `cargo test --release -p mflag-datasets --test readers -- manifest --ignored --nocapture`.
#[test]
#[ignore = "writes 200,000 small files"]
fn a_large_table_is_read_in_seconds() {
    let tree = Tree::new();
    let mut table = "film,patient,text,label:A,label:B\n".to_owned();
    for i in 0..200_000 {
        tree.write(&format!("films/{}/{i}.png", i / 1000), "");
        table += &format!(
            "films/{}/{i}.png,p{},\"FINDINGS: {}\",1,0\n",
            i / 1000,
            i / 3,
            "The heart is of normal size. ".repeat(12)
        );
    }
    tree.write(FILE, &table);
    let begin = std::time::Instant::now();
    let data = read_all(&tree);
    println!(
        "{} films in {:.1} s",
        data.records.len(),
        begin.elapsed().as_secs_f64()
    );
}

/// Films of a study share its report. Two texts for one study are counted, and nothing is guessed.
#[test]
fn films_of_a_study_share_its_report() {
    let text = "The heart is large.";
    let tree = tree(&format!(
        "film,patient,study,text\nfilms/a.png,p1,s1,{text}\nfilms/b.png,p1,s1,\nmasks/a.png,p2,s1,\n"
    ));
    let data = read_all(&tree);
    let texts = |data: &Dataset| -> Vec<Option<String>> {
        data.records.iter().map(|r| r.text.clone()).collect()
    };
    let shared = Some(text.to_owned());
    assert_eq!(
        texts(&data),
        [shared.clone(), shared.clone(), None],
        "another patient's study"
    );
    let note = "film with the report of another film of its study";
    assert!(
        data.notes.contains(&(note.to_owned(), 1)),
        "{:?}",
        data.notes
    );
    Card::open("manifest.md").mentions(note);

    tree.image("films/c.png", 64, 48);
    tree.write(FILE, format!(
        "film,patient,study,text\nfilms/a.png,p1,s1,{text}\nfilms/b.png,p1,s1,\nfilms/c.png,p1,s1,The heart is small.\n"
    ));
    let data = read_all(&tree);
    assert_eq!(
        texts(&data),
        [shared, None, Some("The heart is small.".to_owned())]
    );
    let note = "study with different texts";
    assert!(
        data.notes.contains(&(note.to_owned(), 1)),
        "{:?}",
        data.notes
    );
    Card::open("manifest.md").mentions(note);
}

#[test]
fn reports_have_headings_in_any_form_and_letters_of_any_kind() {
    let tree = tree(
        "film,patient,text\nfilms/a.png,p1,History: cough. Findings: Größe normal. Impression: No change.\n\
         films/b.png,p2,Findings: \u{43b} clear lungs today.\n",
    );
    let data = read_all(&tree);
    assert_eq!(
        data.records[0].text.as_deref(),
        Some("No change. Grosse normal.")
    );
    let note = "report with letters that are not Latin, which were removed";
    assert_eq!(data.notes, [(note.to_owned(), 1)]);
    Card::open("manifest.md").mentions(note);
    let options = Options {
        rules: TextOptions {
            headings: Some(Headings::Capitals),
            non_ascii: NonAscii::Drop,
        },
        ..Options::default()
    };
    let data = Manifest::read(tree.root(), &options).unwrap();
    let text = "History: cough. Findings: Gre normal. Impression: No change.";
    assert_eq!(data.records[0].text.as_deref(), Some(text));
}

/// A mask of another size is scaled by an option; without boxes and masks, sizes do not matter.
#[test]
fn masks_can_be_scaled_or_left_out() {
    let tree = tree("film,patient,mask\nfilms/a.png,P-1,masks/small.png\n");
    let read = |scale_boxes, no_boxes| {
        let options = Options {
            annotations: AnnotationOptions {
                scale_boxes,
                no_boxes,
            },
            ..Options::default()
        };
        Manifest::read(tree.root(), &options).unwrap().records[0]
            .mask
            .clone()
    };
    let path = tree.path("masks/small.png");
    assert_eq!(read(true, false), Some(Mask::File { path, scale: true }));
    assert_eq!(read(false, true), None);
}

/// Spreadsheets write semicolons or tabs, UTF-16, and `'` before what looks like a formula.
#[test]
fn tables_of_spreadsheets_are_read() {
    let expected = read_all(&tree(
        "film,patient,text\nfilms/a.png,-p,\"Clear, no change.\"\n",
    ));
    let text = "sep=;\nfilm;patient;text\nfilms/a.png;'-p;Clear, no change.\n";
    let tree = tree(text);
    assert_eq!(read_all(&tree).records[0].text, expected.records[0].text);
    assert_eq!(
        read_all(&tree).records[0].patient,
        expected.records[0].patient
    );
    let utf16: Vec<u8> = format!("\u{feff}{}", text.replace(';', "\t"))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    tree.write(FILE, utf16);
    assert_eq!(
        read_all(&tree).records[0].patient,
        expected.records[0].patient
    );
}
