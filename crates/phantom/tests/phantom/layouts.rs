//! Tests of the layouts: the reader of each data set must find what was drawn.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use mflag_datasets::Reader;
use mflag_datasets::readers::{chexpert, manifest, mimic, nih, object_cxr, rsna, siim};
use mflag_datasets::split::{Rule, RuleOptions};
use mflag_film::{Film, Limits};
use mflag_phantom::layouts::{Chexpert, Manifest, Mimic, Nih, ObjectCxr, Rsna, Siim};
use mflag_phantom::{
    Bounds, Case, Entry, Finding, Form, Kind, LAYOUTS, Layout, Located, Options, Recipe, Side,
    write, write_films,
};
use mflag_store::{BoundingBox, Dataset, Mask, Record, Split, rle};
use rayon::prelude::*;
use tempfile::TempDir;

use crate::{tree, write_on};

/// A phantom on disk, with its cases and the names of their films, in order.
struct Phantom {
    dir: TempDir,
    options: Options,
    cases: Vec<Case>,
    names: Vec<String>,
}

impl Phantom {
    fn new(layout: &'static dyn Layout, films: usize, seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            films,
            seed,
            ..Options::new(layout)
        };
        write_on(2, dir.path(), &options);
        let case = |index| Case::new(layout, seed, index, options.side);
        let places = fs::read_to_string(dir.path().join("phantom.jsonl")).unwrap();
        let name = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["film"].as_str().unwrap().to_owned()
        };
        Self {
            cases: (0..films as u64).into_par_iter().map(case).collect(),
            names: places.lines().map(name).collect(),
            dir,
            options,
        }
    }

    fn root(&self) -> &Path {
        self.dir.path()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.root().join(name)).unwrap()
    }

    /// Every case with its record. `film` converts a film's name from the phantom's to the
    /// reader's.
    fn with_records<'a>(
        &'a self,
        data: &'a Dataset,
        film: impl Fn(&str) -> String,
    ) -> Vec<(&'a Case, &'a Record)> {
        assert_eq!(data.records.len(), self.options.films);
        let records: HashMap<&str, &Record> =
            data.records.iter().map(|r| (r.film.as_str(), r)).collect();
        let cases = self.cases.iter().zip(&self.names);
        cases
            .map(|(case, name)| (case, records[film(name).as_str()]))
            .collect()
    }
}

/// Checks that a record's file holds the film that was drawn. `loss` is the mean difference in grey
/// levels that the file's compression may cause.
fn assert_same_film(case: &Case, record: &Record, loss: f64) {
    let Film {
        width,
        height,
        pixels,
    } = mflag_film::decode(&record.path, &Limits::default()).unwrap();
    assert_eq!((width, height), (case.film.width, case.film.height));
    let pairs = pixels.iter().zip(&case.film.pixels);
    let sum: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    let mean = sum / pixels.len() as f64;
    assert!(mean <= loss, "{}: off by {mean:.2}", record.film);
}

fn has(case: &Case, kind: Kind) -> bool {
    case.findings.iter().any(|l| l.finding.kind == kind)
}

fn boxed(label: &str, b: Bounds) -> BoundingBox {
    let [x, y, width, height] = [b.x, b.y, b.w, b.h].map(f64::from);
    BoundingBox {
        label: label.to_owned(),
        x,
        y,
        width,
        height,
    }
}

#[test]
fn every_layout_has_the_same_bytes_on_any_threads_and_after_an_interruption() {
    for &layout in LAYOUTS {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = Options {
            films: 3,
            ..Options::new(layout)
        };
        let summary = write_on(1, one.path(), &options);
        assert_eq!(write_on(2, two.path(), &options), summary);
        let whole = tree(one.path());
        assert!(tree(two.path()) == whole, "{layout}");
        let is_film = |e: &std::ffi::OsStr| ["jpg", "png", "dcm"].iter().any(|film| e == *film);
        let film = whole
            .keys()
            .find(|path| path.extension().is_some_and(is_film));
        fs::write(two.path().join(film.unwrap()), b"cut").unwrap();
        fs::remove_file(two.path().join("phantom.jsonl")).unwrap();
        write_on(2, two.path(), &options);
        assert!(tree(two.path()) == whole, "{layout}");
    }
}

#[test]
fn rsna_has_a_box_around_every_opacity() {
    let phantom = Phantom::new(&Rsna, 24, 5);
    let data = rsna::Rsna::read(phantom.root(), &rsna::Options::default()).unwrap();
    let (mut positive, mut both_lungs) = (0, 0);
    for (case, record) in phantom.with_records(&data, str::to_owned) {
        assert_same_film(case, record, 4.0);
        let opacity = |l: &&Located| matches!(l.finding.kind, Kind::Opacity | Kind::Consolidation);
        let opacities: Vec<&Located> = case.findings.iter().filter(opacity).collect();
        let normal = case.findings.iter().all(|l| l.finding.kind.is_device());
        let class = [
            !opacities.is_empty(),
            opacities.is_empty() && !normal,
            normal,
        ];
        assert_eq!(record.labels, class.map(|is| Some(f32::from(u8::from(is)))));
        positive += usize::from(class[0]);
        let Some(located) = opacities.first() else {
            assert!(record.boxes.is_empty());
            continue;
        };
        assert_eq!(opacities.len(), 1, "a film has at most one of them");
        if located.finding.side == Side::Bilateral {
            both_lungs += 1;
            assert_divided(located, &record.boxes, case.film.width);
        } else {
            assert_eq!(record.boxes, [boxed("Lung Opacity", located.bounds)]);
        }
    }
    assert!((4..=7).contains(&positive), "{positive} of 24");
    assert!(both_lungs > 0, "another seed");
}

/// Checks that there are two boxes, one per lung, that they contain the whole mask, and that
/// together they reach exactly as far as the finding's one box.
fn assert_divided(located: &Located, boxes: &[BoundingBox], width: u32) {
    let [right, left] = boxes else {
        panic!("{boxes:?}")
    };
    assert!(right.x + right.width < left.x, "{boxes:?}");
    let end =
        |of: &dyn Fn(&BoundingBox) -> f64, most: f64| boxes.iter().map(of).fold(-most, f64::max);
    let b = boxed("", located.bounds);
    assert_eq!((right.x, left.x + left.width), (b.x, b.x + b.width));
    assert_eq!(right.y.min(left.y), b.y);
    assert_eq!(end(&|b| b.y + b.height, 1e9), b.y + b.height);
    let set = (0..).zip(&located.mask).filter(|(_, cell)| **cell == 1);
    for (place, _) in set {
        let (x, y) = (
            f64::from(place % width) + 0.5,
            f64::from(place / width) + 0.5,
        );
        let inside = |b: &BoundingBox| {
            (b.x..b.x + b.width).contains(&x) && (b.y..b.y + b.height).contains(&y)
        };
        assert!(
            boxes.iter().any(inside),
            "({x}, {y}) is in none of {boxes:?}"
        );
    }
}

#[test]
fn siim_has_a_mask_for_every_pneumothorax() {
    let phantom = Phantom::new(&Siim, 24, 5);
    let data = siim::Siim::read(phantom.root(), &siim::Options::default()).unwrap();
    let (mut positive, mut twins) = (0, 0);
    for (case, record) in phantom.with_records(&data, str::to_owned) {
        assert_same_film(case, record, 4.0);
        let found = case
            .findings
            .iter()
            .filter(|l| l.finding.kind == Kind::Pneumothorax);
        let found: Vec<&Located> = found.collect();
        let mut plane = vec![0; case.film.pixels.len()];
        for (pixel, place) in plane.iter_mut().zip(0..) {
            *pixel = found.iter().map(|l| l.mask[place]).max().unwrap_or(0);
        }
        let mask = Mask::Runs {
            width: 1024,
            height: 1024,
            runs: rle::mask_to_runs(&plane, 1024),
        };
        assert_eq!(record.mask, (!found.is_empty()).then_some(mask));
        assert_eq!(
            record.labels,
            [Some(f32::from(u8::from(!found.is_empty())))]
        );
        positive += usize::from(!found.is_empty());
        twins += usize::from(found.len() == 2);
    }
    assert!((4..=7).contains(&positive), "{positive} of 24");
    assert!(twins > 0, "another seed");
    let table = phantom.text("train-rle.csv");
    assert!(table.starts_with("ImageId, EncodedPixels\n"), "{table:.60}");
    assert_eq!(
        table.lines().count(),
        1 + 24 + twins,
        "one row per pneumothorax"
    );
    assert!(table.contains(", -1\n") && table.contains(",-1\n"));
}

#[test]
fn the_manifest_has_labels_boxes_and_masks_of_what_was_drawn() {
    let phantom = Phantom::new(&Manifest, 40, 5);
    let data = manifest::Manifest::read(phantom.root(), &manifest::Options::default()).unwrap();
    let mut positive = 0;
    for (case, record) in phantom.with_records(&data, str::to_owned) {
        assert_same_film(case, record, 4.0);
        assert!(record.text.is_some());
        for (name, label) in data.labels.iter().zip(&record.labels) {
            let kinds = Kind::ALL.into_iter();
            let mut named = kinds.filter(|kind| mimic::LABELS[kind.label()] == name);
            let drawn = named.any(|kind| has(case, kind));
            assert_eq!(*label, Some(f32::from(u8::from(drawn))), "{name}");
        }
        let opacity = |l: &&Located| matches!(l.finding.kind, Kind::Opacity | Kind::Consolidation);
        let Some(located) = case.findings.iter().find(opacity) else {
            assert!(record.boxes.is_empty() && record.mask.is_none());
            continue;
        };
        positive += 1;
        assert_eq!(
            record.boxes[0].label,
            mimic::LABELS[located.finding.kind.label()]
        );
        let Some(Mask::File { path, .. }) = &record.mask else {
            panic!("{:?}", record.mask)
        };
        let mask = mflag_film::decode_mask(path, &Limits::default()).unwrap();
        let mask = mask.values;
        let drawn = located.mask.iter().map(|cell| 255 * u16::from(*cell));
        assert!(mask.pixels.iter().copied().eq(drawn));
    }
    assert!((18..=22).contains(&positive), "{positive} of 40");
}

#[test]
fn chexpert_has_the_labels_of_its_reports_and_of_what_was_drawn() {
    let phantom = Phantom::new(&Chexpert, 60, 1);
    let options = chexpert::Options {
        split: RuleOptions {
            rule: Some(Rule::Official),
            validate: Some(0.2),
            ..RuleOptions::default()
        }
        .into(),
    };
    let data = chexpert::Chexpert::read(phantom.root(), &options).unwrap();
    let name = |path: &str| {
        path.split_once('/')
            .unwrap()
            .1
            .split_once('/')
            .unwrap()
            .1
            .to_owned()
    };
    let mut raw = [0; 4];
    for (case, record) in phantom.with_records(&data, name) {
        assert_same_film(case, record, 4.0);
        assert_eq!(
            record.patient,
            format!("patient{:05}", case.study.patient + 1)
        );
        let tests = case.study.place < phantom.options.test;
        assert_eq!(record.split == Split::Test, tests);
        for ((label, value), mention) in mimic::LABELS
            .iter()
            .zip(&record.labels)
            .zip(case.report.labels)
        {
            if !tests {
                assert_eq!(*value, mention.cell().parse().ok(), "{label}");
                let places = [None, Some(0.0), Some(1.0), Some(-1.0)];
                raw[places.iter().position(|v| v == value).unwrap()] += 1;
                continue;
            }
            let shown = case
                .findings
                .iter()
                .any(|l| mimic::LABELS[l.finding.kind.label()] == *label);
            let normal = case.findings.iter().all(|l| l.finding.kind.is_device());
            let expected = shown || (*label == "No Finding" && normal);
            assert_eq!(*value, Some(f32::from(u8::from(expected))), "{label}");
        }
    }
    assert!(raw.iter().all(|n| *n > 0), "blank, 0, 1, -1: {raw:?}");
    let laterals = phantom.cases.iter().filter(|c| c.study.lateral).count();
    assert_eq!(data.left_out, [("not a frontal view".to_owned(), laterals)]);
}

/// The label of ChestX-ray14 for a kind.
fn nih_label(finding: &Finding) -> Option<&'static str> {
    let names = [
        "Atelectasis",
        "Cardiomegaly",
        "Consolidation",
        "Edema",
        "Effusion",
        "Nodule",
        "Pneumothorax",
    ];
    let kind = format!("{:?}", finding.kind);
    match finding.kind {
        Kind::Opacity => Some("Infiltration"),
        _ => names.into_iter().find(|name| *name == kind),
    }
}

#[test]
fn nih_has_labels_lists_and_boxes() {
    let phantom = Phantom::new(&Nih, 24, 5);
    let data = nih::Nih::read(phantom.root(), &nih::Options::default()).unwrap();
    let mut boxes = 0;
    for (case, record) in phantom.with_records(&data, str::to_owned) {
        assert_same_film(case, record, 0.0);
        assert_eq!(record.patient, (case.study.patient + 1).to_string());
        let tests = case.study.place < phantom.options.test;
        assert_eq!(record.split == Split::Test, tests);
        let found: Vec<(&str, Bounds)> = case
            .findings
            .iter()
            .filter_map(|l| Some((nih_label(&l.finding)?, l.bounds)))
            .collect();
        for (label, value) in nih::LABELS.iter().zip(&record.labels) {
            let expected = found.iter().any(|(name, _)| name == label);
            assert_eq!(*value, Some(f32::from(u8::from(expected))), "{label}");
        }
        let with_box = found
            .iter()
            .filter(|(name, _)| tests && !["Consolidation", "Edema"].contains(name));
        let expected: Vec<BoundingBox> = with_box.map(|(name, b)| boxed(name, *b)).collect();
        assert_eq!(record.boxes, expected);
        boxes += expected.len();
    }
    assert!(boxes > 0, "another seed");
    let colours = data
        .records
        .iter()
        .map(|r| image::open(&r.path).unwrap().color());
    let rgba = colours.filter(|c| *c == image::ColorType::Rgba8).count();
    assert_eq!(rgba, 1);
    assert!(
        phantom.root().join("images_001/images").is_dir()
            && phantom.root().join("images_012/images").is_dir()
    );
    let head =
        "Patient Gender,View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]\n";
    assert!(phantom.text("Data_Entry_2017.csv").contains(head));
    let head = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n";
    assert!(phantom.text("BBox_List_2017.csv").starts_with(head));
}

#[test]
fn object_cxr_has_a_box_around_every_object() {
    let phantom = Phantom::new(&ObjectCxr, 40, 1);
    let options = object_cxr::Options {
        split: RuleOptions {
            rule: Some(Rule::Official),
            ..RuleOptions::default()
        }
        .into(),
        ..object_cxr::Options::default()
    };
    let data = object_cxr::ObjectCxr::read(phantom.root(), &options).unwrap();
    let name = |film: &str| {
        let part = ["train", "dev", "test"].into_iter();
        let mut there = part.map(|part| format!("{part}/{film}"));
        there
            .find(|film| phantom.root().join(film).exists())
            .unwrap()
    };
    let mut positive = 0;
    for (case, record) in phantom.with_records(&data, name) {
        assert_same_film(case, record, 4.0);
        let place = case.study.place;
        let split = match record.split {
            Split::Test => 0.0..0.1,
            Split::Validate => 0.1..0.2,
            Split::Train => 0.2..1.0,
        };
        assert!(split.contains(&place), "{place} in {:?}", record.split);
        let expected = case
            .objects
            .iter()
            .map(|l| boxed("Foreign object", l.bounds));
        assert_eq!(record.boxes, expected.collect::<Vec<_>>());
        assert_eq!(
            record.labels,
            [Some(f32::from(u8::from(!case.objects.is_empty())))]
        );
        positive += usize::from(!case.objects.is_empty());
    }
    assert!((19..=21).contains(&positive), "{positive} of 40");
    let forms = phantom
        .cases
        .iter()
        .flat_map(|c| &c.objects)
        .map(|l| l.finding.form);
    let forms: std::collections::BTreeSet<Form> = forms.collect();
    assert_eq!(forms.len(), 4, "another seed: {forms:?}");
    let tables = ["train.csv", "dev.csv", "test.csv"]
        .map(|name| phantom.text(name))
        .concat();
    for shape in [",0 ", ",1 ", ",2 "] {
        assert!(
            tables.contains(shape) || tables.contains(&shape.replace(',', ";")),
            "{shape}"
        );
    }
    // MGCA's split reads only train and dev.
    let mgca =
        object_cxr::ObjectCxr::read(phantom.root(), &object_cxr::Options::default()).unwrap();
    let tested = data
        .records
        .iter()
        .filter(|r| r.split == Split::Test)
        .count();
    assert_eq!(mgca.records.len(), 40 - tested);
}

#[test]
fn options_that_a_layout_does_not_support_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new");
    let of = Options::new;
    for (options, word) in [
        (
            Options {
                side: 512,
                ..of(&Rsna)
            },
            "side is 512; films of rsna must have 1024 pixels",
        ),
        (
            Options {
                test: 0.1,
                ..of(&Siim)
            },
            "test is 0.1; choose 0: the files of siim have no test split",
        ),
        (
            Options {
                validate: 0.1,
                ..of(&Nih)
            },
            "validate is 0.1; choose 0: the files of nih have no validate split",
        ),
        (
            Options {
                films: 0,
                ..of(&ObjectCxr)
            },
            "films is 0",
        ),
    ] {
        let message = write(&out, &options).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
    assert!(!out.exists());

    let options = Options {
        films: 1,
        ..of(&Chexpert)
    };
    write(&out, &options).unwrap();
    let message = write(
        &out,
        &Options {
            films: 1,
            ..of(&Mimic)
        },
    )
    .unwrap_err()
    .to_string();
    assert!(
        message.contains("another phantom") && message.contains("\"chexpert\""),
        "{message}"
    );
}

#[test]
fn only_object_cxr_has_foreign_objects() {
    for &layout in LAYOUTS {
        let objects = (0..20).any(|index| !Case::new(layout, 1, index, 64).objects.is_empty());
        assert_eq!(objects, layout.name() == "object-cxr", "{layout}");
    }
    let pneumothorax = |layout: &dyn Layout| {
        (0..20).any(|index| has(&Case::new(layout, 1, index, 64), Kind::Pneumothorax))
    };
    assert!(pneumothorax(&Siim));
}

/// A layout that only this test has: one file of raw pixels per film, and a list of the films.
#[derive(Debug)]
struct Raw;

impl Layout for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn meaning(&self) -> &'static str {
        "Pixels without a header"
    }

    fn sides(&self) -> std::ops::RangeInclusive<u32> {
        64..=64
    }

    fn default_side(&self) -> u32 {
        64
    }

    fn splits(&self) -> &'static [Split] {
        &[]
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            square: true,
            ..Recipe::ARCHIVE
        }
    }

    /// Name of the film, by its key in `phantom.jsonl`.
    type Written = HashMap<&'static str, String>;

    fn film(&self, out: &Path, _: &Options, case: &Case) -> mflag_store::Result<Self::Written> {
        let film = format!("{}.raw", case.study.index);
        fs::write(out.join(&film), &case.film.pixels).unwrap();
        Ok(HashMap::from([("film", film)]))
    }

    fn tables(&self, out: &Path, entries: &[Entry<Self::Written>]) -> mflag_store::Result<()> {
        let films: Vec<&str> = entries.iter().map(|e| e.written["film"].as_str()).collect();
        fs::write(out.join("films.txt"), films.join("\n")).unwrap();
        Ok(())
    }

    fn write(&self, out: &Path, options: &Options) -> mflag_store::Result<()> {
        write_films(self, out, options)
    }
}

#[test]
fn a_layout_of_our_own_needs_no_change_to_the_crate() {
    let phantom = Phantom::new(&Raw, 3, 7);
    assert_eq!(phantom.text("films.txt"), "0.raw\n1.raw\n2.raw");
    for (case, name) in phantom.cases.iter().zip(&phantom.names) {
        assert_eq!(
            fs::read(phantom.root().join(name)).unwrap(),
            case.film.pixels
        );
    }
    assert!(phantom.text("phantom.json").contains("\"layout\": \"raw\""));
}
