//! DICOM films against goldens of pydicom (`tests/oracle/film_dicom.py`). Tolerance in grey levels:
//! 0; JPEG baseline 2, as the inverse DCTs round differently; lossy JPEG 2000 1.
#![cfg(feature = "dicom")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

use std::path::{Path, PathBuf};

use mflag_film::{Film, Limits, Options, Window, decode, decode_bytes, decode_with};
use proptest::prelude::*;
use serde_json::Value;

const WINDOWS: [(Window, &str); 2] = [(Window::FullRange, "full_range"), (Window::Voi, "voi")];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/film_dicom")
}

fn cases(name: &str) -> Vec<Value> {
    serde_json::from_str(&std::fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

fn decoded(path: &Path, window: Window) -> Film {
    let options = Options {
        window,
        ..Options::default()
    };
    decode_with(path, &options).unwrap()
}

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap().as_bytes().chunks(2);
    digits
        .map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap())
        .collect()
}

fn assert_near(pixels: &[u8], case: &Value, window: &str) {
    let golden = bytes(&case[window]);
    assert_eq!(pixels.len(), golden.len(), "{}", case["file"]);
    let farthest = pixels
        .iter()
        .zip(&golden)
        .map(|(a, b)| a.abs_diff(*b))
        .max();
    let farthest = u64::from(farthest.unwrap());
    assert!(
        farthest <= case["tolerance"].as_u64().unwrap(),
        "{} {window}: {farthest}",
        case["file"]
    );
}

fn assert_size(film: &Film, case: &Value) {
    let size = (u64::from(film.width), u64::from(film.height));
    let golden = (&case["width"], &case["height"]);
    assert_eq!(
        size,
        (golden.0.as_u64().unwrap(), golden.1.as_u64().unwrap())
    );
}

#[test]
fn films_equal_those_of_pydicom() {
    for case in cases("film_dicom.json") {
        let file = folder().join(case["file"].as_str().unwrap());
        let jpeg_ls = case["file"].as_str().unwrap().starts_with("jpeg_ls");
        if jpeg_ls && cfg!(not(feature = "jpeg-ls")) {
            let reason = decode(&file, &Limits::default()).unwrap_err().to_string();
            assert!(reason.contains("only with the feature jpeg-ls"), "{reason}");
            continue;
        }
        for (window, key) in WINDOWS {
            let film = decoded(&file, window);
            assert_size(&film, &case);
            assert_near(&film.pixels, &case, key);
        }
    }
}

#[test]
#[ignore = "needs MFLAG_PYDICOM_DATA: the folder data_store/data of pydicom-data 1.0.0"]
fn real_films_equal_those_of_pydicom() {
    let real = PathBuf::from(std::env::var_os("MFLAG_PYDICOM_DATA").expect("MFLAG_PYDICOM_DATA"));
    for case in cases("real.json") {
        for (window, key) in WINDOWS {
            let film = decoded(&real.join(case["file"].as_str().unwrap()), window);
            assert_size(&film, &case);
            assert_near(
                &grid(&film, case["grid"].as_u64().unwrap() as usize),
                &case,
                key,
            );
        }
    }
    let jpeg_ls = real.join("emri_small_jpeg_ls_lossless.dcm");
    if cfg!(feature = "jpeg-ls") {
        let same = decode(&real.join("emri_small.dcm"), &Limits::default()).unwrap();
        assert_eq!(decode(&jpeg_ls, &Limits::default()).unwrap(), same);
    }
    for (name, reason) in [
        ("SC_rgb.dcm", "in colour (RGB"),
        ("OBXXXX1A.dcm", "PALETTE COLOR"),
        ("liver.dcm", "1 bits a pixel"),
    ] {
        let error = decode(&real.join(name), &Limits::default()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(name) && error.contains(reason), "{error}");
    }
}

/// `side` · `side` pixels, evenly spread from corner to corner.
fn grid(film: &Film, side: usize) -> Vec<u8> {
    let (width, height) = (film.width as usize, film.height as usize);
    let at = |k: usize, length: usize| k * (length - 1) / (side - 1);
    (0..side * side)
        .map(|k| film.pixels[at(k / side, height) * width + at(k % side, width)])
        .collect()
}

#[test]
fn percentiles_clip_both_ends() {
    let percentile = |low, high| {
        decoded(
            &folder().join("big_16.dcm"),
            Window::Percentile { low, high },
        )
    };
    let all = percentile(0.0, 100.0);
    assert_eq!(
        all,
        decoded(&folder().join("big_16.dcm"), Window::FullRange)
    );
    let most = percentile(10.0, 75.0);
    let share =
        |grey| most.pixels.iter().filter(|p| **p == grey).count() as f64 / most.pixels.len() as f64;
    assert!((share(0) - 0.10).abs() < 0.02 && (share(255) - 0.25).abs() < 0.02);
}

#[test]
fn invalid_percentiles_are_refused() {
    for (low, high) in [(5.0, 5.0), (-1.0, 50.0), (0.0, 101.0), (f32::NAN, 99.0)] {
        let options = Options {
            window: Window::Percentile { low, high },
            ..Options::default()
        };
        let error = decode_with(&folder().join("big_16.dcm"), &options).unwrap_err();
        assert!(
            error.to_string().contains("0 <= low < high <= 100"),
            "{error}"
        );
    }
}

#[test]
fn windows_are_written_in_snake_case() {
    let read = |text| serde_json::from_str::<Window>(text).unwrap();
    assert_eq!(read(r#""voi""#), Window::default());
    assert_eq!(read(r#""full_range""#), Window::FullRange);
    let window = Window::Percentile {
        low: 0.5,
        high: 99.5,
    };
    assert_eq!(
        read(r#"{"percentile": {"low": 0.5, "high": 99.5}}"#),
        window
    );
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

/// As [`file`], for one of the unusual files.
fn odd(name: &str) -> Vec<u8> {
    file(&format!("../film_odd/{name}"))
}

/// A file with the value of a word element (explicit, little endian) replaced.
fn with_word(mut bytes: Vec<u8>, tag: [u8; 4], value: u16) -> Vec<u8> {
    let at = bytes
        .windows(6)
        .position(|w| w[..4] == tag && &w[4..] == b"US")
        .unwrap();
    bytes[at + 8..at + 10].copy_from_slice(&value.to_le_bytes());
    bytes
}

/// A lossless JPEG that states another number of bits a value (in its SOF3 marker).
fn with_lossless_bits(bits: u8) -> Vec<u8> {
    let mut bytes = file("jpeg_lossless_16.dcm");
    let marker = bytes.windows(2).position(|w| w == [0xff, 0xc3]).unwrap();
    bytes[marker + 4] = bits;
    bytes
}

/// A JPEG 2000 with such small precincts that a film of full size would need gigabytes.
fn with_precincts_of_one_pixel() -> Vec<u8> {
    let mut bytes = file("jpeg_2000_16.dcm");
    let find = |bytes: &[u8], marker: [u8; 2]| bytes.windows(2).rposition(|w| w == marker).unwrap();
    // The comment is replaced by a coding style with precincts for the three resolutions.
    let comment = find(&bytes, [0xff, 0x64]);
    let end = find(&bytes, [0xff, 0x90]);
    let style = [
        0xff, 0x52, 0, 15, 1, 0, 0, 1, 0, 2, 4, 4, 0, 1, 0, 0, 0, 0xff, 0x64,
    ];
    bytes[comment..comment + style.len()].copy_from_slice(&style);
    let rest = (end - comment - style.len()) as u16;
    bytes[comment + style.len()..][..2].copy_from_slice(&rest.to_be_bytes());
    bytes
}

#[test]
fn invalid_files_are_refused_with_the_reason() {
    let refusal = |bytes: &[u8], limits| decode_bytes(bytes, &limits).unwrap_err();
    let (rows, allocated, high) = ([0x28, 0, 0x10, 0], [0x28, 0, 0, 1], [0x28, 0, 2, 1]);
    let few = Limits {
        side: 20,
        bytes: 1 << 20,
    };
    let small = Limits {
        side: 4096,
        bytes: 1000,
    };
    let plain = std::fs::read(folder().join("plain_8.dcm")).unwrap();
    for (bytes, limits, reason) in [
        (plain.clone(), few, "limit of 20 pixels"),
        (plain.clone(), small, "more than the limit of 1000"),
        (
            plain[..plain.len() - 100].to_vec(),
            Limits::default(),
            "cut short",
        ),
        (plain[..200].to_vec(), Limits::default(), "transfer syntax"),
        (
            with_word(file("plain_8.dcm"), rows, 0),
            Limits::default(),
            "29×0",
        ),
        (
            with_word(file("plain_8.dcm"), rows, 9000),
            Limits::default(),
            "cut short",
        ),
        (
            with_word(file("plain_8.dcm"), allocated, 32),
            Limits::default(),
            "32 bits",
        ),
        (
            with_word(file("plain_8.dcm"), high, 12),
            Limits::default(),
            "12 do not fit into 8 bits",
        ),
        (
            with_word(file("rle_16.dcm"), rows, 9000),
            Limits::default(),
            "cut short",
        ),
        (
            with_word(file("rle_8.dcm"), allocated, 16),
            Limits::default(),
            "RLE segments",
        ),
        (
            with_word(file("jpeg_8.dcm"), rows, 9000),
            Limits::default(),
            "a picture of 29×22, but its elements state 29×9000",
        ),
        (
            with_precincts_of_one_pixel(),
            Limits::default(),
            "precincts of 1 pixels",
        ),
        (
            with_word(file("jpeg_2000_16.dcm"), rows, 9000),
            Limits::default(),
            "a picture of 29×22, but its elements state 29×9000",
        ),
        (
            with_lossless_bits(3),
            Limits::default(),
            "its picture has 1276 values, but 638 pixels",
        ),
        (
            odd("deflated.dcm")[..900].to_vec(),
            Limits::default(),
            "its data set cannot be inflated",
        ),
        (
            odd("deflated.dcm"),
            Limits {
                bytes: 1200,
                ..Limits::default()
            },
            "has more than 1200 bytes when inflated",
        ),
        (
            with_word(odd("htj2k.dcm"), rows, 9000),
            Limits::default(),
            "a picture of 29×22, but its elements state 29×9000",
        ),
    ] {
        let found = refusal(&bytes, limits);
        assert!(found.contains(reason), "{found}, not {reason}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Wrong lengths, damage and cut files make no decoder panic.
    #[test]
    fn damage_gives_an_error_or_a_film_but_no_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        keep in any::<prop::sample::Index>(),
        cut: bool,
    ) {
        let odd = folder().with_file_name("film_odd");
        let files = std::fs::read_dir(folder()).unwrap().chain(std::fs::read_dir(odd).unwrap());
        for case in files {
            let path = case.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "dcm") {
                continue;
            }
            let mut bytes = std::fs::read(path).unwrap();
            for (at, to) in &flips {
                // Of the preamble, only the letters DICM at its end count.
                let at = 128 + at.index(bytes.len() - 128);
                bytes[at] = *to;
            }
            if cut {
                bytes.truncate(keep.index(bytes.len()));
            }
            let limits = Limits { side: 4096, bytes: 1 << 26 };
            if let Ok(film) = decode_bytes(&bytes, &limits) {
                prop_assert_eq!(film.pixels.len(), film.width as usize * film.height as usize);
            }
        }
    }
}
