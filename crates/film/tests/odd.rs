//! DICOM films whose files are unusual, against goldens of pydicom, numpy and imagecodecs
//! (`tests/oracle/film_odd.py`): their greys and their remarks. Tolerance in grey levels: 0; JPEG
//! of 12 bits 1, of 8 bits 2, as the inverse DCTs round differently.
#![cfg(feature = "dicom")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "test code")]

use std::path::PathBuf;

use mflag_film::{Fit, Limits, Options, Remark, Squaring, Window, decode, decode_with};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    file: String,
    width: u32,
    height: u32,
    tolerance: u8,
    remarks: Vec<Remark>,
    frame: Option<u32>,
    voi: String,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/film_odd"
    ))
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(folder().join("film_odd.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

#[test]
fn greys_and_remarks_equal_the_goldens() {
    let mut wrong = Vec::new();
    for case in cases() {
        let path = folder().join(&case.file);
        let options = Options {
            frame: case.frame,
            ..Options::default()
        };
        let squaring = Squaring {
            frame: case.frame,
            ..Squaring::new(8, Fit::Pad)
        };
        let name = format!("{} frame {:?}", case.file, case.frame);
        let film = match decode_with(&path, &options) {
            Ok(film) => film,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        assert_eq!((film.width, film.height), (case.width, case.height));
        let apart = film.pixels.iter().zip(bytes(&case.voi));
        let farthest = apart.map(|(a, b)| a.abs_diff(b)).max().unwrap();
        let remarks = squaring.read(&path, &Limits::default()).unwrap().remarks;
        if farthest > case.tolerance || remarks != case.remarks {
            wrong.push(format!("{name}: {farthest} apart, {remarks:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn films_without_a_grey_picture_are_refused_with_the_reason() {
    for (name, reason) in [
        ("refused_black", "is blank"),
        ("refused_one_grey", "is blank"),
        ("refused_nearly_white", "is blank"),
        (
            "refused_colour",
            "is a picture in colour (RGB, 3 samples a pixel), and some of its pixels are not grey",
        ),
    ] {
        let path = folder().join(format!("{name}.dcm"));
        let error = decode(&path, &Limits::default()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

/// A percentile may leave one grey, too, if most of the film has one value.
#[test]
fn any_window_that_leaves_a_blank_film_falls_back() {
    let window = Window::Percentile {
        low: 99.0,
        high: 99.5,
    };
    let squaring = Squaring {
        window,
        ..Squaring::new(8, Fit::Pad)
    };
    let path = folder().join("chest.dcm");
    let squared = squaring.read(&path, &Limits::default()).unwrap();
    assert_eq!(squared.remarks, [Remark::FullRange]);
}

#[test]
fn a_frame_that_does_not_exist_is_refused() {
    let squaring = |frame| Squaring {
        frame: Some(frame),
        ..Squaring::new(8, Fit::Pad)
    };
    let read = |name: &str, frame| squaring(frame).read(&folder().join(name), &Limits::default());
    for name in ["frames_plain.dcm", "frames_rle.dcm", "frames_jpeg_2000.dcm"] {
        let error = read(name, 4).unwrap_err().to_string();
        assert!(
            error.contains("has 3 frames: there is no frame 4"),
            "{error}"
        );
    }
    // The number counts only for files with several frames.
    assert!(read("chest.dcm", 4).unwrap().remarks.is_empty());
}

#[test]
fn a_file_that_is_no_chest_film_says_so() {
    let squaring = Squaring::new(8, Fit::Pad);
    let read = |name: &str| squaring.read(&folder().join(name), &Limits::default());
    let said = |name: &str| read(name).unwrap().not_chest().map(ToString::to_string);
    let shoulder = said("shoulder.dcm").unwrap();
    assert!(
        shoulder.ends_with("(modality MR, body part SHOULDER)"),
        "{shoulder}"
    );
    for name in ["chest.dcm", "lateral.dcm"] {
        assert_eq!(said(name), None);
    }
}

/// Without its black borders, a film of one grey shows nothing.
#[test]
fn a_film_of_one_grey_inside_black_borders_is_refused() {
    let mut film = image::GrayImage::new(12, 9);
    for (x, y) in [(3, 2), (4, 2), (3, 3), (4, 3)] {
        film.put_pixel(x, y, image::Luma([90]));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.png");
    film.save(&path).unwrap();
    let read = |fit| Squaring::new(4, fit).read(&path, &Limits::default());
    assert!(read(Fit::Squeeze).is_ok());
    let error = read(Fit::Official).unwrap_err().to_string();
    assert!(
        error.contains("film.png: is blank: all its pixels inside"),
        "{error}"
    );
    film.put_pixel(4, 3, image::Luma([91]));
    film.save(&path).unwrap();
    let read = read(Fit::Official).unwrap();
    assert_eq!(read.part, Some([3, 2, 2, 2]));
    // The darkest grey becomes black, the brightest white.
    let pixels = read.greys.into_eight();
    assert_eq!((pixels[0], pixels[15]), (0, 255));
}
