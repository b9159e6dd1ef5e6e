//! Learning rates against `torch.optim.lr_scheduler` (`tests/oracle/schedule.py`), within 1e-12 of
//! the highest rate.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

use mflag_tests::{golden_json, numbers};
use mflag_train::schedule::{Decay, Schedule, Span};
use rstest::rstest;

fn cosine(minimum: f64) -> Decay {
    Decay::Cosine { minimum }
}

fn restarts(period: f64, growth: u32) -> Decay {
    Decay::CosineRestarts {
        period: Span(period),
        growth,
        minimum: 1e-8,
    }
}

#[rstest]
#[case("constant", 1e-3, 0.0, Decay::Constant, 20, 1)]
#[case("cosine", 1e-3, 0.0, cosine(0.0), 50, 1)]
#[case("cosine_minimum", 1e-3, 0.0, cosine(1e-5), 50, 1)]
#[case("cosine_warmup", 1e-3, 10.0, cosine(1e-6), 50, 1)]
#[case("cosine_warmup", 1e-3, 0.2, cosine(1e-6), 50, 1)]
#[case("constant_warmup", 1e-3, 0.25, Decay::Constant, 20, 1)]
#[case("restarts", 2e-5, 0.0, restarts(7.0, 1), 50, 1)]
#[case("restarts_doubling", 2e-5, 0.0, restarts(5.0, 2), 80, 1)]
#[case("restarts_warmup", 2e-5, 8.0, restarts(5.0, 2), 50, 1)]
#[case("paper", 2e-5, 0.0, restarts(0.4, 1), 3000, 7)]
fn rates_equal_those_of_torch(
    #[case] name: &str,
    #[case] base: f64,
    #[case] warmup: f64,
    #[case] decay: Decay,
    #[case] total: u64,
    #[case] stride: usize,
) {
    let schedule = Schedule {
        warmup: Span(warmup),
        decay,
    };
    let golden = numbers(&golden_json("schedule/schedule.json")[name]);
    let steps: Vec<u64> = (0..total).step_by(stride).collect();
    assert_eq!(steps.len(), golden.len());
    for (step, golden) in steps.into_iter().zip(golden) {
        let found = schedule.lr(base, step, total);
        let far = (found - golden).abs();
        assert!(far <= 1e-12 * base, "step {step}: {found} is not {golden}");
    }
}

#[test]
fn the_defaults_of_restarts_are_the_papers() {
    let text = r#"{"decay": {"kind": "cosine_restarts"}}"#;
    let schedule: Schedule = serde_json::from_str(text).unwrap();
    assert_eq!(schedule.decay, restarts(0.4, 1));
}

/// Two runs of other lengths have other rates at some step exactly if the schedule says so.
#[test]
fn a_schedule_knows_whether_it_depends_on_the_length() {
    for warmup in [0.0, 0.1, 3.0] {
        for decay in [
            Decay::Constant,
            cosine(0.0),
            restarts(0.4, 1),
            restarts(7.0, 2),
        ] {
            let warmup = Span(warmup);
            let schedule = Schedule { warmup, decay };
            let differ = (0..100).any(|step| {
                let [short, long] = [100, 150].map(|total| schedule.lr(1.0, step, total));
                (short - long).abs() > 1e-9
            });
            assert_eq!(differ, schedule.depends_on_length(), "{schedule:?}");
        }
    }
}

#[test]
fn rates_stay_in_range_for_any_span() {
    for (warmup, total) in [(0.0, 0), (0.5, 1), (5.0, 3), (0.99, 2)] {
        for decay in [
            Decay::Constant,
            cosine(0.0),
            restarts(0.01, 1),
            restarts(0.01, 3),
        ] {
            let schedule = Schedule {
                warmup: Span(warmup),
                decay,
            };
            for step in 0..total + 5 {
                let lr = schedule.lr(1.0, step, total);
                assert!((0.0..=1.0).contains(&lr), "{schedule:?} {step}: {lr}");
            }
        }
    }
}
