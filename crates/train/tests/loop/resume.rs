//! A run that was stopped and resumed is bit for bit equal to an uninterrupted one.

use mflag_train::{BEST, Checkpoint, Ended, LAST, METRICS, TrainerConfig};
use rstest::rstest;
use tempfile::TempDir;

use crate::toy::{Settings, alone, assert_same, config, finished, metrics, new_folder, run};

/// 22 samples in batches of 3 are 8 batches. With 3 batches per step, the last step of an epoch has
/// 2.
#[rstest]
#[case(1, 24)]
#[case(3, 9)]
fn stopped_at_any_step(#[case] accumulate: usize, #[case] steps: u64) {
    let _alone = alone();
    let (settings, config) = (Settings::default(), config(accumulate));
    let (result, whole) = finished(&settings, &config);
    assert_eq!(result.ended, Ended::Finished);
    assert_eq!(result.state.step, steps);
    let golden = metrics(whole.path());
    for stop in 1..=steps {
        let folder = new_folder();
        let first = TrainerConfig {
            stop_after_steps: Some(stop),
            ..config.clone()
        };
        let result = run(&settings, &first, folder.path()).unwrap();
        assert_eq!((result.ended, result.state.step), (Ended::StepLimit, stop));
        assert_eq!(result.exit_code(), 0);
        // The state of the generator before the run resumes must not matter.
        tch::manual_seed(99);
        let result = run(&settings, &config, folder.path()).unwrap();
        assert_eq!(result.ended, Ended::Finished);
        for file in [LAST, BEST] {
            let what = format!("{file}, stopped after {stop}");
            assert_same(&whole.path().join(file), &folder.path().join(file), &what);
        }
        assert_eq!(golden, metrics(folder.path()), "stopped after {stop}");
    }
}

#[test]
fn stopped_at_every_step() {
    let _alone = alone();
    let (settings, config) = (Settings::default(), config(3));
    let (_, whole) = finished(&settings, &config);
    let folder = new_folder();
    let one = TrainerConfig {
        stop_after_steps: Some(1),
        ..config
    };
    let mut sessions = 1;
    while run(&settings, &one, folder.path()).unwrap().ended == Ended::StepLimit {
        sessions += 1;
    }
    assert_eq!(sessions, 10);
    assert_same(&whole.path().join(LAST), &folder.path().join(LAST), "last");
    assert_eq!(metrics(whole.path()), metrics(folder.path()));
    // Resuming a finished run changes nothing.
    let before = std::fs::read(folder.path().join(LAST)).unwrap();
    assert_eq!(
        run(&settings, &one, folder.path()).unwrap().ended,
        Ended::Finished
    );
    assert!(before == std::fs::read(folder.path().join(LAST)).unwrap());
}

/// A killed run leaves lines of metrics and a best model that are newer than its last checkpoint.
#[test]
fn killed_after_its_checkpoint() {
    let _alone = alone();
    let (settings, config) = (Settings::default(), config(1));
    let (_, whole) = finished(&settings, &config);
    let folder = new_folder();
    let [last, aside] = [LAST, "aside"].map(|name| folder.path().join(name));
    let stop_at = |steps| TrainerConfig {
        stop_after_steps: Some(steps),
        ..config.clone()
    };
    run(&settings, &stop_at(5), folder.path()).unwrap();
    std::fs::copy(&last, &aside).unwrap();
    run(&settings, &stop_at(14), folder.path()).unwrap();
    std::fs::rename(&aside, &last).unwrap();
    run(&settings, &config, folder.path()).unwrap();
    for file in [LAST, BEST] {
        assert_same(&whole.path().join(file), &folder.path().join(file), file);
    }
    assert_eq!(metrics(whole.path()), metrics(folder.path()));
}

/// A run that stopped after the untrained model was validated.
fn stopped_in_the_first_epoch() -> (Settings, TempDir) {
    let settings = Settings::default();
    let stopped = TrainerConfig {
        stop_after_steps: Some(4),
        ..config(1)
    };
    let (_, folder) = finished(&settings, &stopped);
    (settings, folder)
}

#[test]
fn deleted_metrics_leave_no_hole() {
    let _alone = alone();
    let (settings, folder) = stopped_in_the_first_epoch();
    std::fs::remove_file(folder.path().join(METRICS)).unwrap();
    run(&settings, &config(1), folder.path()).unwrap();
    assert_eq!(metrics(folder.path())[0]["step"], 6);
    let known = Checkpoint::read(&folder.path().join(LAST)).unwrap().state;
    let length = folder.path().join(METRICS).metadata().unwrap().len();
    assert_eq!(known.metrics_bytes, length);
}

#[test]
fn a_partial_line_of_metrics_is_removed() {
    let _alone = alone();
    let (settings, folder) = stopped_in_the_first_epoch();
    let file = folder.path().join(METRICS);
    let lines = std::fs::read(&file).unwrap();
    std::fs::write(&file, &lines[..lines.len() - 20]).unwrap();
    run(&settings, &config(1), folder.path()).unwrap();
    // Each line can be read.
    metrics(folder.path());
}

#[test]
fn a_run_without_its_checkpoint_does_not_begin_again() {
    let _alone = alone();
    let settings = Settings::default();
    let (_, folder) = finished(&settings, &config(1));
    let before = metrics(folder.path());
    std::fs::remove_file(folder.path().join(LAST)).unwrap();
    let error = run(&settings, &config(1), folder.path()).unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error}");
    assert_eq!(metrics(folder.path()), before);
}

#[test]
fn epochs_may_be_added_and_taken_away() {
    let _alone = alone();
    let settings = Settings::default();
    let epochs = |epochs| TrainerConfig {
        epochs,
        ..config(1)
    };
    let (_, folder) = finished(&settings, &epochs(2));
    let result = run(&settings, &epochs(3), folder.path()).unwrap();
    assert_eq!(result.state.epoch, 3);
    let result = run(&settings, &epochs(1), folder.path()).unwrap();
    assert_eq!((result.ended, result.state.epoch), (Ended::Finished, 3));
}
