//! AUROC, average precision and bootstrap at 10⁴, 10⁵ and 10⁶ samples. Run `cargo bench -p
//! mflag-metrics`.
#![allow(missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mflag_core::seed;
use mflag_metrics::Counts;
use mflag_metrics::bootstrap::{Bootstrap, Patients};
use mflag_metrics::classification::Ranking;
use rand::Rng;

/// Number of resamples per measurement.
const RESAMPLES: usize = 10;

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("metrics");
    group.sample_size(10);
    for n in [10_000, 100_000, 1_000_000] {
        let (scores, truth) = samples(n);
        let Ok(ranking) = Ranking::new(&scores, &truth) else {
            continue;
        };
        let patients = Patients::new(&(0..n).map(|sample| sample / 3).collect::<Vec<_>>());
        let bootstrap = Bootstrap {
            resamples: RESAMPLES,
            ..Bootstrap::default()
        };
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("sort", n), |b| {
            b.iter(|| Ranking::new(black_box(&scores), black_box(&truth)));
        });
        group.bench_function(BenchmarkId::new("auroc", n), |b| {
            b.iter(|| ranking.auroc(Counts::Once));
        });
        group.bench_function(BenchmarkId::new("average_precision", n), |b| {
            b.iter(|| ranking.average_precision(Counts::Once));
        });
        group.throughput(Throughput::Elements((n * RESAMPLES) as u64));
        group.bench_function(BenchmarkId::new("bootstrap_of_10", n), |b| {
            b.iter(|| bootstrap.interval(&patients, |counts| ranking.auroc(counts)));
        });
    }
    group.finish();
}

/// Slightly informative scores; one sample of ten is positive.
fn samples(n: usize) -> (Vec<f32>, Vec<Option<bool>>) {
    let mut rng = seed::rng(0, 0, 0);
    let mut sample = |_| {
        let present = rng.random_bool(0.1);
        (
            rng.random::<f32>() + f32::from(u8::from(present)) / 2.0,
            Some(present),
        )
    };
    (0..n).map(&mut sample).unzip()
}

criterion_group!(benches, bench);
criterion_main!(benches);
