//! Masks and boxes in squares, against what `mflag_film::square` does with the film under them.

use mflag_film::{Film, Fit};
use mflag_store::mask::{Frame, SET, of_boxes, plane};
use mflag_store::{BoundingBox, Mask};
use proptest::prelude::*;

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
    prop_oneof![Just(Fit::Pad), Just(Fit::Crop)]
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

/// Size of a film, and a box in it that is a third of a side at least.
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
    #[test]
    fn points_go_there_and_back(
        size in (1u32..4000, 1u32..4000), side in 1u32..600, fit in fits(), x in -10.0..4000.0, y in -10.0..4000.0
    ) {
        let frame = Frame::new(size.0, size.1, side, fit).unwrap();
        let (there_x, there_y) = frame.to_square((x, y));
        let (back_x, back_y) = frame.to_film((there_x, there_y));
        prop_assert!((back_x - x).abs() < 1e-6 && (back_y - y).abs() < 1e-6, "{back_x}, {back_y}");
    }

    /// Padding loses nothing of a box; cropping may, but never adds.
    #[test]
    fn boxes_go_there_and_back((width, height, film_box) in boxes(), side in 32u32..512, fit in fits()) {
        let frame = Frame::new(width, height, side, fit).unwrap();
        let there = frame.box_to_square(&film_box);
        if fit == Fit::Pad {
            let back = frame.box_to_film(&there.unwrap()).unwrap();
            prop_assert!(near(corners(&back), corners(&film_box), 1e-9), "{back:?}");
        } else if let Some(there) = there {
            let [left, top, right, bottom] = corners(&there);
            prop_assert!(left >= 0.0 && top >= 0.0 && right <= f64::from(side) + 1e-9 && bottom <= f64::from(side) + 1e-9);
            let back = corners(&frame.box_to_film(&there).unwrap());
            let whole = corners(&film_box);
            prop_assert!(back[0] >= whole[0] - 1e-9 && back[2] <= whole[2] + 1e-9);
            prop_assert!(back[1] >= whole[1] - 1e-9 && back[3] <= whole[3] + 1e-9);
        }
    }

    /// The box in the square lies over what the square makes of the film's pixels in it: each edge to half a pixel of the
    /// square, as whole pixels are set or not, and half a pixel of the film, as the BOX filter takes whole pixels.
    #[test]
    fn a_box_lies_over_its_pixels((width, height, film_box) in boxes(), side in 32u32..400, fit in fits()) {
        let frame = Frame::new(width, height, side, fit).unwrap();
        let square = frame.mask_to_square(&of_boxes(std::slice::from_ref(&film_box), width, height)).unwrap();
        let Some(there) = frame.box_to_square(&film_box) else {
            prop_assert_eq!(area(&square), 0);
            return Ok(());
        };
        // A box that the crop left a sliver of may be thinner than a pixel.
        prop_assume!(there.width > 2.0 && there.height > 2.0);
        let set: Vec<(u32, u32)> = (0..side * side)
            .filter(|i| square.pixels[*i as usize] == SET)
            .map(|i| (i % side, i / side))
            .collect();
        let range = |values: Vec<u32>| {
            (f64::from(*values.iter().min().unwrap()), f64::from(*values.iter().max().unwrap() + 1))
        };
        let (left, right) = range(set.iter().map(|p| p.0).collect());
        let (top, bottom) = range(set.iter().map(|p| p.1).collect());
        let scale = f64::from(side) / f64::from(match fit { Fit::Pad => width.max(height), Fit::Crop => width.min(height) });
        let tolerance = 0.51 + 0.5 * scale.min(1.0);
        prop_assert!(near([left, top, right, bottom], corners(&there), tolerance), "{left} {top} {right} {bottom} {there:?}");
    }

    /// An ellipse keeps its share of the film, to half a pixel of its rim: half-covered pixels are set, and of a small
    /// reduction there are many.
    #[test]
    fn a_mask_keeps_its_area(
        width in 40u32..600, height in 40u32..600, side in 32u32..256, at in (0.3..0.7f64, 0.3..0.7f64)
    ) {
        let (columns, rows) = (f64::from(width), f64::from(height));
        let (before, after) = ellipse((width, height), side, (at.0 * columns, at.1 * rows), (0.25 * columns, 0.2 * rows));
        let all = Frame::new(width, height, side, Fit::Pad).unwrap();
        let all = all.box_to_square(&bounding_box(0.0, 0.0, columns, rows)).unwrap();
        let expected = before * (all.width / columns) * (all.height / rows);
        // No shorter than the rim: that of the circle of the root mean square of the half axes.
        let rim = std::f64::consts::PI * (2.0 * ((0.25 * all.width).powi(2) + (0.2 * all.height).powi(2))).sqrt();
        prop_assert!((after - expected).abs() <= 0.5 * rim + 1.0, "{after} for {expected}");
    }

    /// Against the plain way, pixel by pixel.
    #[test]
    fn boxes_become_the_pixels_in_them(
        boxes in prop::collection::vec((-5.0..30.0, -5.0..30.0, 0.1..20.0, 0.1..20.0), 0..5)
    ) {
        let boxes: Vec<_> = boxes.into_iter().map(|(x, y, w, h)| bounding_box(x, y, w, h)).collect();
        let drawn = plane(&of_boxes(&boxes, 25, 19), 25, 19).unwrap();
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

#[test]
fn golden_places() {
    // 1000 × 500 padded into 200: halved twice and more, with bars of 50 above and below.
    let frame = Frame::new(1000, 500, 200, Fit::Pad).unwrap();
    assert_eq!(frame.to_square((0.0, 0.0)), (0.0, 50.0));
    assert_eq!(frame.to_square((1000.0, 500.0)), (200.0, 150.0));
    assert_eq!(frame.to_film((100.0, 100.0)), (500.0, 250.0));
    // Cropped: 250 columns go on each side.
    let frame = Frame::new(1000, 500, 200, Fit::Crop).unwrap();
    assert_eq!(frame.to_square((250.0, 0.0)), (0.0, 0.0));
    assert_eq!(frame.to_square((0.0, 500.0)), (-100.0, 200.0));
    let across = bounding_box(200.0, 100.0, 100.0, 100.0);
    assert_eq!(
        frame.box_to_square(&across),
        Some(bounding_box(0.0, 40.0, 20.0, 40.0))
    );
    assert_eq!(
        frame.box_to_square(&bounding_box(0.0, 0.0, 250.0, 500.0)),
        None
    );
}

/// Pixels set of an ellipse on a film, and in the padded square.
fn ellipse(size: (u32, u32), side: u32, at: (f64, f64), half_axes: (f64, f64)) -> (f64, f64) {
    let (width, height) = size;
    let inside = |i: u32| {
        let (x, y) = (
            f64::from(i % width) + 0.5 - at.0,
            f64::from(i / width) + 0.5 - at.1,
        );
        u8::from((x / half_axes.0).powi(2) + (y / half_axes.1).powi(2) <= 1.0)
    };
    let pixels: Vec<u8> = (0..width * height).map(inside).collect();
    let runs = mflag_store::rle::from_plane(&pixels, width);
    let mask = Mask::Runs {
        width,
        height,
        runs,
    };
    let frame = Frame::new(width, height, side, Fit::Pad).unwrap();
    let before = area(&plane(&mask, width, height).unwrap());
    (
        before as f64,
        area(&frame.mask_to_square(&mask).unwrap()) as f64,
    )
}

/// The films of RSNA and SIIM at the sides that are used: a finding of medium size keeps its area to 1 %.
#[test]
fn a_finding_keeps_its_area() {
    for side in [224, 256, 512] {
        let (before, after) = ellipse((1024, 1024), side, (300.2, 610.7), (90.0, 150.0));
        let share = after / before * (1024.0 / f64::from(side)).powi(2);
        assert!((share - 1.0).abs() < 0.01, "{side}: {share}");
    }
}

/// Half a pixel counts, less does not.
#[test]
fn the_threshold_is_half_of_a_pixel() {
    let frame = Frame::new(8, 4, 4, Fit::Pad).unwrap();
    let runs = |runs: &[[u32; 2]]| Mask::Runs {
        width: 8,
        height: 4,
        runs: runs.to_vec(),
    };
    // Two pixels of the first four, one of the next four.
    let square = frame.mask_to_square(&runs(&[[0, 2], [8, 1]])).unwrap();
    let set: Vec<usize> = (0..16).filter(|i| square.pixels[*i] == SET).collect();
    assert_eq!(set, [4], "the row of bars above, then the first pixel");
}

#[test]
fn files_and_messages() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mask.png");
    let image = image::GrayImage::from_raw(3, 2, vec![0, 1, 255, 0, 0, 128]).unwrap();
    image.save(&path).unwrap();
    let mask = Mask::File { path };
    let drawn = plane(&mask, 3, 2).unwrap();
    assert_eq!(drawn.pixels, [0, 255, 255, 0, 0, 255]);
    let told = plane(&mask, 2, 3).unwrap_err().to_string();
    assert!(
        told.contains("mask.png: the mask is of 3 × 2 pixels and its film of 2 × 3"),
        "{told}"
    );
    assert!(
        plane(
            &Mask::File {
                path: dir.path().join("none.png")
            },
            3,
            2
        )
        .is_err()
    );

    let outside = Mask::Runs {
        width: 3,
        height: 2,
        runs: vec![[5, 2]],
    };
    let told = plane(&outside, 3, 2).unwrap_err().to_string();
    assert_eq!(told, "a run of the mask leaves its plane of 3 × 2");
    let told = plane(&of_boxes(&[], 3, 2), 4, 2).unwrap_err().to_string();
    assert!(
        told.starts_with("the mask is of 3 × 2 pixels and its film of 4 × 2"),
        "{told}"
    );
    let told = Frame::new(3, 0, 4, Fit::Pad).unwrap_err().to_string();
    assert_eq!(told, "a film of 3 × 0 in a square of 4 is nothing");
}
