//! Intervals and p values against those of NumPy and scikit-learn with 10 000 resamples from
//! another random stream. This crate draws 20 000. The results therefore differ by chance: the
//! standard deviation is 0.0009 for the ends of intervals and 0.003 for p. The tolerances are four
//! standard deviations.

use mflag_metrics::bootstrap::{Bootstrap, Interval, Patients};
use mflag_metrics::classification::Ranking;
use serde_json::Value;

use crate::{counts, golden, list, numbers, scores};

#[test]
fn intervals_agree_with_numpy() {
    let golden = golden("metrics", "bootstrap");
    let patients = Patients::new(&counts(&golden["patients"]));
    let truth = list(&golden["truth"], Value::as_bool);
    let ranking = |key: &str| Ranking::new(&scores(&golden[key]), &truth).unwrap();
    let (first, second) = (ranking("first"), ranking("second"));
    let bootstrap = Bootstrap {
        resamples: 20_000,
        ..Bootstrap::default()
    };
    let interval = bootstrap
        .interval(&patients, |c| first.auroc(c))
        .unwrap()
        .unwrap();
    same_interval(&interval, &golden["first_interval"]);
    let difference = bootstrap
        .difference(&patients, |c| first.auroc(c), |c| second.auroc(c))
        .unwrap()
        .unwrap();
    same_interval(&difference.interval, &golden["difference_interval"]);
    let band = bootstrap
        .band(&patients, |c| first.sensitivity_at(&[0.1, 0.3, 0.6], c))
        .unwrap()
        .unwrap();
    for ([low, high], theirs) in band.into_iter().zip(golden["band"].as_array().unwrap()) {
        // Sensitivity changes in steps of about 0.01; the tolerance is two steps.
        let theirs = numbers(theirs);
        let near = (low - theirs[0]).abs() < 0.02 && (high - theirs[1]).abs() < 0.02;
        assert!(near, "{low} to {high} instead of {theirs:?}");
    }
    let p = golden["p"].as_f64().unwrap();
    assert!(
        (difference.p - p).abs() < 0.012,
        "{} instead of {p}",
        difference.p
    );
}

fn same_interval(ours: &Interval, theirs: &Value) {
    let theirs = numbers(theirs);
    let near = (ours.low - theirs[0]).abs() < 0.0036 && (ours.high - theirs[1]).abs() < 0.0036;
    assert!(near, "{ours:?} instead of {theirs:?}");
}
