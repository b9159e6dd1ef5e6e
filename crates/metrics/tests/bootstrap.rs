//! Intervals cover the truth, narrow with more patients and repeat; paired tests find differences.
#![allow(clippy::unwrap_used, reason = "test code")]

use mflag_core::seed;
use mflag_metrics::Counts;
use mflag_metrics::bootstrap::{Bootstrap, Patients};
use mflag_metrics::classification::Ranking;
use rand::Rng;

/// `patients` with two films each. A third are ill, and the scores are informative.
fn cohort(seed: u64, patients: usize) -> (Patients, Vec<f32>, Vec<Option<bool>>) {
    let mut rng = seed::rng(seed, 0, 0);
    let (mut patient_of, mut scores, mut truth) = (Vec::new(), Vec::new(), Vec::new());
    for patient in 0..patients {
        let ill = rng.random_bool(0.35);
        let own = rng.random::<f32>() + if ill { 0.4 } else { 0.0 };
        for _ in 0..2 {
            patient_of.push(patient);
            scores.push(own + 0.1 * rng.random::<f32>());
            truth.push(Some(ill));
        }
    }
    (Patients::new(&patient_of), scores, truth)
}

#[test]
fn an_interval_contains_its_estimate_and_narrows() {
    let width = |n| {
        let (patients, scores, truth) = cohort(5, n);
        let ranking = Ranking::new(&scores, &truth).unwrap();
        let interval = Bootstrap::default()
            .interval(&patients, |c| ranking.auroc(c))
            .unwrap()
            .unwrap();
        assert_eq!(
            Some(interval.estimate),
            ranking.auroc(Counts::Once).unwrap()
        );
        assert!(interval.low < interval.estimate && interval.estimate < interval.high);
        interval.high - interval.low
    };
    // Sixteen times as many patients give an interval of a quarter of the width.
    let ratio = width(200) / width(3200);
    assert!((3.0..5.3).contains(&ratio), "{ratio}");
}

#[test]
fn intervals_by_patients_cover_the_truth_and_intervals_by_films_do_not() {
    let population_auroc = {
        let (_, scores, truth) = cohort(99, 100_000);
        Ranking::new(&scores, &truth)
            .unwrap()
            .auroc(Counts::Once)
            .unwrap()
            .unwrap()
    };
    let bootstrap = Bootstrap {
        resamples: 400,
        ..Bootstrap::default()
    };
    let covers = |seed| {
        let (patients, scores, truth) = cohort(seed, 150);
        let ranking = Ranking::new(&scores, &truth).unwrap();
        let by_patient = bootstrap
            .interval(&patients, |c| ranking.auroc(c))
            .unwrap()
            .unwrap();
        let films = Patients::new(&(0..scores.len()).collect::<Vec<_>>());
        let by_film = bootstrap
            .interval(&films, |c| ranking.auroc(c))
            .unwrap()
            .unwrap();
        [by_patient, by_film]
            .map(|i| usize::from(i.low <= population_auroc && population_auroc <= i.high))
    };
    let covered = (0..300)
        .map(covers)
        .fold([0, 0], |sum, [a, b]| [sum[0] + a, sum[1] + b]);
    // Intervals of 95 % should cover the truth in 285 of 300 cases, with a standard deviation of
    // 3.8. If films are resampled instead of patients, the intervals are too narrow by a factor of
    // √2, and cover the truth in 83 % of the cases.
    assert!((273..=297).contains(&covered[0]), "{covered:?}");
    assert!(covered[1] < 265, "{covered:?}");
}

#[test]
fn intervals_depend_on_the_seed_and_not_on_threads() {
    let (patients, scores, truth) = cohort(1, 100);
    let ranking = Ranking::new(&scores, &truth).unwrap();
    let run = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let bootstrap = Bootstrap {
            resamples: 300,
            seed,
            ..Bootstrap::default()
        };
        pool.install(|| {
            bootstrap
                .interval(&patients, |c| ranking.average_precision(c))
                .unwrap()
                .unwrap()
        })
    };
    assert_eq!(run(1, 3), run(4, 3));
    assert_ne!(run(1, 3), run(1, 4));
}

#[test]
fn a_model_differs_from_a_worse_one_and_not_from_itself() {
    let (patients, scores, truth) = cohort(2, 300);
    let good = Ranking::new(&scores, &truth).unwrap();
    let mut rng = seed::rng(2, 1, 0);
    let noisy: Vec<f32> = scores.iter().map(|s| s + rng.random::<f32>()).collect();
    let worse = Ranking::new(&noisy, &truth).unwrap();
    let compare_with = |other: &Ranking| {
        Bootstrap::default()
            .difference(&patients, |c| good.auroc(c), |c| other.auroc(c))
            .unwrap()
            .unwrap()
    };
    let itself = compare_with(&good);
    assert_eq!(
        (itself.interval.low, itself.interval.high, itself.p),
        (0.0, 0.0, 1.0)
    );
    let better = compare_with(&worse);
    assert!(better.interval.low > 0.0 && better.p < 0.01, "{better:?}");
}

#[test]
fn an_undefined_metric_has_no_interval() {
    let patients = Patients::new(&["a", "b"]);
    let bootstrap = Bootstrap::default();
    let one_class = Ranking::new(&[0.1, 0.2], &[Some(true), Some(true)]).unwrap();
    assert_eq!(
        bootstrap.interval(&patients, |c| one_class.auroc(c)),
        Ok(None)
    );
    let two = Ranking::new(&[0.1, 0.2], &[Some(false), Some(true)]).unwrap();
    let interval = bootstrap
        .interval(&patients, |c| two.auroc(c))
        .unwrap()
        .unwrap();
    // Half of the resamples hold both patients.
    assert!((430..570).contains(&interval.resamples), "{interval:?}");
    let no_resamples = Bootstrap {
        resamples: 0,
        ..bootstrap
    };
    assert!(no_resamples.interval(&patients, |c| two.auroc(c)).is_err());
    let full_level = Bootstrap {
        level: 1.0,
        ..bootstrap
    };
    assert!(full_level.interval(&patients, |c| two.auroc(c)).is_err());
    let others = Patients::new(&["a", "b", "c"]);
    assert!(bootstrap.interval(&others, |c| two.auroc(c)).is_err());
}
