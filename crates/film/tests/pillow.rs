//! Films against goldens of Pillow and OpenCV (`tests/oracle/film.py`). Tolerance in grey levels of
//! 255: PNG 0; JPEG 2, as the inverse DCTs round differently; for squares 1 more. Films that are
//! decoded small may differ from those decoded whole by 1.5 on average.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

use std::path::{Path, PathBuf};

use mflag_film::{
    Depth, Film, Fit, Greys, Limits, Options, Remark, Squaring, Window, decode, decode_bytes,
    decode_mask, decode_with, square,
};
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

fn goldens() -> Vec<Value> {
    let cases = std::fs::read_to_string(folder().join("film.json")).unwrap();
    serde_json::from_str(&cases).unwrap()
}

/// The square in 8 bits that [`Squaring::read`] gives.
fn read(path: &Path, side: u32, fit: Fit) -> Film {
    let squared = Squaring::new(side, fit).read(path, &Limits::default());
    let pixels = squared.unwrap().greys.into_eight();
    Film {
        width: side,
        height: side,
        pixels,
    }
}

#[test]
fn films_and_their_squares_equal_the_goldens() {
    for case in goldens().iter().filter(|case| !case["pixels"].is_null()) {
        let name = case["file"].as_str().unwrap();
        let film = decode(&folder().join(name), &Limits::default()).unwrap();
        let size = (u64::from(film.width), u64::from(film.height));
        let golden = (case["width"].as_u64(), case["height"].as_u64());
        assert_eq!((Some(size.0), Some(size.1)), golden);
        let tolerance = if name.ends_with("jpg") { 2 } else { 0 };
        let far = farthest(&film.pixels, &case["pixels"]);
        assert!(far <= tolerance, "{name}: {far}");
        for (fit, key) in [(Fit::Pad, "pad"), (Fit::Crop, "crop")] {
            if !case[key].is_null() {
                let far = farthest(&square(&film, 25, fit).pixels, &case[key]);
                assert!(far <= tolerance + 1, "{name} {key}: {far}");
            }
        }
    }
}

/// Against OpenCV and scikit-image (`tests/oracle/squeeze.py`). Tolerance: 1 grey level of 255; in
/// 15 % of the pixels for OpenCV, whose shares have 11 bits, and in 0.1 % for M-FLAG's form, whose
/// greys are rounded down.
#[test]
fn squeezed_squares_equal_the_goldens() {
    let cases = std::fs::read_to_string(folder().join("squeeze.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let name = case["file"].as_str().unwrap();
        for golden in case["squares"].as_array().unwrap() {
            let side = golden["side"].as_u64().unwrap() as u32;
            for (key, fit, window, share) in [
                ("squeeze", Fit::Squeeze, Window::Voi, 0.15),
                ("max_scaled", Fit::Squeeze, Window::MaxScaled, 0.15),
                ("official", Fit::Official, Window::Voi, 0.001),
            ] {
                let squaring = Squaring {
                    window,
                    ..Squaring::new(side, fit)
                };
                let read = squaring
                    .read(&folder().join(name), &Limits::default())
                    .unwrap();
                let part: Option<[u32; 4]> = serde_json::from_value(case["part"].clone()).unwrap();
                assert_eq!(read.part, part.filter(|_| fit == Fit::Official));
                let found = read.greys.into_eight();
                let far = farthest(&found, &golden[key]);
                assert!(far <= 1, "{name} {key} {side}: {far}");
                let golden: Vec<u8> = serde_json::from_value(golden[key].clone()).unwrap();
                let others = found.iter().zip(&golden).filter(|(a, b)| a != b).count();
                let allowed = share * found.len() as f64;
                assert!(others as f64 <= allowed, "{name} {key} {side}: {others}");
            }
        }
    }
}

/// The square is the one of the upright film, for JPEGs that are decoded small otherwise, too.
#[test]
fn turned_films_become_squares_of_the_upright_film() {
    for orientation in 1..=8 {
        for kind in ["jpg", "png"] {
            let path = folder().join(format!("exif_{orientation}.{kind}"));
            for (fit, side) in [(Fit::Pad, 7), (Fit::Crop, 7), (Fit::Pad, 25)] {
                let squared = Squaring::new(side, fit)
                    .read(&path, &Limits::default())
                    .unwrap();
                let expected = if orientation == 1 {
                    vec![]
                } else {
                    vec![Remark::Turned]
                };
                assert_eq!(squared.remarks, expected);
                let upright = decode(&path, &Limits::default()).unwrap();
                assert_eq!(
                    (squared.width, squared.height),
                    (upright.width, upright.height)
                );
                if orientation > 1 {
                    assert_eq!(squared.into_film(), square(&upright, side, fit));
                }
            }
        }
    }
}

/// A mask is turned as its film is. Its values are not stretched by a window.
#[test]
fn stored_values_are_upright_and_keep_their_depth() {
    let turned = folder().join("exif_6.png");
    let stored = decode_mask(&turned, &Limits::default()).unwrap().values;
    let film = decode(&turned, &Limits::default()).unwrap();
    let greys: Vec<u16> = film.pixels.iter().map(|grey| u16::from(*grey)).collect();
    assert_eq!((stored.width, stored.pixels), (film.width, greys));
    let deep = decode_mask(&folder().join("deep_colour.png"), &Limits::default()).unwrap();
    let case = goldens()
        .into_iter()
        .find(|case| case["file"] == "deep_colour.png")
        .unwrap();
    let golden: Vec<u16> = serde_json::from_value(case["stored"].clone()).unwrap();
    assert_eq!(deep.values.pixels, golden);
}

/// Grey, progressive and in colour, at 1/8, 1/4 and 1/2.
#[test]
fn films_decoded_small_equal_those_of_pillow() {
    let mut compared = 0;
    for case in goldens() {
        let Some(small) = case["small"].as_object() else {
            continue;
        };
        let name = case["file"].as_str().unwrap();
        for (side, golden) in small {
            let found = read(&folder().join(name), side.parse().unwrap(), Fit::Pad);
            let far = farthest(&found.pixels, golden);
            assert!(far <= 1, "{name} {side}: {far}");
            compared += 1;
        }
    }
    assert_eq!(compared, 9);
}

#[test]
fn invalid_files_are_refused_with_the_reason() {
    let refusal = |bytes: &[u8], limits| decode_bytes(bytes, &limits).unwrap_err();
    let jpeg = std::fs::read(folder().join("grey.jpg")).unwrap();
    let png = std::fs::read(folder().join("grey.png")).unwrap();
    assert!(refusal(b"not a film", Limits::default()).contains("neither JPEG nor PNG"));
    assert!(refusal(&[], Limits::default()).contains("neither JPEG nor PNG"));
    let cmyk = std::fs::read(folder().join("cmyk.jpg")).unwrap();
    assert!(refusal(&cmyk, Limits::default()).contains("CMYK"));
    let bytes = 5000;
    assert!(refusal(&png, Limits { side: 100, bytes }).contains("more than the limit of 5000"));
    assert!(refusal(&jpeg[..jpeg.len() / 2], Limits::default()).contains("cut short"));
    assert!(refusal(&png[..png.len() / 2], Limits::default()).contains("cannot be decoded"));
    assert!(
        refusal(
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
    assert!(
        no_file
            .to_string()
            .contains("is a folder, not a regular file")
    );
    let few = Limits {
        side: 100,
        bytes: 9,
    };
    let large = decode(&folder().join("grey.png"), &few).unwrap_err();
    assert!(large.to_string().contains("more than the limit of 9"));
}

/// Mean and largest difference between the squares of a film decoded whole and decoded small.
fn differences(path: &Path, side: u32, fit: Fit) -> (f64, u8) {
    let whole = square(&decode(path, &Limits::default()).unwrap(), side, fit);
    let small = read(path, side, fit);
    assert_eq!(whole.pixels.len(), small.pixels.len());
    let both = whole.pixels.iter().zip(&small.pixels);
    let apart: Vec<u8> = both.map(|(a, b)| a.abs_diff(*b)).collect();
    let mean = apart.iter().map(|d| f64::from(*d)).sum::<f64>() / apart.len() as f64;
    (mean, apart.into_iter().max().unwrap())
}

#[test]
fn films_decoded_small_are_near_films_decoded_whole() {
    for name in [
        "large.jpg",
        "tables.jpg",
        "large_progressive.jpg",
        "large_colour.jpg",
    ] {
        for fit in [Fit::Pad, Fit::Crop] {
            for side in [9, 15, 22, 40, 60, 93] {
                let (mean, _) = differences(&folder().join(name), side, fit);
                assert!(mean <= 1.5, "{name} {side} {fit:?}: {mean}");
            }
        }
    }
}

#[test]
#[ignore = "needs MFLAG_REAL_CXR: a folder with real films as JPEGs, in subfolders, too"]
fn real_films_decoded_small_are_near_films_decoded_whole() {
    let folder = PathBuf::from(std::env::var_os("MFLAG_REAL_CXR").expect("MFLAG_REAL_CXR"));
    for side in [64, 112, 224, 256] {
        let mut films = 0;
        let (mut means, mut worst, mut farthest) = (0.0, 0.0f64, 0);
        for path in jpegs(&folder) {
            let (mean, far) = differences(&path, side, Fit::Pad);
            assert!(mean <= 2.5, "{} {side}: {mean}", path.display());
            (films, means) = (films + 1, means + mean);
            (worst, farthest) = (worst.max(mean), farthest.max(far));
        }
        assert!(films > 0, "{} has no JPEG", folder.display());
        let mean = means / f64::from(films);
        assert!(mean <= 0.7, "{side}: {mean}");
        println!(
            "{films} films, {side} px: mean {mean:.3}, worst film {worst:.3}, pixel {farthest}"
        );
    }
}

fn jpegs(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.flat_map(|path| {
        if path.is_dir() {
            return jpegs(&path);
        }
        let jpeg = path.extension().is_some_and(|e| e == "jpg");
        if jpeg { vec![path] } else { vec![] }
    });
    files.collect()
}

/// If a pixel of the square covers a whole number of blocks, decoding small equals the area filter,
/// except for rounding and clamping.
#[test]
fn blocks_are_means_of_pixels() {
    for (fit, side) in [(Fit::Pad, 12), (Fit::Crop, 10)] {
        let (mean, farthest) = differences(&folder().join("restart.jpg"), side, fit);
        assert!(mean < 0.6 && farthest <= 3, "{side}: {mean} {farthest}");
    }
}

#[test]
fn all_but_large_jpegs_are_decoded_whole() {
    for (name, side) in [("grey.png", 10), ("deep.png", 10), ("grey.jpg", 60)] {
        let apart = differences(&folder().join(name), side, Fit::Pad);
        assert_eq!(apart, (0.0, 0), "{name}");
    }
}

#[test]
fn percentiles_count_the_pixels_of_the_whole_film() {
    let window = Window::Percentile {
        low: 10.0,
        high: 60.0,
    };
    let path = folder().join("large.jpg");
    let options = Options {
        window,
        ..Options::default()
    };
    let whole = decode_with(&path, &options).unwrap();
    let white = whole.pixels.iter().filter(|p| **p == 255).count() as f64;
    assert!((white / whole.pixels.len() as f64 - 0.4).abs() < 0.02);
    let squaring = Squaring {
        window,
        ..Squaring::new(20, Fit::Pad)
    };
    let read = squaring.read(&path, &Limits::default()).unwrap();
    assert_eq!(read.greys.into_eight(), square(&whole, 20, Fit::Pad).pixels);
}

#[test]
fn films_of_16_bits_keep_them() {
    let deep = Squaring {
        depth: Depth::Sixteen,
        ..Squaring::new(20, Fit::Pad)
    };
    let read = |name: &str| deep.read(&folder().join(name), &Limits::default()).unwrap();
    let Greys::Sixteen(found) = read("deep.png").greys else {
        unreachable!("the depth is 16 bits")
    };
    // The film has 20 × 16 pixels: none is resampled.
    let original = image::open(folder().join("deep.png"))
        .unwrap()
        .into_luma16();
    let (low, high) = (
        *original.iter().min().unwrap(),
        *original.iter().max().unwrap(),
    );
    let share = |v: u16| f64::from(v - low) / f64::from(high - low);
    let golden: Vec<u16> = original
        .iter()
        .map(|v| (share(*v) * 65_535.0).round() as u16)
        .collect();
    assert_eq!(found[2 * 20..18 * 20], golden);
    assert!(found[..2 * 20].iter().all(|v| *v == 0));
    // A film of 8 bits, read in 16 and converted back, differs by one rounding at most.
    let grey = read("grey.png").greys.into_eight();
    let eight = crate::read(&folder().join("grey.png"), 20, Fit::Pad).pixels;
    assert!(grey.iter().zip(&eight).all(|(a, b)| a.abs_diff(*b) <= 1));
}

#[test]
fn damage_in_the_middle_is_refused_at_any_size() {
    for name in ["large.jpg", "large_progressive.jpg", "large_colour.jpg"] {
        let mut bytes = std::fs::read(folder().join(name)).unwrap();
        bytes.truncate(bytes.len() / 2);
        for side in [15, 60, 180] {
            let squaring = Squaring::new(side, Fit::Pad);
            let reason = squaring.decode(&bytes, &Limits::default()).unwrap_err();
            assert!(reason.contains("is cut short"), "{name} {side}: {reason}");
            // With an end marker, libjpeg would invent the rest.
            let ended = [&bytes[..], &[0xff, 0xd9]].concat();
            let reason = squaring.decode(&ended, &Limits::default()).unwrap_err();
            let damaged = reason.contains("Corrupt") || reason.contains("is cut short");
            assert!(damaged, "{name} {side}: {reason}");
        }
    }
}

proptest! {
    #[test]
    fn a_uniform_film_becomes_a_uniform_square(
        width in 1u32..80,
        height in 1u32..80,
        side in 1u32..60,
        crop: bool,
        grey: u8,
    ) {
        let fit = if crop { Fit::Crop } else { Fit::Pad };
        let out = square(&Film::filled(width, height, grey), side, fit);
        prop_assert_eq!((out.width, out.height), (side, side));
        prop_assert_eq!(out.pixels.len(), (side * side) as usize);
        prop_assert!(out.pixels.iter().all(|&p| p == grey || (p == 0 && fit == Fit::Pad)));
    }

    #[test]
    fn damage_gives_an_error_or_a_film_but_no_panic(
        at in 0usize..9000,
        to: u8,
        keep in 0usize..9000,
        cut: bool,
    ) {
        let limits = Limits { side: 4096, bytes: 1 << 26 };
        for name in [
            "grey.jpg",
            "progressive.jpg",
            "colour.jpg",
            "cmyk.jpg",
            "restart.jpg",
            "tables.jpg",
            "large_progressive.jpg",
            "alpha.png",
            "palette.png",
            "deep.png",
            "deep_colour.png",
            "exif_6.jpg",
            "exif_7.png",
        ] {
            let mut bytes = std::fs::read(folder().join(name)).unwrap();
            let n = bytes.len();
            bytes[at % n] = to;
            if cut {
                bytes.truncate(keep % n);
            }
            let _ = decode_bytes(&bytes, &limits);
            let _ = Squaring::new(9, Fit::Pad).decode(&bytes, &limits);
        }
    }
}
