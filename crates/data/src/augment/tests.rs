//! Goldens against torchvision (`tests/oracle/augment.py`); tolerance 1 grey level, views being rounded to 8 bits.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn golden() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/augment/augment.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    numbers(value).iter().map(|v| *v as u8).collect()
}

fn farthest(view: &[u8], golden: &Value) -> f64 {
    let pairs = view.iter().zip(numbers(golden));
    pairs
        .map(|(a, b)| (f64::from(*a) - b).abs())
        .fold(0.0, f64::max)
}

#[test]
fn rotation_perspective_and_contrast_are_those_of_torchvision() {
    let golden = golden();
    let side = golden["side"].as_u64().unwrap() as u32;
    let film = bytes(&golden["film"]);
    for case in golden["cases"].as_array().unwrap() {
        let mut view = vec![0; film.len()];
        if let Some(degrees) = case["degrees"].as_f64() {
            resample(
                &film,
                side,
                &mut view,
                side,
                &Homography::rotation(degrees, side),
            );
        } else if case["corners"].is_array() {
            let corner = |i: usize| {
                let at = numbers(&case["corners"][i]);
                (at[0], at[1])
            };
            let corners = std::array::from_fn(corner);
            resample(
                &film,
                side,
                &mut view,
                side,
                &Homography::perspective(side, &corners),
            );
        } else {
            view = bytes(&case["contrast"]);
            autocontrast(&mut view);
        }
        let far = farthest(&view, &case["view"]);
        assert!(far <= 1.0, "{far} in {case}");
    }
}

#[test]
fn composed_maps_are_applied_inside_out() {
    let shift = Homography::shift(3.0, -2.0);
    let turn = Homography::rotation(90.0, 10);
    let both = shift.after(&turn);
    let apply = |h: &Homography, (x, y): (f64, f64)| {
        let m = h.0;
        (m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5])
    };
    let (a, b) = (
        apply(&both, (1.0, 2.0)),
        apply(&shift, apply(&turn, (1.0, 2.0))),
    );
    assert!((a.0 - b.0).abs() < 1e-9 && (a.1 - b.1).abs() < 1e-9);
}

#[test]
fn without_changes_a_view_is_the_middle() {
    let film: Vec<u8> = (0..36).map(|v| v * 7).collect();
    let still = Augment {
        crop: false,
        rotation: Degrees { from: 0.0, to: 0.0 },
        perspective: Perspective {
            distortion: 0.0,
            probability: 0.0,
        },
        autocontrast: 0.0,
    };
    let (mut view, mut middle) = ([0; 16], [0; 16]);
    still.view(&film, 6, &mut view, 4, &mut mflag_core::seed::rng(0, 0, 0));
    centre(&film, 6, &mut middle, 4);
    assert_eq!(view, middle);
    assert_eq!(middle[..4], film[7..11]);
}

proptest! {
    #[test]
    fn any_draw_makes_a_view(seed: u64, index in 0u64..100, side in 2u32..40, room in 0u32..20) {
        let from = side + room;
        let film = vec![200; (from * from) as usize];
        let mut view = vec![0; (side * side) as usize];
        Augment::default().view(&film, from, &mut view, side, &mut mflag_core::seed::rng(seed, 1, index));
        let mut again = vec![1; view.len()];
        Augment::default().view(&film, from, &mut again, side, &mut mflag_core::seed::rng(seed, 1, index));
        prop_assert_eq!(view, again);
    }
}
