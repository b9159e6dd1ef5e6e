//! Goldens against Pillow (`tests/oracle/film.py`). Tolerance: PNG exact; JPEG 2 grey levels (the inverse DCTs round
//! differently); squares 1 level more; films decoded small 1.5 levels on average, as Pillow's BOX takes whole pixels. The side is odd, so that no pixel centre lies on the edge between two new pixels:
//! there rounding decides which of the two gets it.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};

use mflag_film::{Film, Fit, Limits, Options, decode, decode_bytes, decode_square, square};
use proptest::prelude::*;
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/film"
    ))
}

fn farthest(pixels: &[u8], golden: &Value) -> i64 {
    let golden = golden.as_array().unwrap();
    assert_eq!(pixels.len(), golden.len());
    let distance = |(a, b): (&u8, &Value)| (i64::from(*a) - b.as_i64().unwrap()).abs();
    pixels.iter().zip(golden).map(distance).max().unwrap()
}

#[test]
fn films_and_squares_are_those_of_pillow() {
    let cases = std::fs::read_to_string(folder().join("film.json")).unwrap();
    for case in serde_json::from_str::<Vec<Value>>(&cases).unwrap() {
        let name = case["file"].as_str().unwrap();
        let film = decode(&folder().join(name), &Limits::default()).unwrap();
        assert_eq!(
            (u64::from(film.width), u64::from(film.height)),
            (
                case["width"].as_u64().unwrap(),
                case["height"].as_u64().unwrap()
            )
        );
        let tolerance = if name.ends_with("jpg") { 2 } else { 0 };
        assert!(
            farthest(&film.pixels, &case["pixels"]) <= tolerance,
            "{name}"
        );
        for (fit, key) in [(Fit::Pad, "pad"), (Fit::Crop, "crop")] {
            if !case[key].is_null() {
                let far = farthest(&square(&film, 25, fit).pixels, &case[key]);
                assert!(far <= tolerance + 1, "{name} {key}: {far}");
            }
        }
    }
}

#[test]
fn what_is_no_film_is_refused_in_words() {
    let say = |bytes: &[u8], limits| decode_bytes(bytes, &limits).unwrap_err();
    let jpeg = std::fs::read(folder().join("grey.jpg")).unwrap();
    let png = std::fs::read(folder().join("grey.png")).unwrap();
    assert!(say(b"not a film", Limits::default()).contains("neither JPEG nor PNG"));
    assert!(say(&[], Limits::default()).contains("neither JPEG nor PNG"));
    let cmyk = std::fs::read(folder().join("cmyk.jpg")).unwrap();
    assert!(say(&cmyk, Limits::default()).contains("CMYK"));
    let bytes = 5000;
    assert!(say(&png, Limits { side: 100, bytes }).contains("more than the limit of 5000"));
    assert!(say(&jpeg[..jpeg.len() / 2], Limits::default()).contains("cut short"));
    assert!(say(&png[..png.len() / 2], Limits::default()).contains("cannot be decoded"));
    assert!(
        say(
            &png,
            Limits {
                side: 40,
                bytes: 1 << 20
            }
        )
        .contains("limit of 40 pixels")
    );
    let absent = decode(&folder().join("absent.png"), &Limits::default()).unwrap_err();
    assert!(absent.to_string().contains("absent.png"));
    let no_file = decode(&folder(), &Limits::default()).unwrap_err();
    assert!(no_file.to_string().contains("is not a file"));
    let few = Limits {
        side: 100,
        bytes: 9,
    };
    let large = decode(&folder().join("grey.png"), &few).unwrap_err();
    assert!(large.to_string().contains("more than the limit of 9"));
}

/// Mean and largest difference of the squares of a film decoded as a whole and decoded small.
fn differences(path: &Path, side: u32, fit: Fit) -> (f64, u8) {
    let whole = square(&decode(path, &Limits::default()).unwrap(), side, fit);
    let small = decode_square(path, side, fit, &Options::default()).unwrap();
    assert_eq!((small.width, small.height), (side, side));
    let apart: Vec<u8> = whole
        .pixels
        .iter()
        .zip(&small.pixels)
        .map(|(a, b)| a.abs_diff(*b))
        .collect();
    let mean = apart.iter().map(|d| f64::from(*d)).sum::<f64>() / apart.len() as f64;
    (mean, apart.into_iter().max().unwrap())
}

#[test]
fn a_film_decoded_small_is_the_film() {
    for name in ["large.jpg", "tables.jpg"] {
        for fit in [Fit::Pad, Fit::Crop] {
            for side in [9, 15, 22, 40, 60, 93] {
                let (mean, _) = differences(&folder().join(name), side, fit);
                assert!(mean <= 1.5, "{name} {side} {fit:?}: {mean}");
            }
        }
    }
}

/// Where each new pixel is a whole number of cells, decoding small is the area filter: only rounding and clamping differ.
#[test]
fn cells_are_means_of_pixels() {
    for (fit, sides) in [(Fit::Pad, [12, 24, 48]), (Fit::Crop, [10, 20, 40])] {
        for side in sides {
            let (mean, farthest) = differences(&folder().join("restart.jpg"), side, fit);
            assert!(mean < 0.6 && farthest <= 3, "{side}: {mean} {farthest}");
        }
    }
}

/// All that is no grey sequential JPEG at least 8/3 as large is decoded as a whole.
#[test]
fn what_cannot_be_decoded_small_is_decoded_whole() {
    for name in [
        "colour.jpg",
        "progressive.jpg",
        "grey.png",
        "deep.png",
        "grey.jpg",
    ] {
        let side = if name == "grey.jpg" { 60 } else { 10 };
        assert_eq!(
            differences(&folder().join(name), side, Fit::Pad),
            (0.0, 0),
            "{name}"
        );
    }
    let mut bytes = std::fs::read(folder().join("large.jpg")).unwrap();
    bytes.truncate(bytes.len() / 2);
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.jpg");
    std::fs::write(&cut, bytes).unwrap();
    let error = decode_square(&cut, 20, Fit::Pad, &Options::default()).unwrap_err();
    assert!(error.to_string().contains("cut short"), "{error}");
}

proptest! {
    #[test]
    fn a_square_is_a_square(width in 1u32..80, height in 1u32..80, side in 1u32..60, crop: bool, grey: u8) {
        let fit = if crop { Fit::Crop } else { Fit::Pad };
        let out = square(&Film::filled(width, height, grey), side, fit);
        prop_assert_eq!((out.width, out.height, out.pixels.len()), (side, side, (side * side) as usize));
        // Resampling an even film leaves it even.
        prop_assert!(out.pixels.iter().all(|&p| p == grey || (p == 0 && fit == Fit::Pad)));
    }

    #[test]
    fn damage_is_an_error_or_a_film_but_never_a_panic(at in 0usize..9000, to: u8, keep in 0usize..9000, cut: bool) {
        let limits = Limits { side: 4096, bytes: 1 << 26 };
        let folder_of_damage = tempfile::tempdir().unwrap();
        let path = folder_of_damage.path().join("damaged");
        for name in ["grey.jpg", "progressive.jpg", "colour.jpg", "cmyk.jpg", "restart.jpg", "tables.jpg", "alpha.png", "palette.png", "deep.png"] {
            let mut bytes = std::fs::read(folder().join(name)).unwrap();
            let n = bytes.len();
            bytes[at % n] = to;
            if cut {
                bytes.truncate(keep % n);
            }
            let _ = decode_bytes(&bytes, &limits);
            std::fs::write(&path, bytes).unwrap();
            let _ = decode_square(&path, 9, Fit::Pad, &limits.into());
        }
    }
}
