//! The time to make a square of a film of 2544×3056 px: by decoding the whole film and resampling
//! it, and by decoding it at a small size. `cargo bench -p mflag-film` prints both times, and how
//! many times faster the second is.
#![allow(missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use image::codecs::jpeg::JpegEncoder;
use mflag_film::{Fit, Limits, Squaring, decode, square};

const SIDES: [u32; 3] = [224, 256, 512];

fn bench(criterion: &mut Criterion) {
    let path = std::env::temp_dir().join(format!("mflag-bench-{}.jpg", std::process::id()));
    if let Err(error) = std::fs::write(&path, film()) {
        eprintln!("{}: {error}", path.display());
        return;
    }
    let whole = |side| decode(&path, &Limits::default()).map(|film| square(&film, side, Fit::Pad));
    let small = |side| Squaring::new(side, Fit::Pad).read(&path, &Limits::default());
    let mut group = criterion.benchmark_group("film");
    group.sample_size(20);
    for side in SIDES {
        group.bench_function(BenchmarkId::new("whole", side), |b| {
            b.iter(|| whole(black_box(side)));
        });
        group.bench_function(BenchmarkId::new("small", side), |b| {
            b.iter(|| small(black_box(side)));
        });
        // Both are measured in turns, so that other load on the machine slows both alike.
        let rounds = (0..15).map(|_| (time(|| whole(side)), time(|| small(side))));
        let (whole, small): (Vec<Duration>, Vec<Duration>) = rounds.unzip();
        let ratio = median(whole).as_secs_f64() / median(small).as_secs_f64();
        println!("film/small/{side}: {ratio:.2} times as fast as film/whole/{side}");
    }
    group.finish();
    remove(&path);
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        eprintln!("{}: {error}", path.display());
    }
}

fn time<T>(run: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(run());
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Two dark lungs, ribs and noise, in a JPEG of quality 95, as films of MIMIC-CXR-JPG have.
fn film() -> Vec<u8> {
    let (width, height) = (2544u32, 3056u32);
    let mut noise = 1u32;
    let mut pixel = |x: u32, y: u32| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y) = (x as f32 / width as f32, y as f32 / height as f32);
        let lung =
            |centre: f32| (-((x - centre) / 0.13).powi(2) - ((y - 0.48) / 0.25).powi(2)).exp();
        let rib = ((y - 0.2 * (x - 0.5).powi(2)) * 90.0).sin() * 9.0;
        170.0 - 110.0 * (lung(0.29) + lung(0.71)) + rib + (noise >> 24) as f32 / 24.0
    };
    let pixels: Vec<u8> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| pixel(x, y) as u8)
        .collect();
    let mut bytes = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut bytes, 95).encode(
        &pixels,
        width,
        height,
        image::ExtendedColorType::L8,
    );
    if let Err(error) = encoded {
        eprintln!("the film cannot be written: {error}");
    }
    println!("film: {width}×{height}, {} bytes", bytes.len());
    bytes
}

criterion_group!(benches, bench);
criterion_main!(benches);
