//! Tests of the MIMIC-CXR-JPG reader, one of them on real films.

use std::fs;
use std::path::{Path, PathBuf};

use mflag_datasets::Reader;
use mflag_datasets::reader::Text;
use mflag_datasets::readers::mimic::{LABELS, Labeller, Mimic, Options, View};
use mflag_datasets::split::Rule;
use mflag_store::Split;
use rstest::rstest;

use crate::mimic_tree::{REPORT, Tree};
use crate::toy::{Card, by_rule, ids, left_out, refusal};

const TEXT: &str = "No acute process. The lungs are clear.";

#[test]
fn films_have_the_documented_fields() {
    let tree = Tree::new();
    let data = tree.read();
    assert_eq!(data.name, "mimic-cxr");
    assert_eq!(data.labels, LABELS);
    assert_eq!(ids(&data), ["a", "b", "c"]);
    assert!(data.left_out.is_empty());
    let [a, b, c] = &data.records[..] else {
        panic!()
    };
    assert_eq!(
        (a.patient.as_str(), a.study.as_str()),
        ("10000001", "50000001")
    );
    assert_eq!(a.path, tree.path("files/p10/p10000001/s50000001/a.jpg"));
    assert_eq!(
        [a.split, b.split, c.split],
        [Split::Train, Split::Validate, Split::Test]
    );
    assert_eq!(a.text.as_deref(), Some(TEXT));
    assert_eq!(a.labels[..3], [Some(1.0), None, None]);
    assert_eq!(b.labels[..3], [Some(-1.0), Some(0.0), None]);
    assert_eq!(
        c.labels,
        vec![None; 14],
        "the table does not have the study"
    );
}

#[test]
fn tables_may_be_unzipped_and_of_version_2_1() {
    let tree = Tree::new();
    let expected = tree.read().records;
    for kind in ["metadata", "split", "chexpert"] {
        let old = tree.path(&format!("mimic-cxr-2.0.0-{kind}.csv.gz"));
        let mut text = String::new();
        let mut decoder = flate2::read::GzDecoder::new(fs::File::open(&old).unwrap());
        std::io::Read::read_to_string(&mut decoder, &mut text).unwrap();
        tree.write(&format!("mimic-cxr-2.1.0-{kind}.csv"), &text);
        fs::remove_file(old).unwrap();
    }
    // Other tables of the release are not further versions.
    tree.write("mimic-cxr-2.1.0-test-set-labeled.csv", "study_id\n");
    tree.write("mimic-cxr-2.0.0-negbio.csv.gz", "");
    assert_eq!(tree.read().records, expected);
    // If a version exists both zipped and unzipped, the zipped table is read.
    tree.gz("mimic-cxr-2.1.0-split.csv.gz", "dicom_id,split\na,test\n");
    assert_eq!(ids(&tree.read()), ["a"]);
}

#[test]
fn every_reason_is_counted() {
    let tree = Tree::new();
    let row = |film: &str, n: u32, view: &str| format!("{film},1200000{n},5100000{n},{view}\n");
    tree.metadata(
        &[
            "a,10000001,50000001,PA\na,10000001,50000001,PA\nlateral,10000001,50000001,LATERAL\n",
            "unknown,10000001,50000001,\nother,10000001,50000001,LL\n",
            &row("unsplit", 1, "PA"),
            &row("no-file", 2, "AP"),
            &row("no-report", 3, "AP"),
            &row("no-text", 4, "AP"),
        ]
        .concat(),
    );
    tree.split("a,train\nlateral,train\nno-file,train\nno-report,train\nno-text,train\n");
    tree.film("unsplit", 12000001, 51000001);
    tree.film("no-report", 12000003, 51000003);
    tree.film("no-text", 12000004, 51000004);
    tree.report(
        12000004,
        51000004,
        " COMPARISON: None.\n IMPRESSION: Normal.\n",
    );
    let data = tree.read();
    assert_eq!(ids(&data), ["a"]);
    let expected = [
        ("not a frontal view", 3),
        ("duplicate row of the metadata table", 1),
        ("no split", 1),
        ("no film file", 1),
        ("no report", 1),
        (
            "report with fewer than three words of findings or impression",
            1,
        ),
    ];
    assert_eq!(left_out(&data), expected);
    Card::open("mimic-cxr.md").has_reasons(&data);

    let options = Options {
        text: Text::Optional,
        ..Options::default()
    };
    let data = Mimic::read(tree.root(), &options).unwrap();
    assert_eq!(ids(&data), ["a", "no-report", "no-text"]);
    assert_eq!(data.records[1].text, None);
    assert_eq!(left_out(&data), expected[..expected.len() - 2]);
    let kept = expected[expected.len() - 2..].iter();
    let kept = kept.map(|(reason, films)| (format!("kept without text: {reason}"), *films));
    assert_eq!(
        data.notes,
        kept.collect::<Vec<_>>(),
        "films that stay are counted, too"
    );
}

#[test]
fn views_can_be_chosen() {
    let tree = Tree::new();
    let options = Options {
        views: vec![View::Ap],
        ..Options::default()
    };
    let data = Mimic::read(tree.root(), &options).unwrap();
    assert_eq!(ids(&data), ["b"]);
    assert_eq!(
        left_out(&data),
        [("frontal view that --views leaves out", 2)]
    );
    Card::open("mimic-cxr.md").has_reasons(&data);
}

#[test]
fn reports_may_lie_elsewhere() {
    let tree = Tree::new();
    let expected = tree.read();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(
        tree.path("mimic-cxr-reports/files"),
        elsewhere.path().join("files"),
    )
    .unwrap();
    fs::remove_dir(tree.path("mimic-cxr-reports")).unwrap();
    let error = tree.message();
    assert!(
        error.contains("no film is left (left out: 3 no report)"),
        "{error}"
    );
    assert!(error.contains("p10/p1xxxxxxx/sxxxxxxxx.txt"), "{error}");
    let options = Options {
        reports: Some(elsewhere.path().to_owned()),
        ..Options::default()
    };
    assert_eq!(Mimic::read(tree.root(), &options).unwrap(), expected);
    let options = Options {
        reports: Some(elsewhere.path().join("x")),
        ..Options::default()
    };
    let error = refusal(Mimic::read(tree.root(), &options));
    assert!(
        error.contains("no folder 'files' with the reports"),
        "{error}"
    );
    // Without reports, the films have no text.
    let options = Options {
        text: Text::Optional,
        ..Options::default()
    };
    assert!(
        Mimic::read(tree.root(), &options)
            .unwrap()
            .records
            .iter()
            .all(|r| r.text.is_none())
    );

    // Reports that were unpacked into the root are beside the films.
    for (patient, study) in [
        (10000001, 50000001),
        (10000001, 50000002),
        (11000002, 50000003),
    ] {
        let group = patient / 1_000_000;
        let report = format!("files/p{group}/p{patient}/s{study}.txt");
        tree.write(&report, REPORT);
    }
    assert_eq!(tree.read(), expected);
}

#[test]
fn without_the_chexpert_table_there_are_no_labels() {
    let tree = Tree::new();
    fs::remove_file(tree.path("mimic-cxr-2.0.0-chexpert.csv.gz")).unwrap();
    let data = tree.read();
    assert!(data.labels.is_empty());
    assert!(data.records.iter().all(|r| r.labels.is_empty()));
}

#[test]
fn each_labeller_has_its_table() {
    let tree = Tree::new();
    let negbio = Options {
        labels: Some(Labeller::Negbio),
        ..Options::default()
    };
    let error = refusal(Mimic::read(tree.root(), &negbio));
    assert!(
        error.contains("table mimic-cxr-2.x.x-negbio.csv.gz is not in this folder"),
        "{error}"
    );
    tree.labels_of("negbio", &format!("1,50000001,0.0{}\n", ",".repeat(13)));
    let data = Mimic::read(tree.root(), &negbio).unwrap();
    assert_eq!(data.labels, LABELS);
    assert_eq!(data.records[0].labels[..2], [Some(0.0), None]);
    assert_eq!(tree.read().records[0].labels[..2], [Some(1.0), None]);
}

#[test]
fn patients_can_be_split_by_hash() {
    let tree = Tree::new();
    tree.remove("mimic-cxr-2.0.0-split.csv.gz");
    let splits = |test| {
        let options = Options {
            split: by_rule(Rule::Patient, 0.0, test),
            ..Options::default()
        };
        let data = Mimic::read(tree.root(), &options).unwrap();
        data.records.iter().map(|r| r.split).collect::<Vec<_>>()
    };
    assert_eq!(splits(0.0), [Split::Train; 3]);
    assert_eq!(splits(0.999_999), [Split::Test; 3]);
    let options = Options {
        split: by_rule(Rule::Official, 0.2, None),
        ..Options::default()
    };
    let error = refusal(Mimic::read(tree.root(), &options));
    assert_eq!(
        error,
        "--validate: not supported for the split 'official', because the release itself fixes the split of these films; remove the flag"
    );
    let options = Options {
        split: by_rule(Rule::Mgca, None, None),
        ..Options::default()
    };
    let error = refusal(Mimic::read(tree.root(), &options));
    assert_eq!(
        error,
        "--split mgca: this data set does not have this split (known: official, patient)"
    );
}

#[test]
fn the_card_is_right() {
    let tree = Tree::new();
    tree.labels_of("negbio", "");
    let card = Card::open("mimic-cxr.md");
    card.describes(&tree);
    card.has_splits(Mimic::SPLITS);
}

#[rstest]
#[case::metadata(
    "metadata",
    "table mimic-cxr-2.x.x-metadata.csv.gz is not in this folder"
)]
#[case::split("split", "table mimic-cxr-2.x.x-split.csv.gz is not in this folder")]
fn a_missing_table_is_named(#[case] kind: &str, #[case] expected: &str) {
    let tree = Tree::new();
    fs::remove_file(tree.path(&format!("mimic-cxr-2.0.0-{kind}.csv.gz"))).unwrap();
    let error = tree.message();
    assert!(error.contains(expected), "{error}");
    assert!(
        error.starts_with(&tree.root().display().to_string()),
        "{error}"
    );
}

#[test]
fn a_missing_root_is_named() {
    let error = refusal(Mimic::read(
        Path::new("/nowhere/mimic"),
        &Options::default(),
    ));
    assert!(error.starts_with("cannot read /nowhere/mimic: "), "{error}");
}

#[test]
fn two_versions_of_a_table_are_refused() {
    let tree = Tree::new();
    tree.gz("mimic-cxr-2.1.0-split.csv.gz", "dicom_id,split\na,train\n");
    let expected = "this folder holds the table 'split' in several versions: mimic-cxr-2.0.0-split.csv.gz, \
                    mimic-cxr-2.1.0-split.csv.gz; keep one";
    assert!(tree.message().ends_with(expected), "{}", tree.message());
}

/// The message about a bad table has no identifier of a patient or study.
#[rstest]
#[case::view_column(
    "metadata",
    "dicom_id,subject_id,study_id,Viewposition\n",
    "column 'ViewPosition' is missing (did you mean 'Viewposition'?)"
)]
#[case::patient(
    "metadata",
    "dicom_id,subject_id,study_id,ViewPosition\na,1000000,50000001,PA\n",
    "row 2, column 'subject_id': the value is not allowed; it must be an identifier of eight digits"
)]
#[case::study(
    "metadata",
    "dicom_id,subject_id,study_id,ViewPosition\na,10000001,../50000001,PA\n",
    "row 2, column 'study_id': the value is not allowed"
)]
#[case::film(
    "metadata",
    "dicom_id,subject_id,study_id,ViewPosition\n../a,10000001,50000001,PA\n",
    "row 2, column 'dicom_id': the value is not allowed; it must be a file name of letters, digits"
)]
#[case::split(
    "split",
    "dicom_id,split\na,train\nb,training\n",
    "row 3, column 'split': 'training' is not allowed; it must be train, validate or test (did you mean 'train'?)"
)]
#[case::two_splits(
    "split",
    "dicom_id,split\na,train\na,test\n",
    "row 3, column 'split': 'test' is not allowed; it must be train, as in the film's earlier row"
)]
fn a_bad_table_is_explained(#[case] kind: &str, #[case] table: &str, #[case] expected: &str) {
    let tree = Tree::new();
    tree.gz(&format!("mimic-cxr-2.0.0-{kind}.csv.gz"), table);
    let error = tree.message();
    assert!(
        error.contains(&format!("mimic-cxr-2.0.0-{kind}.csv.gz: ")),
        "{error}"
    );
    assert!(error.contains(expected), "{error}");
    assert!(
        !error.contains("1000000") && !error.contains("5000000"),
        "{error}"
    );
}

#[test]
fn bad_labels_are_named() {
    let tree = Tree::new();
    let rest = ",".repeat(13);
    tree.labels(&format!("1,50000001,2.0{rest}\n"));
    let expected = "row 2, column 'Atelectasis': '2.0' is not allowed; it must be 1, 0, -1 (uncertain) or empty";
    assert!(tree.message().ends_with(expected), "{}", tree.message());
    tree.labels(&format!("1,50000001,1.0{rest}\n1,50000001,0.0{rest}\n"));
    assert!(
        tree.message().contains("row 3, column 'study_id'"),
        "{}",
        tree.message()
    );
    tree.labels(&format!("1,50000001,1.0{rest}\n1,50000001,1.0{rest}\n"));
    assert_eq!(tree.read().records[0].labels[0], Some(1.0));
}

#[test]
fn a_truncated_table_is_refused() {
    let tree = Tree::new();
    let path = tree.path("mimic-cxr-2.0.0-metadata.csv.gz");
    let content = fs::read(&path).unwrap();
    fs::write(&path, &content[..content.len() - 12]).unwrap();
    assert!(
        tree.message().contains("the gzip file ends too early"),
        "{}",
        tree.message()
    );
}

#[test]
fn reports_in_latin_1_are_read_and_counted() {
    let tree = Tree::new();
    let report = "mimic-cxr-reports/files/p11/p11000002/s50000003.txt";
    fs::write(
        tree.path(report),
        b"FINDINGS: Gr\xf6\xdfe of the heart is normal.\n",
    )
    .unwrap();
    let data = tree.read();
    let text = data.records[2].text.as_deref();
    assert_eq!(text, Some("Grosse of the heart is normal."));
    let note = "report that is not UTF-8, read as Windows-1252";
    assert_eq!(data.notes, [(note.to_owned(), 1)]);
    Card::open("mimic-cxr.md").mentions(note);
}

/// A report that is a folder cannot be read. The message has no identifiers.
#[test]
fn an_unreadable_report_is_refused() {
    let tree = Tree::new();
    let report = tree.path("mimic-cxr-reports/files/p11/p11000002/s50000003.txt");
    fs::remove_file(&report).unwrap();
    fs::create_dir(&report).unwrap();
    let error = tree.message();
    assert!(
        error.contains("cannot read a report (") && !error.contains("11000002"),
        "{error}"
    );
}

/// MFLAG_REAL_CXR must be a folder that holds `mimic-layout` with 119 films and their reports.
#[test]
#[ignore = "needs real films: set MFLAG_REAL_CXR"]
fn real_films_have_reports() {
    let folder = std::env::var_os("MFLAG_REAL_CXR").expect("MFLAG_REAL_CXR is not set");
    let root = PathBuf::from(folder).join("mimic-layout");
    let data = Mimic::read(&root, &Options::default()).unwrap();
    assert_eq!(data.records.len(), 119);
    assert!(data.left_out.is_empty());
    assert!(
        data.records
            .iter()
            .all(|r| r.path.is_file() && r.labels.len() == 14)
    );
    assert!(
        data.records
            .iter()
            .all(|r| r.text.as_ref().is_some_and(|t| t.is_ascii()))
    );
}

/// Prints time and memory for tables of the real size:
/// `cargo test --release -p mflag-datasets --test readers -- mimic --ignored --nocapture`.
#[test]
#[ignore = "writes 440,000 small files"]
fn a_large_data_set_is_read_in_seconds() {
    let tree = Tree::empty();
    let (mut metadata, mut split, mut labels) = (String::new(), String::new(), String::new());
    let findings = "The heart is of normal size. ".repeat(12);
    let n: u32 = 377_110;
    for i in 0..n {
        let id = format!("{i:08x}-12345678-12345678-12345678-12345678");
        let (patient, study) = (10_000_000 + i / 6 * 100, 50_000_000 + i / 2);
        let view = ["PA", "AP", "LATERAL"][i as usize % 3];
        metadata += &format!("{id},{patient},{study},{view}\n");
        split += &format!(
            "{id},{}\n",
            ["train", "train", "validate", "test"][i as usize % 4]
        );
        if i % 2 == 0 {
            labels += &format!("{patient},{study},1.0{}\n", ",".repeat(13));
            tree.report(patient, study, &format!(" FINDINGS: {findings}\n{REPORT}"));
        }
        if view != "LATERAL" {
            tree.film(&id, patient, study);
        }
    }
    tree.metadata(&metadata);
    tree.split(&split);
    tree.labels(&labels);
    drop((metadata, split, labels));
    let begin = std::time::Instant::now();
    let data = tree.read();
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!(data.records.len(), (n - n / 3) as usize);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find(|l| l.starts_with("VmHWM"))
        .unwrap_or_default();
    println!(
        "{} films of {n} rows in {seconds:.1} s; {peak}",
        data.records.len()
    );
}
