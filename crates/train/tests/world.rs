//! Several processes that work together. Each test starts this binary again, once for each rank.
//!
//! Sums are compared exactly; BatchNorm with libtorch's on the joined batch, to 1e-12 in f64, 1e-5
//! in f32, and 5e-2 in bf16.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::time::{Duration, Instant};

use mflag_core::launch::Launch;
use mflag_tests::{assert_close, ranks};
use mflag_train::{Then, World};
use rstest::rstest;
use tch::{Device, Kind, Tensor};

fn join() -> World {
    World::join().unwrap().unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).contiguous().flatten(0, -1)).unwrap()
}

/// Runs the test `name` on `ranks` ranks. Returns the world in each of them.
fn world(name: &str, ranks: usize) -> Option<World> {
    if ranks::is_rank() {
        return Some(join());
    }
    ranks::run(name, ranks);
    None
}

/// As [`world`], for the two cases of a test with 2 and 4 ranks.
fn two_and_four(name: &str, ranks: usize) -> Option<World> {
    let case = if ranks == 2 { "case_1" } else { "case_2" };
    world(&format!("{name}::{case}"), ranks)
}

#[rstest]
#[case(2)]
#[case(4)]
fn collectives_are_exact(#[case] ranks: usize) {
    let Some(world) = two_and_four("collectives_are_exact", ranks) else {
        return;
    };
    let (rank, size) = (world.rank() as i64, world.size() as i64);
    assert_eq!(size, ranks as i64);
    let numbers = Tensor::arange(25_000_000, (Kind::Float, Device::Cpu)).remainder(1000.0);
    let sum = world.sum(&(&numbers + rank), Then::Own).unwrap();
    let expected = numbers * size + size * (size - 1) / 2;
    assert!(bool::try_from(sum.eq_tensor(&expected).all()).unwrap());

    let rows = world
        .gather(&Tensor::from_slice(&[rank, 10 * rank]), Then::Own)
        .unwrap();
    let expected: Vec<i64> = (0..size).flat_map(|r| [r, 10 * r]).collect();
    assert_eq!(Vec::<i64>::try_from(rows).unwrap(), expected);

    let weight = Tensor::full([2, 3], rank + 7, (Kind::Float, Device::Cpu)).tr();
    world.broadcast(&weight).unwrap();
    assert_eq!(values(&weight), [7.0; 6]);

    let bytes = world
        .gather_bytes("x".repeat(rank as usize).as_bytes())
        .unwrap();
    let expected: Vec<Vec<u8>> = (0..ranks).map(|r| vec![b'x'; r]).collect();
    assert_eq!(bytes, expected);
    assert!(world.decide(rank == 0).unwrap());
    assert!(!world.decide(rank != 0).unwrap());
    world.barrier().unwrap();
}

#[rstest]
#[case(2)]
#[case(4)]
fn dealt_batches_come_back_in_order(#[case] ranks: usize) {
    let Some(world) = two_and_four("dealt_batches_come_back_in_order", ranks) else {
        return;
    };
    for total in [1, 3, 9, 12, 23] {
        let all = Tensor::arange(2 * total, (Kind::Double, Device::Cpu)).view([total, 2]);
        let batches = all.split(3, 0);
        let mine = batches.iter().skip(world.rank()).step_by(world.size());
        let none = all.narrow(0, 0, 0);
        let mine: Vec<&Tensor> = [&none].into_iter().chain(mine).collect();
        let mine = Tensor::cat(&mine, 0);
        let found = world.gather_batches(&mine, 3, total as usize).unwrap();
        assert_eq!(values(&found), values(&all), "{total} rows");
    }
}

/// The objective is Σ_r L_r. With x_r the values of rank r, S their sum and L_r = (r + 1) · S², its
/// gradient is Σ_r (r + 1) · 2S; with L_r = S² on all ranks, it is size · 2S.
#[rstest]
#[case(2)]
#[case(4)]
fn collectives_have_the_gradient_of_the_sum_of_all_losses(#[case] ranks: usize) {
    let test = "collectives_have_the_gradient_of_the_sum_of_all_losses";
    let Some(world) = two_and_four(test, ranks) else {
        return;
    };
    let (rank, size) = (world.rank() as i64, world.size() as i64);
    let sum = size * (size + 1) / 2;
    let x = || Tensor::from_slice(&[rank as f64 + 1.0]).set_requires_grad(true);
    for (then, factor, expected) in [
        (Then::Own, rank + 1, sum * 2 * sum),
        (Then::Same, 1, size * 2 * sum),
    ] {
        let (summed, gathered) = (x(), x());
        (world.sum(&summed, then).unwrap().square() * factor)
            .sum(None)
            .backward();
        assert_eq!(values(&summed.grad()), [expected as f64], "{then:?}");
        let rows = world.gather(&gathered, then).unwrap();
        (rows.sum(None).square() * factor).backward();
        assert_eq!(values(&gathered.grad()), [expected as f64], "{then:?}");
    }
}

#[rstest]
#[case(2)]
#[case(4)]
fn batch_norm_is_that_of_the_joined_batch(#[case] ranks: usize) {
    let Some(world) = two_and_four("batch_norm_is_that_of_the_joined_batch", ranks) else {
        return;
    };
    tch::manual_seed(3);
    // With parameters in f32, as under autocast, activations may be bf16.
    for (kind, of_parameters, tolerance) in [
        (Kind::Double, Kind::Double, 1e-12),
        (Kind::Float, Kind::Float, 1e-5),
        (Kind::BFloat16, Kind::Float, 5e-2),
    ] {
        for (shape, channels_last) in [
            (vec![8, 5], false),
            (vec![8, 5, 3, 4], false),
            (vec![8, 5, 3, 4], true),
        ] {
            let random = |shape: &[i64], kind| Tensor::randn(shape, (kind, Device::Cpu));
            let all = random(&shape, kind) * 3 + 20;
            let weights = [(); 2].map(|()| random(&[5], of_parameters));
            let out = random(&shape, kind);
            let running = || {
                [
                    Tensor::zeros([5], (of_parameters, Device::Cpu)),
                    Tensor::ones([5], (of_parameters, Device::Cpu)),
                ]
            };
            let leaf = |t: &Tensor| t.copy().set_requires_grad(true);

            let (x, w, b) = (leaf(&all), leaf(&weights[0]), leaf(&weights[1]));
            let [mean, variance] = running();
            let y = x.batch_norm(
                Some(&w),
                Some(&b),
                Some(&mean),
                Some(&variance),
                true,
                0.1,
                1e-5,
                false,
            );
            (&y * &out).sum(None).backward();

            let share = 8 / ranks as i64;
            let mine = |t: &Tensor| t.narrow(0, world.rank() as i64 * share, share).contiguous();
            let (my_x, my_w, my_b) = (leaf(&mine(&all)), leaf(&weights[0]), leaf(&weights[1]));
            if channels_last {
                mflag_train::shim::channels_last(&my_x).unwrap();
            }
            let [my_mean, my_variance] = running();
            let affine = [&my_w, &my_b];
            let my_y = world
                .sync_batch_norm(&my_x, affine, [&my_mean, &my_variance], 0.1, 1e-5)
                .unwrap();
            (&my_y * mine(&out)).sum(None).backward();
            let what = format!("{kind:?} {shape:?}");
            let total = |t: &Tensor| world.sum(&t.grad(), Then::Own).unwrap();
            for (found, expected) in [
                (my_y.shallow_clone(), mine(&y)),
                (my_x.grad(), mine(&x.grad())),
                (total(&my_w), w.grad()),
                (total(&my_b), b.grad()),
                (my_mean, mean),
                (my_variance, variance),
            ] {
                assert_close(&values(&found), &values(&expected), tolerance, &what);
            }
        }
    }
}

/// What torchrun would say to `rank` of `ranks` processes, if it did not serve the store.
fn launch(rank: usize, ranks: usize) -> Launch {
    Launch {
        launcher: mflag_core::launch::Launcher::Torchrun,
        rank,
        world_size: ranks,
        local_rank: rank,
        local_world_size: ranks,
        master_host: "127.0.0.1".into(),
        master_port: ranks::free_port(),
        launcher_serves: false,
        restart: 0,
        error_file: None,
    }
}

#[test]
fn a_rank_that_does_not_start_is_named() {
    let error = World::connect(launch(0, 3), Duration::from_secs(1))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("of 3 ranks, ranks 1 and 2 did not start within 1 s"),
        "{error}"
    );
}

#[test]
fn a_store_that_nobody_serves_is_named() {
    let error = World::connect(launch(1, 2), Duration::from_secs(1))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot reach rank 0 at MASTER_ADDR:MASTER_PORT"),
        "{error}"
    );
}

/// The ranks other than 1, after rank 1 has ended: what they print.
fn words_of_survivor(world: &World) -> Option<String> {
    let begin = Instant::now();
    let error = world.barrier().unwrap_err();
    let words = world.last_words(&error.to_string());
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "{:?}",
        begin.elapsed()
    );
    words
}

#[test]
fn a_rank_that_is_killed_is_named_by_rank_0_alone() {
    let Some(world) = world("a_rank_that_is_killed_is_named_by_rank_0_alone", 3) else {
        return;
    };
    if world.rank() == 1 {
        println!("1 passed");
        // As after `kill -9`, no destructor runs.
        std::process::exit(0);
    }
    let words = words_of_survivor(&world);
    match world.rank() {
        0 => assert!(
            words
                .unwrap()
                .starts_with("rank 1 no longer answers: it was killed")
        ),
        _ => assert_eq!(words, None),
    }
}

#[test]
fn rank_0_prints_its_own_message_alone() {
    let Some(world) = world("rank_0_prints_its_own_message_alone", 3) else {
        return;
    };
    let words = match world.rank() {
        0 => world.last_words("the disk is full"),
        _ => words_of_survivor(&world),
    };
    let expected = "the disk is full".to_owned();
    assert_eq!(words, (world.rank() == 0).then_some(expected));
}

#[test]
fn the_message_of_a_rank_is_printed_by_rank_0_alone() {
    let Some(world) = world("the_message_of_a_rank_is_printed_by_rank_0_alone", 3) else {
        return;
    };
    let words = match world.rank() {
        1 => world.last_words("cannot read x: no such file"),
        _ => words_of_survivor(&world),
    };
    let expected = "rank 1: cannot read x: no such file".to_owned();
    assert_eq!(words, (world.rank() == 0).then_some(expected));
}
