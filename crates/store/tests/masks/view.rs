//! Views against goldens of OpenCV's area filter (`tests/oracle/view.py`). Tolerance: 1 grey level,
//! as OpenCV rounds sums in another order; for masks 0, for their cover 1 of 255.

use mflag_film::{Fit, Grey, Placement, ViewGeometry};
use mflag_store::augment::View;
use mflag_store::mask::{SET, cover, to_resized_square};
use serde_json::Value;

/// In the golden masks: half of the pixel is covered. Rounding decides whether it is set.
const HALF: u8 = 2;

fn numbers<P: TryFrom<u64>>(value: &Value) -> Vec<P> {
    let number = |v: &Value| P::try_from(v.as_u64().unwrap()).ok().unwrap();
    value.as_array().unwrap().iter().map(number).collect()
}

fn farthest<P: Grey>(found: &[P], golden: &[P]) -> u16 {
    assert_eq!(found.len(), golden.len());
    let value = |pixel: &P| -> u16 { (*pixel).into() };
    let pairs = found.iter().zip(golden);
    pairs
        .map(|(a, b)| value(a).abs_diff(value(b)))
        .max()
        .unwrap()
}

#[test]
fn films_and_masks_in_views_equal_the_goldens() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/view/view.json"
    );
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let square = golden["square"].as_u64().unwrap() as u32;
    let (eight, sixteen) = (
        numbers::<u8>(&golden["eight"]),
        numbers::<u16>(&golden["sixteen"]),
    );
    let mask = mflag_film::Film {
        width: square,
        height: square,
        pixels: numbers::<u8>(&golden["mask"]),
    };
    let placement = Placement::new(square, square, square, Fit::Pad).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let side = |key: &str| case[key].as_u64().unwrap() as u32;
        let (resize, side) = (side("resize"), side("side"));
        let view = ViewGeometry::new(square, resize, side).unwrap();
        let far = farthest(&view.view(&eight), &numbers::<u8>(&case["eight"]));
        assert!(far <= 1, "{resize} {side}: {far}");
        let far = farthest(&view.view(&sixteen), &numbers::<u16>(&case["sixteen"]));
        assert!(far <= 1, "{resize} {side}: {far}");
        let mut shares = vec![0; (side * side) as usize];
        View::centre(resize, side).soft_mask(&cover(&mask, &placement, view), &mut shares);
        let far = farthest(&shares, &numbers::<u8>(&case["cover"]));
        assert!(far <= 1, "{resize} {side}: {far}");
        let resized = to_resized_square(&mask, &placement, view);
        let mut seen = vec![0; (side * side) as usize];
        let centre = View::centre(resize, side);
        centre.mask(&resized.pixels, &mut seen);
        let set: Vec<u8> = seen.iter().map(|pixel| u8::from(*pixel == SET)).collect();
        let golden = numbers::<u8>(&case["mask"]);
        assert_eq!(set.len(), golden.len());
        let equal = |(set, golden): (&u8, &u8)| set == golden || *golden == HALF;
        assert!(set.iter().zip(&golden).all(equal), "{resize} {side}");
        let all = resized.pixels.iter().filter(|pixel| **pixel == SET).count();
        let shown = set.iter().filter(|pixel| **pixel == 1).count();
        assert_eq!(centre.hidden(&resized.pixels, &seen), (all - shown) as u64);
    }
}
