//! Properties that hold for any boxes.
#![allow(clippy::unwrap_used, reason = "test code")]

use mflag_detect::anchors::{self, LEVELS, PER_GRID, nearest, shape_iou};
use mflag_detect::boxes::{Limits, PredictedBox, decode, suppress};
use mflag_detect::loss::{assign, loss};
use mflag_detect::yolo::STRIDES;
use mflag_detect::{Rules, TrueBox};
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

fn true_boxes() -> impl Strategy<Value = Vec<Vec<TrueBox>>> {
    let true_box = (0..2usize, rect()).prop_map(|(class, rect)| TrueBox { class, rect });
    prop::collection::vec(prop::collection::vec(true_box, 0..4), 1..3)
}

fn predicted_boxes() -> impl Strategy<Value = Vec<PredictedBox>> {
    let predicted = (0..2usize, 0.0f32..1.0, rect());
    let predicted = predicted.prop_map(|(class, score, rect)| PredictedBox {
        class,
        score,
        rect,
        uncut: rect,
    });
    prop::collection::vec(predicted, 0..60)
}

/// Outputs that predict each assigned box exactly, and "no box" everywhere else.
fn perfect(targets: &[Vec<TrueBox>]) -> Vec<Tensor> {
    const SURE: f64 = 12.0;
    let logit = |p: f64| (p / (1.0 - p)).ln().clamp(-SURE, SURE);
    let mut outputs = Vec::new();
    for (anchors, stride) in anchors::coco(SIDE).iter().zip(STRIDES) {
        let grid = i64::from(SIDE) / stride;
        let rows = targets.len() as i64 * PER_GRID as i64 * grid * grid;
        let mut values = vec![0.0; rows as usize * 7];
        values.chunks_exact_mut(7).for_each(|row| row[4] = -SURE);
        let rules = Rules::Strict;
        for (row, cell) in assign(targets, anchors, stride as f64, grid, rules).boxes {
            let row = &mut values[row as usize * 7..][..7];
            row[..2].copy_from_slice(&cell.centre.map(logit));
            row[2..4].copy_from_slice(&cell.size);
            row[4..].copy_from_slice(&[SURE, -SURE, -SURE]);
            cell.classes.iter().for_each(|class| row[5 + class] = SURE);
        }
        let values = Tensor::from_slice(&values).view([-1, PER_GRID as i64, grid, grid, 7]);
        let shape = [targets.len() as i64, PER_GRID as i64 * 7, grid, grid];
        outputs.push(values.permute([0, 1, 4, 2, 3]).reshape(shape));
    }
    outputs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_assigned_box_is_decoded_to_itself(rect in rect(), class in 0..2usize) {
        let targets = [vec![TrueBox { class, rect }]];
        let limits = Limits { confidence: 0.9, overlap: 1.0, rules: Rules::Strict };
        let found = decode(&perfect(&targets), &anchors::coco(SIDE), SIDE, limits).unwrap();
        prop_assert_eq!(found[0].len(), LEVELS, "each grid predicts it");
        for predicted in &found[0] {
            prop_assert_eq!(predicted.class, class);
            // A sigmoid cannot reach a centre at the very edge of a cell.
            prop_assert!(iou(&predicted.rect, &rect) > 0.99, "{predicted:?} {rect:?}");
        }
    }

    #[test]
    fn the_perfect_prediction_has_the_lowest_loss(targets in true_boxes(), seed in 0..1000i64) {
        let anchors = anchors::coco(SIDE);
        let right = perfect(&targets);
        let value = |outputs: &[Tensor]| {
            let parts = loss(outputs, &targets, &anchors, Rules::Strict).unwrap();
            parts.sum().double_value(&[])
        };
        tch::manual_seed(seed);
        let wrong: Vec<Tensor> = right
            .iter()
            .map(|o| o + Tensor::randn(o.size(), (Kind::Double, Device::Cpu)) * 4.0)
            .collect();
        let (right, wrong) = (value(&right), value(&wrong));
        prop_assert!(right.is_finite() && right >= 0.0 && right < wrong, "{right} {wrong}");
    }

    #[test]
    fn decoded_boxes_are_inside_sorted_and_apart(
        values in prop::collection::vec(-6.0f64..6.0, 7),
        overlap in 0.1..0.9,
    ) {
        let outputs: Vec<Tensor> = STRIDES.iter().map(|stride| {
            let grid = i64::from(SIDE) / stride;
            let cell = Tensor::from_slice(&values).view([1, 1, 7, 1, 1]);
            cell.expand([1, 3, 7, grid, grid], false).reshape([1, 21, grid, grid])
        }).collect();
        let limits = Limits { confidence: 0.0, overlap, rules: Rules::Strict };
        let found = decode(&outputs, &anchors::coco(SIDE), SIDE, limits).unwrap();
        prop_assert!(!found[0].is_empty() && found[0].len() <= 100);
        for predicted in &found[0] {
            let Rect { x, y, width, height } = predicted.rect;
            let end = f64::from(SIDE) + 1e-9;
            prop_assert!(x >= 0.0 && y >= 0.0 && x + width <= end && y + height <= end);
        }
        prop_assert!(found[0].windows(2).all(|w| w[0].score >= w[1].score));
    }

    #[test]
    fn kept_boxes_are_apart_and_suppressed_ones_are_not(
        boxes in predicted_boxes(),
        overlap in 0.1..0.9,
    ) {
        let limits = Limits { confidence: 0.0, overlap, rules: Rules::Strict };
        let kept = suppress(boxes.clone(), &limits, usize::MAX);
        let overlaps = |a: &PredictedBox, b: &PredictedBox| {
            a.class == b.class && iou(&a.rect, &b.rect) > overlap
        };
        for (i, predicted) in kept.iter().enumerate() {
            prop_assert!(kept[..i].iter().all(|other| !overlaps(predicted, other)));
        }
        for predicted in &boxes {
            let better = |other: &PredictedBox| {
                other.score >= predicted.score && overlaps(predicted, other)
            };
            prop_assert!(kept.contains(predicted) || kept.iter().any(better));
        }
        let few = suppress(boxes, &limits, 3);
        prop_assert_eq!(&few[..], &kept[..few.len()]);
        prop_assert_eq!(few.len(), kept.len().min(3));
    }

    #[test]
    fn kmeans_depends_on_the_boxes_alone(
        boxes in prop::collection::vec((1.0f64..90.0, 1.0f64..90.0), 1..40),
    ) {
        let mut boxes: Vec<[f64; 2]> = boxes.into_iter().map(|(w, h)| [w, h]).collect();
        let found = anchors::kmeans(&boxes).unwrap();
        boxes.reverse();
        let reversed = anchors::kmeans(&boxes).unwrap();
        prop_assert_eq!(found, reversed, "the order of the films is irrelevant");
        let areas: Vec<f64> = found.iter().map(|grid| grid[0][0] * grid[0][1]).collect();
        let is_sorted = areas.is_sorted_by(|a, b| a >= b);
        prop_assert!(is_sorted, "the coarsest grid has the largest anchors");
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
fn the_nearest_anchor_has_the_greatest_iou() {
    let shapes = [[10.0, 10.0], [20.0, 10.0], [10.0, 20.0]];
    assert_eq!(nearest(&shapes, [19.0, 11.0]), 1);
    assert_eq!(nearest(&shapes, [15.0, 15.0]), 1, "the first of equal ones");
    assert_eq!(shape_iou([2.0, 2.0], [4.0, 4.0]), 0.25);
}

#[test]
fn a_nan_in_the_output_is_an_error() {
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
        rules: Rules::Strict,
    };
    let error = decode(&outputs, &anchors::coco(SIDE), SIDE, limits).unwrap_err();
    assert!(error.to_string().contains("diverged"), "{error}");
}
