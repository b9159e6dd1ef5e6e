//! Goldens against Pillow (`tests/oracle/film.py`). Tolerance: PNG exact; JPEG 2 grey levels (the inverse DCTs round
//! differently); squares 1 level more. The side is odd, so that no pixel centre lies on the edge between two new pixels:
//! there rounding decides which of the two gets it.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::PathBuf;

use mflag_film::{Film, Fit, Limits, decode, decode_bytes, square};
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
    fn damage_is_an_error_or_a_film_but_never_a_panic(at in 0usize..2000, to: u8, keep in 0usize..3000) {
        for name in ["grey.jpg", "progressive.jpg", "alpha.png"] {
            let mut bytes = std::fs::read(folder().join(name)).unwrap();
            let n = bytes.len();
            bytes[at % n] = to;
            let _ = decode_bytes(&bytes, &Limits { side: 4096, bytes: 1 << 26 });
            let _ = decode_bytes(&bytes[..keep.min(n)], &Limits { side: 4096, bytes: 1 << 26 });
        }
    }
}
