//! One model for many threads and async tasks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::sync::{Arc, mpsc};

use mflag_encoder::tch::{self, Device, nn};
use mflag_encoder::{
    Arch, BatchOptions, Batcher, Closed, Error, Film, FilmEncoder, Fit, Preprocess, ResNet,
    SharedEncoder, Squaring,
};

fn assert_send<T: Send>(_: &T) {}
fn assert_send_sync_clone<T: Send + Sync + Clone>(_: &T) {}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

#[derive(Debug, PartialEq)]
enum Failure {
    Negative(i32),
    Closed,
}

impl From<Closed> for Failure {
    fn from(_: Closed) -> Failure {
        Failure::Closed
    }
}

/// A model that the test observes and can make wait. It multiplies by 10, and fails on negative
/// numbers.
struct Held {
    batcher: Batcher<i32, i32, Failure>,
    /// The model sends each batch here when it begins the batch.
    batches: mpsc::Receiver<Vec<i32>>,
    /// Each message lets the model finish a batch.
    finish: mpsc::Sender<()>,
}

impl Held {
    fn start(options: BatchOptions) -> Held {
        let (begun, batches) = mpsc::channel();
        let (finish, may_finish) = mpsc::channel::<()>();
        let model = move |batch: &[i32]| {
            begun.send(batch.to_vec()).unwrap();
            may_finish.recv().unwrap();
            match batch.iter().find(|x| **x < 0) {
                Some(&bad) => Err(Failure::Negative(bad)),
                None => Ok(batch.iter().map(|x| 10 * x).collect()),
            }
        };
        Held {
            batcher: Batcher::start(options, model).unwrap(),
            batches,
            finish,
        }
    }

    /// Occupies the model with a first batch, calls `requests`, and then lets `batches` batches
    /// finish.
    fn busy_with<T>(&self, requests: impl Future<Output = T>, batches: usize) -> T {
        block_on(async {
            let first = self.batcher.call(1);
            let others = async {
                assert_eq!(self.batches.recv(), Ok(vec![1]));
                let finish = async {
                    (0..batches).for_each(|_| self.finish.send(()).unwrap());
                };
                tokio::join!(requests, finish).0
            };
            let (first, others) = tokio::join!(first, others);
            assert_eq!(first, Ok(10));
            others
        })
    }
}

#[test]
fn requests_that_wait_together_are_computed_together() {
    let held = Held::start(BatchOptions::default());
    let call = |input| held.batcher.call(input);
    let outputs = held.busy_with(async { tokio::join!(call(2), call(3), call(4)) }, 2);
    assert_eq!(outputs, (Ok(20), Ok(30), Ok(40)));
    assert_eq!(held.batches.try_iter().collect::<Vec<_>>(), [[2, 3, 4]]);
}

#[test]
fn batches_have_at_most_the_given_size_and_a_full_queue_delays_callers() {
    let held = Held::start(BatchOptions {
        max_batch: 2,
        queue: 3,
    });
    let call = |input| held.batcher.call(input);
    let requests = async { tokio::join!(call(2), call(3), call(4), call(5), call(6)) };
    let outputs = held.busy_with(requests, 6);
    assert_eq!(outputs, (Ok(20), Ok(30), Ok(40), Ok(50), Ok(60)));
    let batches: Vec<Vec<i32>> = held.batches.try_iter().collect();
    assert!(batches.iter().all(|batch| batch.len() <= 2), "{batches:?}");
    assert_eq!(batches.concat(), [2, 3, 4, 5, 6]);
}

#[test]
fn a_bad_input_does_not_spoil_its_batch() {
    let held = Held::start(BatchOptions::default());
    let call = |input| held.batcher.call(input);
    let outputs = held.busy_with(async { tokio::join!(call(2), call(-3), call(4)) }, 5);
    assert_eq!(outputs, (Ok(20), Err(Failure::Negative(-3)), Ok(40)));
    let batches: Vec<Vec<i32>> = held.batches.try_iter().collect();
    assert_eq!(batches, [vec![2, -3, 4], vec![2], vec![-3], vec![4]]);
}

#[test]
fn an_input_that_nobody_waits_for_is_not_computed() {
    let held = Held::start(BatchOptions::default());
    let requests = async {
        tokio::select! {
            biased;
            output = held.batcher.call(2) => panic!("{output:?}"),
            () = std::future::ready(()) => {}
        }
        held.batcher.call(3).await
    };
    assert_eq!(held.busy_with(requests, 2), Ok(30));
    assert_eq!(held.batches.try_iter().collect::<Vec<_>>(), [[3]]);
}

#[test]
fn dropping_the_last_handle_ends_the_thread() {
    let owned = Arc::new(());
    let of_model = owned.clone();
    let model = move |batch: &[i32]| {
        let _ = &of_model;
        Ok::<_, Failure>(batch.to_vec())
    };
    let batcher = Batcher::start(BatchOptions::default(), model).unwrap();
    let other = batcher.clone();
    drop(batcher);
    assert!(other.is_alive());
    assert_eq!(other.call_blocking(7), Ok(7));
    drop(other);
    assert_eq!(Arc::strong_count(&owned), 1);
}

#[test]
fn after_a_panic_of_the_model_callers_get_an_error() {
    let model = |_: &[i32]| -> Result<Vec<i32>, Failure> { panic!("the model panics") };
    let batcher = Batcher::start(BatchOptions::default(), model).unwrap();
    assert_eq!(batcher.call_blocking(1), Err(Failure::Closed));
    while batcher.is_alive() {
        std::thread::yield_now();
    }
    assert_eq!(block_on(batcher.call(2)), Err(Failure::Closed));
}

fn encoder() -> FilmEncoder {
    let network = ResNet::new(&nn::VarStore::new(Device::Cpu).root(), Arch::ResNet18).unwrap();
    let preprocess = Preprocess::new(Squaring::new(64, Fit::Pad), 64);
    FilmEncoder::new(&network, preprocess, serde_json::Value::Null).unwrap()
}

#[test]
fn an_encoder_is_send_and_a_shared_one_is_also_sync_and_clone() {
    let encoder = encoder();
    assert_send(&encoder);
    let shared = SharedEncoder::new(encoder, BatchOptions::default()).unwrap();
    assert_send_sync_clone(&shared);
    assert_send(&shared.embed(Film::filled(8, 8, 0)));
}

#[test]
fn threads_and_tasks_get_the_vectors_of_the_encoder() {
    let encoder = encoder();
    let films: Vec<Film> = (0..12)
        .map(|i| Film {
            width: 40,
            height: 50,
            pixels: (0..2000).map(|p| (p * (i + 3) % 256) as u8).collect(),
        })
        .collect();
    let expected = encoder.embed(&films).unwrap();
    let shared = SharedEncoder::new(encoder, BatchOptions::default()).unwrap();
    // The size of the batch changes the last bits of a sum.
    let assert_near = |i: usize, vector: &[f32]| {
        let rows = vector.iter().zip(expected.row(i));
        let far = rows.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(vector.len() == shared.width() && far < 1e-4, "{i}: {far}");
    };
    std::thread::scope(|scope| {
        for (i, film) in films.iter().enumerate() {
            let (shared, assert_near) = (shared.clone(), &assert_near);
            scope.spawn(move || assert_near(i, &shared.embed_blocking(film.clone()).unwrap()));
        }
    });
    block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for (i, film) in films.iter().cloned().enumerate() {
            let shared = shared.clone();
            tasks.spawn(async move { (i, shared.embed(film).await.unwrap()) });
        }
        while let Some(result) = tasks.join_next().await {
            let (i, vector) = result.unwrap();
            assert_near(i, &vector);
        }
    });
}

#[test]
fn a_shared_encoder_returns_the_errors_of_the_encoder() {
    let shared = SharedEncoder::new(encoder(), BatchOptions::default()).unwrap();
    let bad = Film {
        width: 3,
        height: 3,
        pixels: Vec::new(),
    };
    let good = Film::filled(3, 3, 0);
    let (bad, good) = block_on(async { tokio::join!(shared.embed(bad), shared.embed(good)) });
    assert!(matches!(bad, Err(Error::Input(_))), "{bad:?}");
    assert_eq!(good.unwrap().len(), 512);
    assert!(matches!(shared.decode(b"no film"), Err(Error::Film { .. })));
    assert!(matches!(shared.read("absent.png"), Err(Error::Io(_))));
}

/// The documentation of [`FilmEncoder`] promises this.
#[test]
fn the_number_of_threads_applies_to_threads_that_start_later() {
    tch::set_num_threads(1);
    let later = std::thread::spawn(tch::get_num_threads);
    assert_eq!(later.join().unwrap(), 1);
}
