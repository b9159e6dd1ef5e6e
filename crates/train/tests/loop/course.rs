//! Accumulation, early stopping, memory layout and logs of a run.

use mflag_tests::assert_close;
use mflag_train::{Checkpoint, Ended, LAST, Precision, TrainerConfig, fit};
use tch::{Device, Kind, Tensor};

use crate::toy::{LOGGED, Settings, Toy, alone, config, finished, metrics, new_folder};

fn list(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).contiguous().view(-1)).unwrap()
}

fn model(folder: &tempfile::TempDir) -> Vec<(String, Tensor)> {
    let last = Checkpoint::read(&folder.path().join(LAST)).unwrap();
    last.part("model")
}

/// Without BatchNorm and dropout, accumulated batches give the same weights as one large batch,
/// within 1e-12 in float64.
#[test]
fn accumulated_batches_equal_one_large_batch() {
    let _alone = alone();
    let settings = |batch| Settings {
        samples: 12,
        batch,
        kind: Kind::Double,
        dropout: 0.0,
        norm: false,
        ..Settings::default()
    };
    // Both runs log and save at the same steps.
    let (a, small) = finished(&settings(2), &config(3));
    let (b, large) = finished(&settings(6), &config(1));
    assert_eq!((a.state.step, b.state.step), (6, 6));
    for ((name, a), (_, b)) in model(&small).iter().zip(&model(&large)) {
        assert_close(&list(a), &list(b), 1e-12, name);
    }
    for (a, b) in metrics(small.path()).iter().zip(&metrics(large.path())) {
        for key in ["loss", "gradient_norm", "p3", "lr"] {
            if let (Some(a), Some(b)) = (a[key].as_f64(), b[key].as_f64()) {
                assert_close(&[a], &[b], 1e-12, key);
            }
        }
    }
}

/// Three samples in batches of two, with two batches per step: the last batch counts as much as the
/// first, and the step uses their mean.
#[test]
fn an_uneven_last_step_uses_the_mean() {
    let _alone = alone();
    let settings = |samples, batch| Settings {
        samples,
        batch,
        kind: Kind::Double,
        dropout: 0.0,
        norm: false,
        ..Settings::default()
    };
    let one_epoch = |accumulate| TrainerConfig {
        epochs: 1,
        ..config(accumulate)
    };
    // 4 batches of 1 sample, 3 batches per step: a step of 3 samples and a step of 1.
    let (result, uneven) = finished(&settings(4, 1), &one_epoch(3));
    assert_eq!(result.state.step, 2);
    // The same steps, made of a batch of 3 and a batch of 1.
    let (_, golden) = finished(&settings(4, 3), &one_epoch(1));
    for ((name, a), (_, b)) in model(&uneven).iter().zip(&model(&golden)) {
        assert_close(&list(a), &list(b), 1e-12, name);
    }
}

#[test]
fn patience_ends_a_run() {
    let _alone = alone();
    let settings = Settings {
        script: vec![5.0, 4.0, 4.5, f64::NAN, 3.0, 3.0, 3.5, 2.0, 2.5],
        ..Settings::default()
    };
    let patient = |patience| TrainerConfig {
        epochs: 8,
        patience,
        ..config(3)
    };
    for (patience, ended, epoch, best) in [
        (Some(2), Ended::Early, 3, 1),
        (Some(3), Ended::Finished, 8, 7),
        (None, Ended::Finished, 8, 7),
    ] {
        let (result, folder) = finished(&settings, &patient(patience));
        let state = &result.state;
        assert_eq!((result.ended, state.epoch), (ended, epoch), "{patience:?}");
        assert_eq!(state.best.unwrap().epoch, best, "{patience:?}");
        let kept = Checkpoint::read(&folder.path().join(mflag_train::BEST)).unwrap();
        assert_eq!(kept.state.epoch, best, "{patience:?}");
        let again = crate::toy::run(&settings, &patient(patience), folder.path()).unwrap();
        assert_eq!((again.ended, again.state.epoch), (ended, epoch));
    }
}

#[test]
fn validation_has_its_own_rhythm() {
    let _alone = alone();
    let rare = TrainerConfig {
        epochs: 5,
        validate_every: 2,
        ..config(3)
    };
    let (_, folder) = finished(&Settings::default(), &rare);
    let lines = metrics(folder.path());
    let epochs: Vec<u64> = lines
        .iter()
        .filter(|line| line["kind"] == "validation")
        .map(|line| line["epoch"].as_u64().unwrap())
        .collect();
    assert_eq!(epochs, [0, 2, 4, 5]);
}

#[test]
fn the_lines_of_training() {
    let _alone = alone();
    let config = config(1);
    let (result, folder) = finished(&Settings::default(), &config);
    assert!(result.samples_per_second.unwrap() > 0.0 && result.seconds > 0.0);
    assert!(result.peak_memory.is_none_or(|bytes| bytes > 10_000_000));
    let lines = metrics(folder.path());
    let train: Vec<_> = lines
        .iter()
        .filter(|line| line["kind"] == "train")
        .collect();
    assert_eq!(train.len(), 12);
    for (line, step) in train.iter().zip((2..).step_by(2)) {
        assert_eq!(line["step"], step);
        let lr = config.schedule.lr(config.optimiser.lr, step - 1, 24);
        assert_eq!(line["lr"], lr, "the rate of the step just done");
        let names: Vec<&str> = line
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let first = ["kind", "step", "epoch", "lr", "loss"];
        let golden = [&first[..], &LOGGED, &["gradient_norm"]].concat();
        assert_eq!(names, golden);
    }
}

#[test]
fn a_short_run_logs_its_loss() {
    let _alone = alone();
    let rare = TrainerConfig {
        log_every: 1000,
        ..config(3)
    };
    let (_, folder) = finished(&Settings::default(), &rare);
    let lines = metrics(folder.path());
    let train: Vec<_> = lines
        .iter()
        .filter(|line| line["kind"] == "train")
        .collect();
    assert_eq!(train.len(), 1);
    assert_eq!(train[0]["step"], 9);
}

/// Channels-last computes the same sums in another order, so losses differ by up to 1e-4 after
/// three epochs.
#[test]
fn channels_last_gives_the_same_losses() {
    let _alone = alone();
    let settings = Settings {
        width: 16,
        ..Settings::default()
    };
    let last = |channels_last| TrainerConfig {
        channels_last,
        ..config(1)
    };
    let losses = |folder: &tempfile::TempDir| -> Vec<f64> {
        let lines = metrics(folder.path());
        lines.iter().map(|l| l["loss"].as_f64().unwrap()).collect()
    };
    let (_, plain) = finished(&settings, &last(false));
    let (_, other) = finished(&settings, &last(true));
    assert_close(&losses(&other), &losses(&plain), 1e-4, "loss");
    let mut toy = Toy::new(settings);
    fit(&mut toy, &last(true), Device::Cpu, new_folder().path()).unwrap();
    let weights = mflag_train::Task::variables(&toy);
    let (_, conv) = weights
        .iter()
        .find(|(name, _)| name == "conv.weight")
        .unwrap();
    assert!(mflag_train::shim::is_channels_last(conv).unwrap());
}

#[test]
fn bf16_learns_as_fp32_does_and_keeps_f32_weights() {
    let _alone = alone();
    let settings = Settings {
        dropout: 0.0,
        ..Settings::default()
    };
    let precision = |precision| TrainerConfig {
        precision,
        ..config(1)
    };
    let (full, _) = finished(&settings, &precision(Precision::Fp32));
    let (half, folder) = finished(&settings, &precision(Precision::Bf16));
    let [full, half] = [full, half].map(|result| result.state.latest[0].1.0);
    assert_close(&[half], &[full], 0.02, "validation loss");
    assert!(model(&folder).iter().all(|(_, t)| t.kind() == Kind::Float));
}
