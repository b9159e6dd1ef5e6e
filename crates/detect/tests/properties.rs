//! What holds of any boxes.
#![allow(clippy::unwrap_used, reason = "test code")]

use mflag_detect::anchors::{self, EACH, LEVELS, nearest, shape_iou};
use mflag_detect::boxes::{Found, Limits, of_outputs, without_doubles};
use mflag_detect::loss::{Truth, assign, loss};
use mflag_detect::yolo::STRIDES;
use mflag_metrics::detection::{Rect, iou};
use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

const SIDE: u32 = 96;

/// Boxes within a view of [`SIDE`] pixels.
fn rect() -> impl Strategy<Value = Rect> {
    let end = f64::from(SIDE);
    (0.0..end - 1.0, 0.0..end - 1.0, 0.0..1.0, 0.0..1.0).prop_map(move |(x, y, w, h)| Rect {
        x,
        y,
        width: 1.0 + w * (end - 1.0 - x),
        height: 1.0 + h * (end - 1.0 - y),
    })
}

fn truths() -> impl Strategy<Value = Vec<Vec<Truth>>> {
    let truth = (0..2usize, rect()).prop_map(|(class, place)| Truth { class, place });
    prop::collection::vec(prop::collection::vec(truth, 0..4), 1..3)
}

fn found() -> impl Strategy<Value = Vec<Found>> {
    let found = (0..2usize, 0.0f32..1.0, rect());
    let found = found.prop_map(|(class, score, place)| Found {
        class,
        score,
        place,
    });
    prop::collection::vec(found, 0..60)
}

/// Outputs that say of each assigned box just what is true, and of all else that it is empty.
fn perfect(targets: &[Vec<Truth>]) -> Vec<Tensor> {
    const SURE: f64 = 12.0;
    let logit = |p: f64| (p / (1.0 - p)).ln().clamp(-SURE, SURE);
    let mut outputs = Vec::new();
    for (shapes, stride) in anchors::coco(SIDE).iter().zip(STRIDES) {
        let grid = i64::from(SIDE) / stride;
        let rows = targets.len() as i64 * EACH as i64 * grid * grid;
        let mut said = vec![0.0; rows as usize * 7];
        said.chunks_exact_mut(7).for_each(|row| row[4] = -SURE);
        for (row, cell) in assign(targets, shapes, stride as f64, grid).boxes {
            let row = &mut said[row as usize * 7..][..7];
            row[..2].copy_from_slice(&cell.centre.map(logit));
            row[2..4].copy_from_slice(&cell.size);
            row[4..].copy_from_slice(&[SURE, -SURE, -SURE]);
            cell.classes.iter().for_each(|class| row[5 + class] = SURE);
        }
        let said = Tensor::from_slice(&said).view([-1, EACH as i64, grid, grid, 7]);
        let shape = [targets.len() as i64, EACH as i64 * 7, grid, grid];
        outputs.push(said.permute([0, 1, 4, 2, 3]).reshape(shape));
    }
    outputs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_assigned_decodes_to_the_box_itself(place in rect(), class in 0..2usize) {
        let targets = [vec![Truth { class, place }]];
        let limits = Limits { confidence: 0.9, overlap: 1.0 };
        let found = of_outputs(&perfect(&targets), &anchors::coco(SIDE), SIDE, limits).unwrap();
        prop_assert_eq!(found[0].len(), LEVELS, "each grid finds it");
        for one in &found[0] {
            prop_assert_eq!(one.class, class);
            // Centres at the very edge of a cell are as near as a sigmoid comes.
            prop_assert!(iou(&one.place, &place) > 0.99, "{one:?} {place:?}");
        }
    }

    #[test]
    fn the_loss_is_least_where_all_is_said_rightly(targets in truths(), seed in 0..1000i64) {
        let anchors = anchors::coco(SIDE);
        let right = perfect(&targets);
        let value = |outputs: &[Tensor]| loss(outputs, &targets, &anchors).unwrap().sum().double_value(&[]);
        tch::manual_seed(seed);
        let wrong: Vec<Tensor> = right
            .iter()
            .map(|o| o + Tensor::randn(o.size(), (Kind::Double, Device::Cpu)) * 4.0)
            .collect();
        let (right, wrong) = (value(&right), value(&wrong));
        prop_assert!(right.is_finite() && right >= 0.0 && right < wrong, "{right} {wrong}");
    }

    #[test]
    fn boxes_are_inside_in_falling_order_and_apart(said in prop::collection::vec(-6.0f64..6.0, 7), overlap in 0.1..0.9) {
        let outputs: Vec<Tensor> = STRIDES.iter().map(|stride| {
            let grid = i64::from(SIDE) / stride;
            let one = Tensor::from_slice(&said).view([1, 1, 7, 1, 1]).expand([1, 3, 7, grid, grid], false);
            one.reshape([1, 21, grid, grid])
        }).collect();
        let limits = Limits { confidence: 0.0, overlap };
        let found = of_outputs(&outputs, &anchors::coco(SIDE), SIDE, limits).unwrap();
        prop_assert!(!found[0].is_empty() && found[0].len() <= 100);
        for one in &found[0] {
            let Rect { x, y, width, height } = one.place;
            let end = f64::from(SIDE) + 1e-9;
            prop_assert!(x >= 0.0 && y >= 0.0 && x + width <= end && y + height <= end);
        }
        prop_assert!(found[0].windows(2).all(|w| w[0].score >= w[1].score));
    }

    #[test]
    fn what_is_kept_is_apart_and_what_is_left_out_is_not(found in found(), overlap in 0.1..0.9) {
        let kept = without_doubles(found.clone(), overlap, usize::MAX);
        let over = |a: &Found, b: &Found| a.class == b.class && iou(&a.place, &b.place) > overlap;
        for (i, one) in kept.iter().enumerate() {
            prop_assert!(kept[..i].iter().all(|other| !over(one, other)));
        }
        for one in &found {
            let better = |other: &Found| other.score >= one.score && over(one, other);
            prop_assert!(kept.contains(one) || kept.iter().any(better));
        }
        let few = without_doubles(found, overlap, 3);
        prop_assert_eq!(&few[..], &kept[..few.len()]);
        prop_assert_eq!(few.len(), kept.len().min(3));
    }

    #[test]
    fn kmeans_is_of_the_boxes_alone(boxes in prop::collection::vec((1.0f64..90.0, 1.0f64..90.0), 1..40)) {
        let mut boxes: Vec<[f64; 2]> = boxes.into_iter().map(|(w, h)| [w, h]).collect();
        let found = anchors::kmeans(&boxes).unwrap();
        boxes.reverse();
        prop_assert_eq!(found, anchors::kmeans(&boxes).unwrap(), "the order of the films does not matter");
        let areas: Vec<f64> = found.iter().map(|grid| grid[0][0] * grid[0][1]).collect();
        prop_assert!(areas.is_sorted_by(|a, b| a >= b), "the coarsest grid has the greatest");
        prop_assert!(found.iter().flatten().flatten().all(|length| (1.0..90.0).contains(length)));
    }
}

#[test]
fn kmeans_finds_groups() {
    let groups: Vec<[f64; 2]> = (1..=9)
        .map(|k| [f64::from(k * k), f64::from(2 * k * k)])
        .collect();
    let boxes: Vec<[f64; 2]> = groups.iter().flat_map(|g| [*g; 5]).collect();
    let found = anchors::kmeans(&boxes).unwrap();
    assert_eq!(found[2], [[1.0, 2.0], [4.0, 8.0], [9.0, 18.0]]);
    assert_eq!(found[0][2], [81.0, 162.0]);
    assert_eq!(anchors::kmeans(&[]), None);
}

#[test]
fn the_nearest_shape_has_the_greatest_iou() {
    let shapes = [[10.0, 10.0], [20.0, 10.0], [10.0, 20.0]];
    assert_eq!(nearest(&shapes, [19.0, 11.0]), 1);
    assert_eq!(nearest(&shapes, [15.0, 15.0]), 1, "of equal ones the first");
    assert_eq!(shape_iou([2.0, 2.0], [4.0, 4.0]), 0.25);
}

#[test]
fn what_is_no_number_is_said() {
    let outputs: Vec<Tensor> = STRIDES
        .iter()
        .map(|s| {
            Tensor::full(
                [1, 18, 96 / s, 96 / s],
                f64::NAN,
                (Kind::Float, Device::Cpu),
            )
        })
        .collect();
    let limits = Limits {
        confidence: 0.5,
        overlap: 0.5,
    };
    let said = of_outputs(&outputs, &anchors::coco(SIDE), SIDE, limits).unwrap_err();
    assert!(said.to_string().contains("diverged"), "{said}");
}
