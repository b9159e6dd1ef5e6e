//! Classification against scikit-learn. If there are counts, scikit-learn gets each sample as often
//! as the sample counts.

use mflag_metrics::Counts;
use mflag_metrics::classification::{
    Confusion, Point, Ranking, calibration_error, class_accuracy, class_calibration_error,
};
use ndarray::Array2;
use serde_json::Value;

use crate::{counts, golden, list, numbers, same, scores};

#[test]
fn labels_agree_with_scikit_learn() {
    for case in golden("metrics", "classification")["binary"]
        .as_array()
        .unwrap()
    {
        let drawn = counts(&case["counts"]);
        one_label(case, &case["once"], Counts::Once);
        one_label(case, &case["counted"], Counts::Of(&drawn));
    }
}

fn one_label(case: &Value, theirs: &Value, counts: Counts<'_>) {
    let name = case["name"].as_str().unwrap();
    let (scores, truth) = (
        scores(&case["scores"]),
        list(&case["truth"], Value::as_bool),
    );
    let threshold = case["threshold"].as_f64().unwrap() as f32;
    let bins = case["bins"].as_u64().unwrap() as usize;
    let check = |ours: Option<f64>, key: &str| {
        same(ours, &theirs[key], &format!("{name}, {counts:?}: {key}"));
    };

    let ranking = Ranking::new(&scores, &truth).unwrap();
    check(ranking.auroc(counts).unwrap(), "auroc");
    check(
        ranking.average_precision(counts).unwrap(),
        "average_precision",
    );
    let best = ranking.best_f1(counts).unwrap();
    same(
        best.map(|b| f64::from(b.0)),
        &theirs["best_f1"][0],
        &format!("{name}: threshold of the best F1"),
    );
    same(
        best.map(|b| b.1),
        &theirs["best_f1"][1],
        &format!("{name}: best F1"),
    );

    let confusion = Confusion::at(&scores, &truth, threshold, counts).unwrap();
    let cells = [
        confusion.true_positives,
        confusion.false_positives,
        confusion.false_negatives,
        confusion.true_negatives,
    ];
    assert_eq!(
        cells.to_vec(),
        list(&theirs["confusion"], |v| v.as_u64().unwrap()),
        "{name}"
    );
    check(confusion.f1(), "f1");
    check(confusion.accuracy(), "accuracy");
    check(
        calibration_error(&scores, &truth, bins, counts).unwrap(),
        "calibration_error",
    );
}

#[test]
fn curves_agree_with_scikit_learn() {
    let golden = golden("metrics", "classification");
    let with_curves = golden["binary"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["roc"].is_array());
    let mut seen = 0;
    for case in with_curves {
        let truth = list(&case["truth"], Value::as_bool);
        let ranking = Ranking::new(&scores(&case["scores"]), &truth).unwrap();
        let roc = ranking.roc_curve(usize::MAX).unwrap();
        assert_eq!(
            roc[0],
            Point {
                threshold: f32::INFINITY,
                x: 0.0,
                y: 0.0
            }
        );
        same_curve(&roc[1..], &case["roc"]);
        let mut precision_recall = ranking.precision_recall_curve(usize::MAX).unwrap();
        assert_eq!(
            precision_recall[0],
            Point {
                threshold: f32::INFINITY,
                x: 0.0,
                y: 1.0
            }
        );
        // The thresholds of scikit-learn ascend, those of this crate descend.
        precision_recall.reverse();
        precision_recall.pop();
        same_curve(&precision_recall, &case["precision_recall"]);
        let places = numbers(&case["places"]);
        let drawn = self::counts(&case["counts"]);
        for (counts, theirs) in [Counts::Once, Counts::Of(&drawn)]
            .into_iter()
            .zip(case["at_places"].as_array().unwrap())
        {
            let sensitivity = ranking.sensitivity_at(&places, counts).unwrap().unwrap();
            let precision = ranking.precision_at(&places, counts).unwrap().unwrap();
            for (ours, key) in [(sensitivity, "sensitivity"), (precision, "precision")] {
                let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
                let theirs = numbers(&theirs[key]);
                assert!(
                    ours.iter().zip(&theirs).all(near),
                    "{key}: {ours:?} instead of {theirs:?}"
                );
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 2);
}

fn same_curve(ours: &[Point], theirs: &Value) {
    let theirs: Vec<Vec<f64>> = list(theirs, numbers);
    assert_eq!(ours.len(), theirs[0].len());
    for (i, point) in ours.iter().enumerate() {
        let (x, y, at) = (theirs[0][i], theirs[1][i], theirs[2][i]);
        let near = (point.x - x).abs() < 1e-12 && (point.y - y).abs() < 1e-12;
        assert!(
            near && f64::from(point.threshold) == at,
            "{point:?} instead of ({x}, {y}) at {at}"
        );
    }
}

#[test]
fn classes_agree_with_scikit_learn() {
    let case = &golden("metrics", "classification")["classes"];
    let rows: Vec<Vec<f32>> = list(&case["scores"], scores);
    let scores = Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j]);
    let truth = list(&case["truth"], |v| v.as_u64().map(|class| class as u32));
    let drawn = counts(&case["counts"]);
    let bins = case["bins"].as_u64().unwrap() as usize;
    for (key, counts) in [("once", Counts::Once), ("counted", Counts::Of(&drawn))] {
        let accuracy = class_accuracy(scores.view(), &truth, counts).unwrap();
        same(accuracy, &case[key]["accuracy"], "accuracy");
        let error = class_calibration_error(scores.view(), &truth, bins, counts).unwrap();
        same(error, &case[key]["calibration_error"], "calibration_error");
    }
}
