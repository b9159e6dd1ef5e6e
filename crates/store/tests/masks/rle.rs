//! Run-length strings equal goldens of numpy (`tests/oracle/rle.py`); masks, runs and strings
//! convert into each other without loss.

use mflag_store::rle::{Encoding, mask_to_runs, parse, runs_to_mask, union, write};
use proptest::prelude::*;
use rstest::rstest;
use serde::Deserialize;

const BOTH: [Encoding; 2] = [Encoding::Relative, Encoding::Absolute];

#[derive(Deserialize)]
struct Golden {
    name: String,
    width: u32,
    height: u32,
    rows: Vec<String>,
    relative: String,
    absolute: String,
}

#[test]
fn strings_equal_those_of_numpy() {
    let golden = include_str!("../../../../tests/golden/rle/rle.json");
    let golden: Vec<Golden> = serde_json::from_str(golden).unwrap();
    assert_eq!(golden.len(), 9);
    for g in golden {
        let mask: Vec<u8> = g.rows.concat().bytes().map(|b| b - b'0').collect();
        let runs = mask_to_runs(&mask, g.width);
        for (encoding, text) in BOTH.into_iter().zip([&g.relative, &g.absolute]) {
            assert_eq!(write(&runs, encoding), *text, "{} {encoding:?}", g.name);
            let parsed = parse(text, encoding, g.width, g.height).unwrap();
            assert_eq!(parsed, runs, "{} {encoding:?}", g.name);
        }
        let mut drawn = vec![0; mask.len()];
        runs_to_mask(&runs, &mut drawn, g.width, 1);
        assert_eq!(drawn, mask, "{}", g.name);
    }
}

/// The pixels of a mask row by row, and its width.
fn masks() -> impl Strategy<Value = (Vec<u8>, u32)> {
    (1u32..20, 1usize..20, 0.0..1.0).prop_flat_map(|(width, height, share)| {
        let pixel = prop::bool::weighted(share).prop_map(u8::from);
        let pixels = prop::collection::vec(pixel, width as usize * height);
        (pixels, Just(width))
    })
}

proptest! {
    #[test]
    fn masks_runs_and_strings_convert_into_each_other((mask, width) in masks()) {
        let runs = mask_to_runs(&mask, width);
        let apart = runs.windows(2).all(|w| w[0][0] + w[0][1] < w[1][0]);
        prop_assert!(apart && runs.iter().all(|r| r[1] > 0));
        let mut drawn = vec![0; mask.len()];
        runs_to_mask(&runs, &mut drawn, width, 1);
        prop_assert_eq!(&drawn, &mask);
        let height = mask.len() as u32 / width;
        for encoding in BOTH {
            let text = write(&runs, encoding);
            prop_assert_eq!(&parse(&text, encoding, width, height).unwrap(), &runs);
        }
    }

    #[test]
    fn a_union_has_the_pixels_of_all_masks(
        (masks, width) in (1usize..12, 1u32..12, 1usize..5).prop_flat_map(|(height, width, n)| {
            let pixel = prop::bool::weighted(0.3).prop_map(u8::from);
            let mask = prop::collection::vec(pixel, height * width as usize);
            (prop::collection::vec(mask, n), Just(width))
        })
    ) {
        let runs: Vec<_> = masks.iter().map(|mask| mask_to_runs(mask, width)).collect();
        let any = |i: usize| masks.iter().map(|mask| mask[i]).max().unwrap();
        let any: Vec<u8> = (0..masks[0].len()).map(any).collect();
        prop_assert_eq!(union(runs.iter().map(Vec::as_slice)), mask_to_runs(&any, width));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-0-9 ex.]{0,40}", relative: bool) {
        let encoding = if relative { Encoding::Relative } else { Encoding::Absolute };
        if let Ok(runs) = parse(&text, encoding, 64, 32) {
            prop_assert!(runs.iter().all(|r| r[0] + r[1] <= 64 * 32));
            let text = write(&runs, encoding);
            prop_assert_eq!(parse(&text, encoding, 64, 32).unwrap(), runs);
        }
    }
}

#[rstest]
#[case::odd(
    Encoding::Relative,
    "3 2 1",
    "run 2 of the run-length string has no length"
)]
#[case::negative(
    Encoding::Relative,
    "-1",
    "run 1 of the run-length string has '-1', which is negative"
)]
#[case::negative_length(Encoding::Absolute, "1 -2", "has '-2', which is negative")]
#[case::word(Encoding::Relative, "1 two", "has 'two', which is not a whole number")]
#[case::fraction(Encoding::Relative, "1.5 2", "has '1.5', which is not a whole number")]
#[case::large(
    Encoding::Absolute,
    "1 4294967296",
    "has '4294967296', which is not a whole number below 2^32"
)]
#[case::empty_run(
    Encoding::Relative,
    "1 2 3 0",
    "run 2 of the run-length string is empty; leave it out"
)]
#[case::beyond(
    Encoding::Relative,
    "10 2 3 6",
    "run 2 of the run-length string ends at pixel 21, and the film has 5×4 = 20"
)]
#[case::far_beyond(
    Encoding::Relative,
    "4294967295 4294967295",
    "ends at pixel 8589934590"
)]
#[case::absolute_beyond(
    Encoding::Absolute,
    "20 2",
    "run 1 of the run-length string ends at pixel 21"
)]
#[case::zero(Encoding::Absolute, "0 2", "begins at 0: count pixels from 1")]
#[case::overlap(
    Encoding::Absolute,
    "5 3 7 2",
    "run 2 of the run-length string begins before the previous run ends"
)]
#[case::descending(Encoding::Absolute, "9 2 1 2", "begins before the previous run ends")]
fn invalid_strings_are_refused_with_the_reason(
    #[case] encoding: Encoding,
    #[case] text: &str,
    #[case] reason: &str,
) {
    let message = parse(text, encoding, 5, 4).unwrap_err().to_string();
    assert!(message.contains(reason), "{message}");
    assert!(message.len() < 200, "{message}");
}

#[test]
fn touching_runs_become_one() {
    assert_eq!(
        parse("2 3 0 1 1 1", Encoding::Relative, 5, 4).unwrap(),
        [[2, 4], [7, 1]]
    );
    assert_eq!(
        parse(" 20  1 ", Encoding::Absolute, 5, 4).unwrap(),
        [[19, 1]]
    );
    assert_eq!(parse("", Encoding::Absolute, 5, 4).unwrap(), [[0; 2]; 0]);
}

/// A film of 1024×1024 with 20 strings of 250 runs takes less than 1 ms with optimisation, so less
/// than 10 ms on any machine.
#[test]
fn twenty_strings_are_united_quickly() {
    let rows: Vec<String> = (0..20u32)
        .map(|row| format!("{} 100 {}", 300_000 + row * 70, "900 124 ".repeat(249)))
        .collect();
    let best = (0..10).map(|_| {
        let begin = std::time::Instant::now();
        let runs: Vec<_> = rows
            .iter()
            .map(|text| parse(text, Encoding::Relative, 1024, 1024).unwrap())
            .collect();
        assert_eq!(runs[0].len(), 250);
        assert!(!union(runs.iter().map(Vec::as_slice)).is_empty());
        begin.elapsed()
    });
    let best = best.min().unwrap();
    println!("20 rows of 250 runs: {best:?}");
    assert!(best.as_millis() < 10, "{best:?}");
}
