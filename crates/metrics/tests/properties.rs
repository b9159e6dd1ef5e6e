//! Properties that hold for any input.
#![allow(clippy::unwrap_used, reason = "test code")]

use mflag_metrics::classification::{Confusion, Point, Ranking, calibration_error};
use mflag_metrics::detection::{Image, MGCA_THRESHOLDS, Matches, Prediction, Protocol, Rect, iou};
use mflag_metrics::segmentation::{Empty, Overlap};
use mflag_metrics::{Counts, Error};
use proptest::prelude::*;

/// Scores with ties, labels of which some are missing, and counts.
fn labelled() -> impl Strategy<Value = (Vec<f32>, Vec<Option<bool>>, Vec<u32>)> {
    let sample = (
        (0u8..20).prop_map(|s| f32::from(s) / 20.0),
        any::<Option<bool>>(),
        0u32..4,
    );
    prop::collection::vec(sample, 0..60).prop_map(|samples| {
        let mut columns = (Vec::new(), Vec::new(), Vec::new());
        for (score, truth, count) in samples {
            columns.0.push(score);
            columns.1.push(truth);
            columns.2.push(count);
        }
        columns
    })
}

fn rects() -> impl Strategy<Value = Vec<Rect>> {
    let rect = (0u8..40, 0u8..40, 0u8..20, 0u8..20).prop_map(|(x, y, width, height)| Rect {
        x: x.into(),
        y: y.into(),
        width: width.into(),
        height: height.into(),
    });
    prop::collection::vec(rect, 0..5)
}

fn images() -> impl Strategy<Value = Vec<Image>> {
    let image = (rects(), rects(), prop::collection::vec(0u8..10, 5)).prop_map(
        |(truth, places, scores)| {
            let predicted = places
                .into_iter()
                .zip(scores)
                .map(|(place, score)| Prediction {
                    place,
                    score: score.into(),
                })
                .collect();
            Image { truth, predicted }
        },
    );
    prop::collection::vec(image, 0..8)
}

fn within(value: Option<f64>) -> bool {
    value.is_none_or(|value| (0.0..=1.0).contains(&value))
}

fn map(images: &[Image], protocol: Protocol) -> Option<f64> {
    let matches = Matches::new(images, &MGCA_THRESHOLDS, 100, protocol).unwrap();
    matches.mean_average_precision(Counts::Once).unwrap()
}

proptest! {
    #[test]
    fn only_the_order_of_scores_matters((scores, truth, counts) in labelled()) {
        let stretched: Vec<f32> = scores.iter().map(|s| (3.0 * s - 1.0).exp()).collect();
        let (a, b) = (Ranking::new(&scores, &truth).unwrap(), Ranking::new(&stretched, &truth).unwrap());
        let counts = Counts::Of(&counts);
        prop_assert_eq!(a.auroc(counts), b.auroc(counts));
        prop_assert_eq!(a.average_precision(counts), b.average_precision(counts));
        let f1 = |ranking: &Ranking| ranking.best_f1(counts).unwrap().map(|best| best.1);
        prop_assert_eq!(f1(&a), f1(&b));
    }

    #[test]
    fn auroc_of_negated_scores_is_one_minus_auroc((scores, truth, _) in labelled()) {
        let turned: Vec<f32> = scores.iter().map(|s| -s).collect();
        let auroc = |scores: &[f32]| Ranking::new(scores, &truth).unwrap().auroc(Counts::Once).unwrap();
        match (auroc(&scores), auroc(&turned)) {
            (Some(a), Some(b)) => prop_assert!((a + b - 1.0).abs() < 1e-12),
            neither => prop_assert_eq!(neither, (None, None)),
        }
    }

    #[test]
    fn counting_a_sample_twice_equals_holding_it_twice((scores, truth, counts) in labelled()) {
        let times = |i: usize| std::iter::repeat_n(i, counts[i] as usize);
        let held: Vec<usize> = (0..scores.len()).flat_map(times).collect();
        let (held_scores, held_truth): (Vec<f32>, Vec<Option<bool>>) =
            held.iter().map(|i| (scores[*i], truth[*i])).unzip();
        let (a, b) = (Ranking::new(&scores, &truth).unwrap(), Ranking::new(&held_scores, &held_truth).unwrap());
        prop_assert_eq!(a.auroc(Counts::Of(&counts)), b.auroc(Counts::Once));
        prop_assert_eq!(a.average_precision(Counts::Of(&counts)), b.average_precision(Counts::Once));
        prop_assert_eq!(a.best_f1(Counts::Of(&counts)), b.best_f1(Counts::Once));
        prop_assert_eq!(
            Confusion::at(&scores, &truth, 0.5, Counts::Of(&counts)),
            Confusion::at(&held_scores, &held_truth, 0.5, Counts::Once)
        );
    }

    #[test]
    fn no_threshold_exceeds_the_best_f1((scores, truth, _) in labelled()) {
        let ranking = Ranking::new(&scores, &truth).unwrap();
        let f1 = |at| Confusion::at(&scores, &truth, at, Counts::Once).unwrap().f1();
        if let Some((threshold, best)) = ranking.best_f1(Counts::Once).unwrap() {
            prop_assert_eq!(f1(threshold), Some(best));
            for score in &scores {
                prop_assert!(f1(*score) <= Some(best));
            }
        }
    }

    #[test]
    fn metrics_of_labels_are_between_0_and_1((scores, truth, counts) in labelled(), bins in 1usize..20) {
        let ranking = Ranking::new(&scores, &truth).unwrap();
        for counts in [Counts::Once, Counts::Of(&counts)] {
            prop_assert!(within(ranking.auroc(counts).unwrap()));
            prop_assert!(within(ranking.average_precision(counts).unwrap()));
            prop_assert!(within(calibration_error(&scores, &truth, bins, counts).unwrap()));
        }
    }

    #[test]
    fn a_thinned_curve_has_points_of_the_full_one((scores, truth, _) in labelled(), most in 0usize..30) {
        let ranking = Ranking::new(&scores, &truth).unwrap();
        let curves = [
            (ranking.roc_curve(usize::MAX), ranking.roc_curve(most)),
            (ranking.precision_recall_curve(usize::MAX), ranking.precision_recall_curve(most)),
        ];
        for (full, thin) in curves {
            let (full, thin): (Vec<Point>, Vec<Point>) = match (full, thin) {
                (Some(full), Some(thin)) => (full, thin),
                neither => { prop_assert_eq!(neither, (None, None)); continue; }
            };
            prop_assert!(thin.len() <= most.max(2));
            prop_assert_eq!((thin.first(), thin.last()), (full.first(), full.last()));
            let mut rest = full.iter();
            prop_assert!(thin.iter().all(|point| rest.any(|of_full| of_full == point)));
        }
    }

    #[test]
    fn dice_follows_from_iou(both in 0u64..50, predicted in 0u64..50, truth in 0u64..50) {
        let overlap = Overlap { both, predicted: both + predicted, truth: both + truth };
        for empty in [Empty::Scored, Empty::LeftOut] {
            let (dice, iou) = (overlap.dice(empty), overlap.iou(empty));
            prop_assert!(within(dice) && within(iou));
            if let (Some(dice), Some(iou)) = (dice, iou) {
                prop_assert!((dice - 2.0 * iou / (1.0 + iou)).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn iou_is_symmetric_and_1_for_the_same_box(boxes in rects()) {
        for a in &boxes {
            for b in &boxes {
                prop_assert!((0.0..=1.0).contains(&iou(a, b)));
                prop_assert_eq!(iou(a, b), iou(b, a));
            }
            prop_assert_eq!(iou(a, a), if a.width * a.height > 0.0 { 1.0 } else { 0.0 });
        }
    }

    #[test]
    fn average_precision_is_between_0_and_1(images in images()) {
        for protocol in [Protocol::Strict, Protocol::Mgca] {
            prop_assert!(within(map(&images, protocol)));
        }
    }

    #[test]
    fn counting_an_image_twice_equals_holding_it_twice(images in images(), times in prop::collection::vec(0u32..4, 8)) {
        let counts = &times[..images.len()];
        let held: Vec<Image> = images
            .iter()
            .zip(counts)
            .flat_map(|(image, count)| std::iter::repeat_n(image.clone(), *count as usize))
            .collect();
        for protocol in [Protocol::Strict, Protocol::Mgca] {
            let matches = |images: &[Image]| Matches::new(images, &[0.3, 0.6], 3, protocol).unwrap();
            let (counted, held) = (matches(&images), matches(&held));
            prop_assert_eq!(counted.average_precision(Counts::Of(counts)), held.average_precision(Counts::Once));
            prop_assert_eq!(counted.sensitivity(0.5, Counts::Of(counts)), held.sensitivity(0.5, Counts::Once));
        }
    }

    #[test]
    fn finding_a_missed_box_never_lowers_average_precision(mut images in images(), at in any::<prop::sample::Index>(), score in 0u8..12) {
        prop_assume!(!images.is_empty());
        let image = at.index(images.len());
        let far = Rect { x: 1000.0, y: 1000.0, width: 10.0, height: 10.0 };
        images[image].truth.push(far);
        let before = map(&images, Protocol::Strict).unwrap();
        images[image].predicted.push(Prediction { place: far, score: score.into() });
        prop_assert!(map(&images, Protocol::Strict).unwrap() >= before - 1e-12);
    }

    #[test]
    fn a_false_prediction_never_raises_strict_average_precision(mut images in images(), score in 0u8..12) {
        let before = map(&images, Protocol::Strict);
        let wrong = Prediction { place: Rect { x: 0.0, y: 0.0, width: 9.0, height: 9.0 }, score: score.into() };
        images.push(Image { truth: Vec::new(), predicted: vec![wrong] });
        prop_assert!(map(&images, Protocol::Strict) <= before);
    }

    #[test]
    fn sensitivity_grows_with_the_rate(images in images(), rate in 0.0f64..3.0) {
        let matches = Matches::new(&images, &[0.5], 100, Protocol::Strict).unwrap();
        let at = |rate| matches.sensitivity(rate, Counts::Once).unwrap()[0];
        prop_assert!(within(at(rate)));
        prop_assert!(at(rate) <= at(rate + 0.5));
    }
}

#[test]
fn unequal_lengths_and_nan_are_errors() {
    let message = |result: Result<Ranking, Error>| result.unwrap_err().to_string();
    assert_eq!(
        message(Ranking::new(&[0.5], &[])),
        "0 labels for 1 scores; both numbers must be equal"
    );
    assert_eq!(
        message(Ranking::new(&[0.5, f32::NAN], &[None, None])),
        "sample 1 (from 0): the score is NaN; it must be a number"
    );
    let ranking = Ranking::new(&[0.5], &[Some(true)]).unwrap();
    assert!(ranking.auroc(Counts::Of(&[1, 1])).is_err());
    let probability = |p: f32, bins| calibration_error(&[p], &[Some(true)], bins, Counts::Once);
    assert!(
        probability(1.1, 15).is_err()
            && probability(-0.1, 15).is_err()
            && probability(0.5, 0).is_err()
    );
    assert!(Confusion::at(&[0.5], &[None], f32::NAN, Counts::Once).is_err());
}

#[test]
fn impossible_boxes_are_errors() {
    let place = Rect {
        x: 0.0,
        y: 0.0,
        width: 1.0,
        height: -1.0,
    };
    let images = [
        Image::default(),
        Image {
            truth: vec![place],
            predicted: Vec::new(),
        },
    ];
    let message = |images: &[Image], thresholds: &[f64]| {
        Matches::new(images, thresholds, 100, Protocol::Strict)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(&images, &[0.5]),
        "image 1 (from 0): box 0 (from 0): the box's height is -1; it must be finite and not negative"
    );
    assert_eq!(
        message(&[], &[0.5, 50.0]),
        "threshold 1 (from 0): the IoU is 50; it must be above 0 and at most 1"
    );
}
