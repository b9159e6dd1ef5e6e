//! Masks and boxes in squares lie where `mflag_film::square` puts the film's pixels.

use std::path::Path;

use mflag_film::{Film, Fit, Placement, ViewGeometry};
use mflag_store::mask::{
    SET, from_boxes, from_file, outside_square, scale, to_pixels, to_resized_square, to_runs,
    to_square,
};
use mflag_store::{BoundingBox, Mask};
use proptest::prelude::*;

/// Goldens that tests/oracle/masks.py makes.
const MASKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/masks");

fn bounding_box(x: f64, y: f64, width: f64, height: f64) -> BoundingBox {
    BoundingBox {
        label: "Lung Opacity".to_owned(),
        x,
        y,
        width,
        height,
    }
}

fn fits() -> impl Strategy<Value = Fit> {
    prop::sample::select(vec![Fit::Pad, Fit::Crop, Fit::Squeeze, Fit::Official])
}

/// Where a film lies in its square. For [`Fit::Official`], a tenth of it at three edges is black.
fn placement(width: u32, height: u32, side: u32, fit: Fit) -> Placement {
    let placement = Placement::new(width, height, side, fit).unwrap();
    if fit != Fit::Official {
        return placement;
    }
    let (left, top) = (width / 10, height / 10);
    placement
        .with_part([left, top, width - 2 * left, height - top])
        .unwrap()
}

fn corners(b: &BoundingBox) -> [f64; 4] {
    [b.x, b.y, b.x + b.width, b.y + b.height]
}

fn near(a: [f64; 4], b: [f64; 4], tolerance: f64) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
}

fn area(film: &Film) -> usize {
    film.pixels.iter().filter(|p| **p == SET).count()
}

/// Size of a film, and a box on it of at least a third of each side.
fn boxes() -> impl Strategy<Value = (u32, u32, BoundingBox)> {
    let part = || (0.0..0.6f64, 0.34..0.4f64);
    (40u32..300, 40u32..300, part(), part()).prop_map(|(width, height, (x, w), (y, h))| {
        let (columns, rows) = (f64::from(width), f64::from(height));
        let whole = bounding_box(
            (x * columns).floor(),
            (y * rows).floor(),
            (w * columns).floor(),
            (h * rows).floor(),
        );
        (width, height, whole)
    })
}

proptest! {
    /// Padding and squeezing change no box; cropping may cut a box but never enlarges it.
    #[test]
    fn boxes_return_to_where_they_were(
        (width, height, film_box) in boxes(),
        side in 32u32..512,
        fit in fits(),
    ) {
        let placement = placement(width, height, side, fit);
        let squared = film_box.to_square(&placement);
        if matches!(fit, Fit::Pad | Fit::Squeeze) {
            let back = squared.unwrap().to_film(&placement).unwrap();
            prop_assert!(near(corners(&back), corners(&film_box), 1e-9), "{back:?}");
        } else if let Some(squared) = squared {
            let [left, top, right, bottom] = corners(&squared);
            let end = f64::from(side) + 1e-9;
            prop_assert!(left >= 0.0 && top >= 0.0 && right <= end && bottom <= end);
            let back = corners(&squared.to_film(&placement).unwrap());
            let whole = corners(&film_box);
            prop_assert!(back[0] >= whole[0] - 1e-9 && back[2] <= whole[2] + 1e-9);
            prop_assert!(back[1] >= whole[1] - 1e-9 && back[3] <= whole[3] + 1e-9);
        }
    }

    /// The box in the square lies over the film's pixels in the square. Each edge may be off by
    /// half a pixel of the square, as pixels are set or not, and by half a pixel of the film.
    #[test]
    fn a_box_lies_over_its_pixels(
        (width, height, film_box) in boxes(),
        side in 32u32..400,
        fit in fits(),
    ) {
        let placement = placement(width, height, side, fit);
        let mask = from_boxes(std::slice::from_ref(&film_box), width, height);
        let square = to_square(&mask, &placement).unwrap();
        let Some(squared) = film_box.to_square(&placement) else {
            prop_assert_eq!(area(&square), 0);
            return Ok(());
        };
        // Cropping may leave less than a pixel of a box.
        prop_assume!(squared.width > 2.0 && squared.height > 2.0);
        let set: Vec<(u32, u32)> = (0..side * side)
            .filter(|i| square.pixels[*i as usize] == SET)
            .map(|i| (i % side, i / side))
            .collect();
        let range = |values: Vec<u32>| {
            let (first, last) = (values.iter().min().unwrap(), values.iter().max().unwrap());
            (f64::from(*first), f64::from(last + 1))
        };
        let (left, right) = range(set.iter().map(|p| p.0).collect());
        let (top, bottom) = range(set.iter().map(|p| p.1).collect());
        let [across, down] = placement.scales();
        let scale = across.max(down);
        let tolerance = 0.51 + 0.5 * scale.min(1.0);
        let found = [left, top, right, bottom];
        prop_assert!(near(found, corners(&squared), tolerance), "{found:?} {squared:?}");
    }

    /// An ellipse keeps its share of the film's area. The tolerance is half a pixel along its edge.
    #[test]
    fn a_mask_keeps_its_area(
        width in 40u32..600,
        height in 40u32..600,
        side in 32u32..256,
        centre in (0.3..0.7f64, 0.3..0.7f64),
    ) {
        let (columns, rows) = (f64::from(width), f64::from(height));
        let centre = (centre.0 * columns, centre.1 * rows);
        let half_axes = (0.25 * columns, 0.2 * rows);
        let (before, after) = ellipse((width, height), side, centre, half_axes);
        let placement = Placement::new(width, height, side, Fit::Pad).unwrap();
        let all = bounding_box(0.0, 0.0, columns, rows).to_square(&placement).unwrap();
        let expected = before * (all.width / columns) * (all.height / rows);
        // The edge is at most as long as that of a circle whose radius is the root mean square of
        // the half axes.
        let squares = (0.25 * all.width).powi(2) + (0.2 * all.height).powi(2);
        let edge = std::f64::consts::PI * (2.0 * squares).sqrt();
        prop_assert!((after - expected).abs() <= 0.5 * edge + 1.0, "{after} for {expected}");
    }

    /// The mask of boxes equals the result of testing each pixel's centre.
    #[test]
    fn boxes_become_the_pixels_in_them(
        boxes in prop::collection::vec((-5.0..30.0, -5.0..30.0, 0.1..20.0, 0.1..20.0), 0..5)
    ) {
        let boxes = boxes.into_iter().map(|(x, y, w, h)| bounding_box(x, y, w, h));
        let boxes: Vec<_> = boxes.collect();
        let drawn = to_pixels(&from_boxes(&boxes, 25, 19), 25, 19).unwrap();
        for (i, pixel) in drawn.pixels.iter().enumerate() {
            let (x, y) = ((i % 25) as f64 + 0.5, (i / 25) as f64 + 0.5);
            let inside = boxes.iter().any(|b| {
                let [left, top, right, bottom] = corners(b);
                (left..right).contains(&x) && (top..bottom).contains(&y)
            });
            prop_assert_eq!(*pixel == SET, inside, "{}, {}", x, y);
        }
    }
}

/// Numbers of pixels of an ellipse on a film, and in the padded square.
fn ellipse(size: (u32, u32), side: u32, centre: (f64, f64), half_axes: (f64, f64)) -> (f64, f64) {
    let (width, height) = size;
    let inside = |i: u32| {
        let (x, y) = (
            f64::from(i % width) + 0.5 - centre.0,
            f64::from(i / width) + 0.5 - centre.1,
        );
        u8::from((x / half_axes.0).powi(2) + (y / half_axes.1).powi(2) <= 1.0)
    };
    let pixels: Vec<u8> = (0..width * height).map(inside).collect();
    let runs = mflag_store::rle::mask_to_runs(&pixels, width);
    let mask = Mask::Runs {
        width,
        height,
        runs,
    };
    let placement = Placement::new(width, height, side, Fit::Pad).unwrap();
    let before = area(&to_pixels(&mask, width, height).unwrap());
    (
        before as f64,
        area(&to_square(&mask, &placement).unwrap()) as f64,
    )
}

/// On films of the size of RSNA's and SIIM's, a finding of medium size keeps its area to 1 %.
#[test]
fn a_finding_keeps_its_area() {
    for side in [224, 256, 512] {
        let (before, after) = ellipse((1024, 1024), side, (300.2, 610.7), (90.0, 150.0));
        let share = after / before * (1024.0 / f64::from(side)).powi(2);
        assert!((share - 1.0).abs() < 0.01, "{side}: {share}");
    }
}

#[test]
fn a_pixel_is_set_if_half_of_it_is_covered() {
    let placement = Placement::new(8, 4, 4, Fit::Pad).unwrap();
    let runs = |runs: &[[u32; 2]]| Mask::Runs {
        width: 8,
        height: 4,
        runs: runs.to_vec(),
    };
    // Two of the first four pixels are set, and one of the next four.
    let square = to_square(&runs(&[[0, 2], [8, 1]]), &placement).unwrap();
    let set: Vec<usize> = (0..16).filter(|i| square.pixels[*i] == SET).collect();
    assert_eq!(set, [4], "the first pixel below the upper bar");
}

/// However small it is, and wherever it lies, a mask does not vanish in a smaller square.
#[test]
fn no_mask_vanishes() {
    let placement = Placement::new(1000, 700, 64, Fit::Pad).unwrap();
    for resize in [64, 32, 7] {
        let view = ViewGeometry::new(64, resize, resize).unwrap();
        for (x, y) in [(0, 0), (999, 699), (500, 350), (333, 7)] {
            let mut pixels = Film::filled(1000, 700, 0);
            pixels.pixels[y * 1000 + x] = SET;
            let small = to_resized_square(&pixels, &placement, view);
            assert!((1..=4).contains(&area(&small)), "{resize} {x} {y}");
            let centre = (x as f64 + 0.5, y as f64 + 0.5);
            let (u, v) = view.to_resized(placement.to_square(centre));
            let near = (0..resize * resize).any(|i| {
                let at = (f64::from(i % resize) + 0.5, f64::from(i / resize) + 0.5);
                let is_near = (at.0 - u).abs() <= 1.0 && (at.1 - v).abs() <= 1.0;
                is_near && small.pixels[i as usize] == SET
            });
            assert!(near, "{resize} {x} {y}");
            assert_eq!(outside_square(&pixels, &placement, view), 0);
        }
        let none = Film::filled(1000, 700, 0);
        assert_eq!(area(&to_resized_square(&none, &placement, view)), 0);
    }
}

/// What `--fit crop` cuts off of a mask is counted, in pixels of the resized square.
#[test]
fn the_area_outside_of_the_square_is_counted() {
    // 30 of 100 columns are cut off on each side, and the rest is resized from 40 to 10 pixels.
    let placement = Placement::new(100, 40, 20, Fit::Crop).unwrap();
    let view = ViewGeometry::new(20, 10, 10).unwrap();
    let all = Film::filled(100, 40, SET);
    assert_eq!(outside_square(&all, &placement, view), 2 * 30 * 40 / 16);
    assert_eq!(area(&to_resized_square(&all, &placement, view)), 100);
    let mut left = Film::filled(100, 40, 0);
    left.pixels
        .chunks_exact_mut(100)
        .for_each(|row| row[..30].fill(SET));
    assert_eq!(outside_square(&left, &placement, view), 30 * 40 / 16);
    assert_eq!(area(&to_resized_square(&left, &placement, view)), 0);
}

#[test]
fn masks_are_read_from_files_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mask.png");
    let image = image::GrayImage::from_raw(3, 2, vec![0, 1, 3, 0, 0, 2]).unwrap();
    image.save(&path).unwrap();
    let mask = Mask::File { path, scale: false };
    let drawn = to_pixels(&mask, 3, 2).unwrap();
    assert_eq!(drawn.pixels, [0, 255, 255, 0, 0, 255]);
    let error = to_pixels(&mask, 2, 3).unwrap_err().to_string();
    let reason = "mask.png: the mask has 3×2 pixels, its film 2×3";
    assert!(error.contains(reason), "{error}");
    let missing = Mask::File {
        path: dir.path().join("none.png"),
        scale: false,
    };
    assert!(to_pixels(&missing, 3, 2).is_err());

    let outside = Mask::Runs {
        width: 3,
        height: 2,
        runs: vec![[5, 2]],
    };
    let error = to_pixels(&outside, 3, 2).unwrap_err().to_string();
    assert_eq!(error, "a run of the mask ends beyond its 3×2 pixels");
    let error = to_pixels(&from_boxes(&[], 3, 2), 4, 2).unwrap_err();
    let reason = "the mask has 3×2 pixels, its film 4×2";
    assert!(error.to_string().starts_with(reason), "{error}");
}

/// One disc as users save masks; 1 % of its area is allowed. The files are from Pillow.
#[test]
fn a_mask_has_its_area_in_every_form_of_file() {
    let folder = Path::new(MASKS);
    // Pixels of the disc, which tests/oracle/masks.py prints.
    let expected = 2809.0;
    for (name, soft) in [
        ("plain.png", false),
        ("zero-one.png", false),
        ("one-for-black.png", false),
        ("red.png", false),
        ("blue.png", false),
        ("white-transparent.png", false),
        ("deep.png", false),
        ("palette.png", false),
        ("classes.png", false),
        ("grey-classes.png", false),
        ("lossy-75.jpg", true),
        ("lossy-95.jpg", true),
        ("lossy.png", true),
        ("resized.png", true),
    ] {
        let mask = from_file(&folder.join(name), false, 128, 128).unwrap();
        let found = area(&mask.pixels) as f64;
        assert!(
            (found / expected - 1.0).abs() <= 0.01,
            "{name}: {found} for {expected}"
        );
        assert_eq!(mask.soft, soft, "{name}");
    }
    for (name, values) in [
        ("small-lossy.jpg", "a JPEG with small values"),
        (
            "no-black.png",
            "no black background, so it is unknown which pixels belong to the mask; its values are 200, 255",
        ),
        ("heat.png", "many grey pixels"),
        ("dark-class.png", "its values are 0, 3, 255"),
    ] {
        let error = from_file(&folder.join(name), false, 128, 128)
            .unwrap_err()
            .to_string();
        assert!(error.contains(name) && error.contains(values), "{error}");
        assert!(
            error.contains("write a PNG in which the mask is 255"),
            "{error}"
        );
    }
}

/// Exactly as Pillow's NEAREST, for files and for runs.
#[test]
fn masks_are_scaled_as_by_pillow() {
    let folder = Path::new(MASKS);
    let plain = folder.join("plain.png");
    let whole = to_runs(&from_file(&plain, false, 128, 128).unwrap().pixels);
    for (width, height) in [(64, 64), (96, 96), (200, 200), (127, 128)] {
        let expected = folder.join(format!("nearest-{width}x{height}.png"));
        let expected = from_file(&expected, false, width, height).unwrap().pixels;
        let found = from_file(&plain, true, width, height).unwrap().pixels;
        // A centre may lie exactly between two pixels. Then Pillow's rounding decides.
        let is_between = |at: u32, side: u32| ((2 * at + 1) * 128).is_multiple_of(2 * side);
        for (index, pixels) in (0..).zip(found.pixels.iter().zip(&expected.pixels)) {
            let (x, y) = (index % width, index / width);
            let is_open = is_between(x, width) || is_between(y, height);
            assert!(
                is_open && width != 64 || pixels.0 == pixels.1,
                "{width}: {x}, {y}"
            );
        }
        assert_eq!(scale(&whole, width, height).unwrap(), to_runs(&found));
    }
    let error = from_file(&plain, true, 128, 64).unwrap_err().to_string();
    assert!(
        error.contains("the mask has 128×128 pixels, its film 128×64"),
        "{error}"
    );
}
