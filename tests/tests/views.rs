//! What the network sees of films, end to end: metrics count what lies outside of the view, written
//! predictions cover the whole film, and models of older versions predict as they did.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use image::{GrayImage, Luma};
use mflag_metrics::Counts;
use mflag_metrics::detection::{Image, MAX_PREDICTIONS, Matches, Prediction, Protocol, Rect};
use mflag_metrics::segmentation::{Empty, Overlap};
use mflag_tests::heads::{json, tested};
use mflag_tests::programs::{folder, log, program, succeed};
use safetensors::SafeTensors;
use serde_json::Value;

/// Columns and rows of the films.
const SIZE: [u32; 2] = [160, 120];
/// How far the written predictions may be from the metric: both are rounded to pixels of their own
/// size.
const TOLERANCE: f64 = 0.02;

/// The bright rectangle of a film: left, top, width, height. It lies in one of the film's corners.
fn bright(film: u32) -> [u32; 4] {
    let (width, height) = (50 + film * 7 % 20, 40 + film * 5 % 16);
    let right = film % 2 * (SIZE[0] - width);
    let bottom = film / 2 % 2 * (SIZE[1] - height);
    [right, bottom, width, height]
}

fn is_bright(film: u32, x: u32, y: u32) -> bool {
    let [left, top, width, height] = bright(film);
    (left..left + width).contains(&x) && (top..top + height).contains(&y)
}

/// A folder with films that have a bright rectangle, its mask and its box; and their store of 128
/// pixels.
fn prepared() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = folder("views");
        let mut table = "film,patient,split,mask,boxes\n".to_owned();
        for film in 0..40 {
            let split = ["train", "train", "train", "validate", "test"][film as usize / 8];
            let noise = |x: u32, y: u32| (x * 31 + y * 17 + film * 13) % 40;
            let grey = |x, y| noise(x, y) + if is_bright(film, x, y) { 190 } else { 30 };
            let image = GrayImage::from_fn(SIZE[0], SIZE[1], |x, y| Luma([grey(x, y) as u8]));
            image.save(folder.join(format!("{film}.png"))).unwrap();
            let mask = |x, y| Luma([if is_bright(film, x, y) { 255 } else { 0 }]);
            let mask = GrayImage::from_fn(SIZE[0], SIZE[1], mask);
            mask.save(folder.join(format!("mask-{film}.png"))).unwrap();
            let [x, y, width, height] = bright(film);
            let row = format!(
                "{film}.png,p{film},{split},mask-{film}.png,Bright {x} {y} {width} {height}\n"
            );
            table.push_str(&row);
        }
        std::fs::write(folder.join("manifest.csv"), table).unwrap();
        let mut prepare = program("mflag-data");
        prepare.args(["prepare", "manifest", "--side", "128", "--root"]);
        succeed(prepare.arg(&folder).arg("--out").arg(folder.join("store")));
        folder
    })
}

/// Trains a head on the films, with its encoder. Returns the run's folder and the log.
fn train(program_name: &str, config: &str, run: &str, sets: &[&str]) -> (PathBuf, String) {
    let store = format!("data.store={}", prepared().join("store").display());
    let run = prepared().join(run);
    let always = [
        store.as_str(),
        "data.side=64",
        "encoder.frozen=false",
        "train.device=cpu",
        "train.precision=fp32",
        "train.patience=null",
    ];
    let mut command = program(program_name);
    command.args(["train", "--config", config]);
    for set in always.iter().chain(sets) {
        command.args(["--set", set]);
    }
    let output = command.arg("--run").arg(&run).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    (run, log)
}

fn metric(evaluation: &Value, name: &str) -> f64 {
    let metrics = evaluation["metrics"].as_array().unwrap();
    let found = metrics.iter().find(|m| m["metric"] == name).unwrap();
    found["value"].as_f64().unwrap()
}

/// The films of the test split.
fn test_films() -> std::ops::Range<u32> {
    32..40
}

/// The predicted mask of a film, in the film's size.
fn mask(run: &Path, film: u32) -> GrayImage {
    let file = run.join(format!("test/masks/{film}.png"));
    let mask = image::open(file).unwrap().into_luma8();
    assert_eq!([mask.width(), mask.height()], SIZE);
    mask
}

/// The Dice of the written masks against the whole true masks.
fn dice_of_files(run: &Path) -> f64 {
    let dice = test_films().map(|film| {
        let mut overlap = Overlap::default();
        for (x, y, pixel) in mask(run, film).enumerate_pixels() {
            let (predicted, truth) = (pixel.0 == [255], is_bright(film, x, y));
            overlap.predicted += u64::from(predicted);
            overlap.truth += u64::from(truth);
            overlap.both += u64::from(predicted && truth);
        }
        overlap.dice(Empty::Scored).unwrap()
    });
    dice.sum::<f64>() / f64::from(test_films().len() as u32)
}

const MASKS: [&str; 2] = ["mflag-segment", "configs/segmentation/masks.yaml"];

fn segmented(run: &str, sets: &[&str]) -> (PathBuf, String) {
    let sets = [&["train.epochs=10"], sets].concat();
    train(MASKS[0], MASKS[1], run, &sets)
}

/// A run that sees whole films, and its log.
fn whole() -> &'static (PathBuf, String) {
    static RUN: OnceLock<(PathBuf, String)> = OnceLock::new();
    RUN.get_or_init(|| segmented("whole", &[]))
}

/// A run that sees the middle of each film, and its log.
fn middle() -> &'static (PathBuf, String) {
    static RUN: OnceLock<(PathBuf, String)> = OnceLock::new();
    RUN.get_or_init(|| segmented("middle", &["data.resize=store"]))
}

#[test]
fn the_dice_of_whole_films_is_that_of_the_written_masks() {
    let (run, log) = whole();
    assert!(!log.contains("of a film's area"), "{log}");
    let dice = metric(&tested(run), "dice");
    let of_files = dice_of_files(run);
    assert!((dice - of_files).abs() < TOLERANCE, "{dice} {of_files}");
    assert!(dice > 0.8, "{dice}: the bright corners are not found");
    let view = &json(&run.join("provenance.json"))["view"];
    assert_eq!(view, "the whole square of 128 px, resized to 64 px");
}

#[test]
fn what_a_view_cuts_off_of_a_mask_counts_as_missed() {
    let (run, log) = middle();
    // Of the film's 128 × 96 pixels in the square, the view shows 64 × 64.
    assert!(
        log.contains("WARN") && log.contains("66.7 % of a film's area is never seen"),
        "{log}"
    );
    let evaluation = tested(run);
    let dice = metric(&evaluation, "dice");
    let of_files = dice_of_files(run);
    assert!((dice - of_files).abs() < TOLERANCE, "{dice} {of_files}");
    assert!(dice < 0.6, "{dice}");
    let report = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("66.7 % of a film's area is never seen"));
}

/// The average precision of written boxes against the whole true boxes, at an IoU of 0.5.
fn precision_of_files(run: &Path) -> f64 {
    let results = json(&run.join("test/predictions.json"));
    let mut images = BTreeMap::new();
    for film in test_films() {
        let [x, y, width, height] = bright(film).map(f64::from);
        let truth = vec![Rect {
            x,
            y,
            width,
            height,
        }];
        let predicted = Vec::new();
        images.insert(format!("{film}.png"), Image { truth, predicted });
    }
    for result in results.as_array().unwrap() {
        let bbox: Vec<f64> = serde_json::from_value(result["bbox"].clone()).unwrap();
        let place = Rect {
            x: bbox[0],
            y: bbox[1],
            width: bbox[2],
            height: bbox[3],
        };
        let score = result["score"].as_f64().unwrap() as f32;
        let film = result["image_id"].as_str().unwrap();
        let image = images.get_mut(film).unwrap();
        image.predicted.push(Prediction { place, score });
    }
    let images: Vec<Image> = images.into_values().collect();
    let matches = Matches::new(&images, &[0.5], MAX_PREDICTIONS, Protocol::Strict).unwrap();
    let precision = matches.mean_average_precision(Counts::Once).unwrap();
    precision.unwrap()
}

#[test]
fn the_precision_of_boxes_is_that_of_the_written_boxes() {
    let detected = |run: &str, sets: &[&str]| {
        let sets = [&["train.epochs=20", "train.validate_every=5"], sets].concat();
        train("mflag-detect", "configs/detection/boxes.yaml", run, &sets).0
    };
    let ap50 = |run: &Path| {
        let evaluation = tested(run);
        let (found, of_files) = (metric(&evaluation, "ap50"), precision_of_files(run));
        assert!((found - of_files).abs() < TOLERANCE, "{found} {of_files}");
        found
    };
    let whole = ap50(&detected("boxes-whole", &[]));
    let middle = ap50(&detected("boxes-middle", &["data.resize=store"]));
    // Less than half of each box is in the middle of its film.
    assert!(whole > 0.5 && middle < 0.1, "{whole} {middle}");
}

/// Writes the model of a run as older versions did: nothing in it says to which side squares are
/// resized.
fn write_old_model(run: &Path, out: &Path) {
    let bytes = std::fs::read(run.join("model.safetensors")).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut metadata = metadata.metadata().clone().unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for (key, section) in [("preprocess", ""), ("config", "data")] {
        let mut value: Value = serde_json::from_str(&metadata[key]).unwrap();
        let map = if section.is_empty() {
            &mut value
        } else {
            &mut value[section]
        };
        assert!(
            map.as_object_mut().unwrap().remove("resize").is_some(),
            "{key}"
        );
        metadata.insert(key.to_owned(), value.to_string());
    }
    let views: Vec<_> = tensors.iter().collect();
    let old = safetensors::serialize(views, Some(metadata)).unwrap();
    std::fs::create_dir_all(out).unwrap();
    std::fs::write(out.join("model.safetensors"), old).unwrap();
}

#[test]
fn a_model_of_an_older_version_predicts_as_it_did() {
    let (run, _) = middle();
    let old = prepared().join("old");
    write_old_model(run, &old);
    let out = prepared().join("old-test");
    let mut eval = program(MASKS[0]);
    eval.args(["eval", "--device", "cpu", "--model"]).arg(&old);
    succeed(eval.arg("--out").arg(&out));
    assert_eq!(json(&out.join("evaluation.json")), tested(run));

    // Only the middle of each film is predicted, and the overlay shows where it ends.
    let out = prepared().join("old-predicted");
    let mut predict = program(MASKS[0]);
    predict.args(["predict", "--device", "cpu", "--overlays", "--model"]);
    predict.arg(&old).arg("--out").arg(&out);
    let said = log(predict.arg(prepared().join("33.png")));
    // 80 of 160 pixels a side.
    assert!(said.contains("sees the middle 25 %"), "{said}");
    let name = |folder: &str| {
        let files = std::fs::read_dir(out.join(folder)).unwrap();
        files.map(|file| file.unwrap().path()).next().unwrap()
    };
    let mask = image::open(name("masks")).unwrap().into_luma8();
    let outside = |x: u32, y: u32| !((40..120).contains(&x) && (20..100).contains(&y));
    let set = |(x, y, pixel): (u32, u32, &Luma<u8>)| outside(x, y) && pixel.0 == [255];
    assert!(!mask.enumerate_pixels().any(set));
    let overlay = image::open(name("overlays")).unwrap().into_rgb8();
    // The film has 768 columns in the overlay. The left edge of the view is in column 192.
    let edge = (250..550).map(|y| overlay.get_pixel(192, y).0);
    assert!(edge.filter(|pixel| *pixel == [150; 3]).count() > 200);
}
