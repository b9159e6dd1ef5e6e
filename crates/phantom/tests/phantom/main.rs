//! Tests of phantoms: they are reproducible, films, tables and reports agree, and a second run is
//! safe.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

mod layouts;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use mflag_core::Named;
use mflag_datasets::Reader;
use mflag_datasets::readers::mimic::{self, LABELS};
use mflag_phantom::layouts::Mimic;
use mflag_phantom::{Case, Finding, Kind, Mention, Options, Report, Side, Summary, write};
use mflag_store::Split;

const SMALL: Options = Options {
    layout: &Mimic,
    films: 24,
    seed: 5,
    side: 96,
    validate: 0.2,
    test: 0.2,
};

fn write_on(threads: usize, out: &Path, options: &Options) -> Summary {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| write(out, options)).unwrap()
}

/// Every file below a folder, by its relative path.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(
                    path.strip_prefix(root).unwrap().to_owned(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    files
}

fn table(root: &Path, name: &str) -> Vec<HashMap<String, String>> {
    let file = fs::File::open(root.join(format!("mimic-cxr-2.0.0-{name}.csv.gz"))).unwrap();
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    csv::Reader::from_reader(text.as_bytes())
        .deserialize()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn the_bytes_are_the_same_on_any_threads_and_after_an_interruption() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let summary = write_on(1, one.path(), &SMALL);
    assert_eq!(write_on(2, two.path(), &SMALL), summary);
    let whole = tree(one.path());
    assert!(tree(two.path()) == whole);
    let of_type = |end: &str| -> Vec<_> {
        whole
            .keys()
            .filter(|p| p.extension().is_some_and(|e| e == end))
            .collect()
    };
    assert_eq!(of_type("txt").len(), SMALL.films);

    // What a killed run leaves: films truncated or missing, and the last files missing.
    fs::remove_file(two.path().join("phantom.jsonl")).unwrap();
    fs::remove_file(two.path().join("mimic-cxr-2.0.0-split.csv.gz")).unwrap();
    fs::write(two.path().join(of_type("jpg")[0]), b"cut").unwrap();
    fs::remove_file(two.path().join(of_type("jpg")[1])).unwrap();
    write_on(2, two.path(), &SMALL);
    assert!(tree(two.path()) == whole);
}

#[test]
fn other_seeds_give_other_films() {
    assert!(Case::new(&Mimic, 1, 3, 96).film != Case::new(&Mimic, 2, 3, 96).film);
}

#[test]
fn a_folder_with_other_files_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), b"x").unwrap();
    let message = write(dir.path(), &SMALL).unwrap_err().to_string();
    assert!(message.contains("not empty"), "{message}");

    let dir = tempfile::tempdir().unwrap();
    let options = Options { films: 1, ..SMALL };
    write(dir.path(), &options).unwrap();
    let message = write(dir.path(), &SMALL).unwrap_err().to_string();
    assert!(
        message.contains("another phantom") && message.contains("\"films\": 1"),
        "{message}"
    );
}

#[test]
fn errors_name_the_option_that_is_out_of_range() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new");
    for (options, word) in [
        (Options { films: 0, ..SMALL }, "films is 0"),
        (Options { side: 63, ..SMALL }, "side is 63"),
        (Options { test: 0.9, ..SMALL }, "test is 0.9"),
        (
            Options {
                validate: f64::NAN,
                ..SMALL
            },
            "validate is NaN",
        ),
    ] {
        let message = write(&out, &options).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
    assert!(!out.exists());
}

#[test]
fn tables_films_and_reports_are_consistent() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        films: 120,
        side: 64,
        ..SMALL
    };
    let summary = write_on(2, dir.path(), &options);
    let [metadata, splits, labels] =
        ["metadata", "split", "chexpert"].map(|name| table(dir.path(), name));
    assert_eq!(metadata.len(), summary.films + summary.laterals);
    assert_eq!(splits.len(), metadata.len());
    assert_eq!(labels.len(), summary.films);
    assert!(summary.laterals > 10 && summary.normal > 20, "{summary:?}");

    let mut of_patient: HashMap<&str, &str> = HashMap::new();
    for (film, split) in metadata.iter().zip(&splits) {
        assert_eq!(film["dicom_id"], split["dicom_id"]);
        let (subject, study) = (&film["subject_id"], &film["study_id"]);
        let patient = format!("p{}/p{subject}", &subject[..2]);
        let path = format!("files/{patient}/s{study}/{}.jpg", film["dicom_id"]);
        let decoded = image::open(dir.path().join(path)).unwrap();
        assert_eq!(decoded.color(), image::ColorType::L8);
        assert_eq!(decoded.width().to_string(), film["Columns"]);
        assert_eq!(decoded.height().to_string(), film["Rows"]);
        let report = format!("mimic-cxr-reports/files/{patient}/s{study}.txt");
        assert!(
            fs::read_to_string(dir.path().join(report))
                .unwrap()
                .contains("FINAL REPORT")
        );
        let part = of_patient.entry(subject).or_insert(&split["split"]);
        assert_eq!(*part, split["split"], "patient {subject} straddles splits");
    }
    assert_eq!(of_patient.len(), summary.patients);
    for part in ["validate", "test"] {
        let count = of_patient.values().filter(|&&p| p == part).count() as f64;
        assert!(
            (count / of_patient.len() as f64 - 0.2).abs() < 0.08,
            "{part}: {count}"
        );
    }
    let truth = (0..).map(|index| Case::new(&Mimic, options.seed, index, 64).report);
    for (row, report) in labels.iter().zip(truth) {
        for (label, mention) in LABELS.iter().zip(report.labels) {
            assert_eq!(row[*label], mention.cell());
        }
    }
    let places = fs::read_to_string(dir.path().join("phantom.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(places.lines().next().unwrap()).unwrap();
    assert_eq!(first["dicom_id"], metadata[0]["dicom_id"].as_str());
    let boxes = places
        .lines()
        .filter(|l| l.contains("\"box\":{\"x\":"))
        .count();
    let devoid = places
        .lines()
        .filter(|l| l.contains("\"findings\":[]"))
        .count();
    assert_eq!(
        (boxes, devoid),
        (summary.films - summary.normal, summary.normal)
    );
}

#[test]
fn the_reader_of_mimic_reads_every_frontal_film() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        films: 200,
        side: 64,
        ..SMALL
    };
    let summary = write_on(2, dir.path(), &options);
    let data = mimic::Mimic::read(dir.path(), &mimic::Options::default()).unwrap();
    assert_eq!(data.records.len(), summary.films);
    let dropped: usize = data.left_out.iter().map(|(_, count)| count).sum();
    assert_eq!(dropped, summary.laterals);
    for (split, count) in Split::ALL.iter().copied().zip(summary.splits) {
        assert_eq!(
            data.records.iter().filter(|r| r.split == split).count(),
            count
        );
    }
    for record in &data.records {
        let text = record.text.as_ref().unwrap();
        assert!(
            !text.contains("FINAL REPORT") && !text.contains("___F"),
            "{text}"
        );
    }
}

#[test]
fn films_have_contrast_and_boxes_contain_their_masks() {
    for index in 0..150 {
        let case = Case::new(&Mimic, 9, index, 128);
        let (width, height) = (case.film.width, case.film.height);
        assert_eq!(width.max(height), 128);
        let mut sorted = case.film.pixels.clone();
        sorted.sort_unstable();
        let (dark, bright) = (sorted[sorted.len() / 10], sorted[sorted.len() * 9 / 10]);
        assert!(
            bright > dark.saturating_add(60),
            "film {index} has little contrast"
        );
        for located in &case.findings {
            let b = located.bounds;
            assert!(
                located.area > 0,
                "film {index} hides its {:?}",
                located.finding
            );
            assert!(b.w > 0 && b.h > 0 && b.x + b.w <= width && b.y + b.h <= height);
            let inside = (b.y..b.y + b.h).flat_map(|y| (b.x..b.x + b.w).map(move |x| (x, y)));
            let marked = |(x, y)| u64::from(located.mask[(y * width + x) as usize]);
            let held: u64 = inside.map(marked).sum();
            assert_eq!(held, located.area);
            assert_eq!(
                located.mask.iter().map(|&m| u64::from(m)).sum::<u64>(),
                held
            );
        }
    }
}

/// Words that name this kind and no other kind.
fn names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Opacity => &["opacity", "opacities"],
        Kind::Consolidation => &["consolidation"],
        Kind::Atelectasis => &["atelectasis"],
        Kind::Edema => &["edema"],
        Kind::Effusion => &["effusion"],
        Kind::Pneumothorax => &["pneumothorax"],
        Kind::Cardiomegaly => &["enlarged"],
        Kind::Nodule => &["nodule"],
        Kind::EndotrachealTube => &["endotracheal tube"],
        Kind::CentralLine => &["central venous"],
        Kind::Pacemaker => &["pacemaker"],
        Kind::NasogastricTube => &["nasogastric tube"],
    }
}

/// The sentences of FINDINGS and IMPRESSION, in lower case.
fn sentences(report: &Report) -> Vec<String> {
    let text = report.text.split("COMPARISON:").last().unwrap();
    let text = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase();
    text.split(". ").map(str::to_owned).collect()
}

fn names_it(sentence: &str, kind: Kind) -> bool {
    names(kind).iter().any(|name| sentence.contains(name))
}

fn denies(sentence: &str) -> bool {
    sentence.split(' ').any(|word| matches!(word, "no" | "not"))
}

fn states(sentence: &str, finding: &Finding) -> bool {
    let sides: &[&str] = match finding.side {
        Side::Right => &["right"],
        Side::Left => &["left"],
        Side::Bilateral => &["both", "bilateral"],
        Side::Midline => &[""],
    };
    let sided = sides.iter().any(|side| sentence.contains(side));
    names_it(sentence, finding.kind) && sided && !denies(sentence)
}

#[test]
fn reports_state_what_the_film_shows_and_nothing_else() {
    let mut texts = HashSet::new();
    for index in 0..1500 {
        let case = Case::new(&Mimic, 4, index, 64);
        let said = sentences(&case.report);
        let text = &case.report.text;
        for located in &case.findings {
            let finding = &located.finding;
            assert!(
                said.iter().any(|s| states(s, finding)),
                "{finding:?} is not in:\n{text}"
            );
            let denied = said.iter().find(|s| names_it(s, finding.kind) && denies(s));
            assert_eq!(denied, None, "{finding:?} is on the film:\n{text}");
            assert_eq!(case.report.labels[finding.kind.label()], Mention::Present);
        }
        let shows = |kind| case.findings.iter().any(|l| l.finding.kind == kind);
        for kind in Kind::ALL.into_iter().filter(|&kind| !shows(kind)) {
            let naming: Vec<_> = said.iter().filter(|s| names_it(s, kind)).collect();
            assert!(
                naming.iter().all(|s| denies(s)),
                "{kind:?} is not on the film:\n{text}"
            );
            let label = case.report.labels[kind.label()];
            assert!(
                naming.is_empty() || label == Mention::Absent,
                "{kind:?}:\n{text}"
            );
        }
        let pneumonia = said.iter().any(|s| s.contains("pneumonia"));
        assert_eq!(pneumonia, case.report.labels[11] != Mention::None, "{text}");
        assert!(text.lines().all(|line| line.len() <= 77), "{text}");
        assert!(
            !text.contains(['{', '}']) && said.iter().all(|s| !s.is_empty()),
            "{text}"
        );
        texts.insert(said.join(" "));
    }
    assert!(texts.len() > 1200, "{} wordings of 1500", texts.len());
}

#[test]
fn reports_have_the_sections_of_mimic() {
    let reports: Vec<_> = (0..1500)
        .map(|i| Case::new(&Mimic, 4, i, 64).report.text)
        .collect();
    let count = |test: &dyn Fn(&str) -> bool| reports.iter().filter(|t| test(t)).count();
    let headless = count(&|t| !t.contains("IMPRESSION:"));
    let short = count(&|t| t.contains("IMPRESSION:") && !t.contains("FINDINGS:"));
    assert!(
        (10..60).contains(&headless) && (20..80).contains(&short),
        "{headless}, {short}"
    );
    for text in reports.iter().filter(|t| t.contains("FINDINGS:")) {
        for head in [
            "EXAMINATION:",
            "INDICATION:",
            "COMPARISON:",
            "FINDINGS:",
            "IMPRESSION:",
        ] {
            assert!(text.contains(&format!("\n {head}")), "{text}");
        }
        assert!(text.contains("___"), "{text}");
    }
    let clean = count(&|t| t.contains("acute cardiopulmonary process"));
    assert!(clean > 100, "{clean}");
}
