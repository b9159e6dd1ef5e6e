//! Losses that are not finite, damaged files, tasks with a wrong number of batches.

use std::path::Path;

use mflag_train::{BEST, Checkpoint, Error, LAST, TrainerConfig, fit};
use rstest::rstest;
use tch::{Device, Tensor};

use crate::toy::{
    Fault, Settings, Toy, alone, assert_same, config, finished, metrics, new_folder, run,
};

fn faulty(fault: Fault) -> Settings {
    Settings {
        fault: Some(fault),
        ..Settings::default()
    }
}

fn message(settings: &Settings, config: &TrainerConfig, folder: &Path) -> String {
    run(settings, config, folder).unwrap_err().to_string()
}

#[rstest]
#[case("loss", Fault::Loss(5))]
#[case("gradient", Fault::Gradient(5))]
fn a_value_that_is_not_finite_ends_the_run(#[case] what: &str, #[case] fault: Fault) {
    let _alone = alone();
    let config = config(3);
    let sound = Settings::default();
    let (_, whole) = finished(&sound, &config);
    // The weights before step 6, which is the last step of the second epoch.
    let stopped = TrainerConfig {
        stop_after_steps: Some(5),
        ..config.clone()
    };
    let mut golden = Toy::new(sound.clone());
    fit(&mut golden, &stopped, Device::Cpu, new_folder().path()).unwrap();

    let folder = new_folder();
    let mut toy = Toy::new(faulty(fault));
    let error = fit(&mut toy, &config, Device::Cpu, folder.path()).unwrap_err();
    let text = error.to_string();
    let Error::NonFinite {
        ids,
        list,
        step,
        epoch,
        ..
    } = error
    else {
        panic!("{text}")
    };
    assert_eq!((step, epoch), (6, 2));
    assert!(
        text.contains(&format!("the {what} is not finite at step 6 of epoch 2")),
        "{text}"
    );
    assert!(
        text.contains(list.to_str().unwrap()) && !text.contains("film-"),
        "{text}"
    );
    // Batches 6 and 7 of that epoch.
    let order = mflag_core::seed::permutation(3, 2, 22);
    let samples: Vec<String> = order[18..].iter().map(|i| format!("film-{i}")).collect();
    assert_eq!(ids, samples);
    let listed = std::fs::read_to_string(list).unwrap();
    assert_eq!(listed.lines().collect::<Vec<_>>(), samples);

    for ((name, a), (_, b)) in toy.weights().iter().zip(&golden.weights()) {
        assert!(a.equal(b), "{name}");
    }
    // Without the fault, the run resumes from its last checkpoint, even with the same task, whose
    // gradients are not finite.
    toy.heal();
    fit(&mut toy, &config, Device::Cpu, folder.path()).unwrap();
    for file in [LAST, BEST] {
        assert_same(&whole.path().join(file), &folder.path().join(file), file);
    }
    assert_eq!(metrics(whole.path()), metrics(folder.path()));
}

#[test]
fn a_step_that_is_not_finite_is_found_later_and_changes_no_weight() {
    let _alone = alone();
    // Step 2 of 3 in an epoch without log lines or checkpoints.
    let config = TrainerConfig {
        log_every: 100,
        checkpoint_every: 0,
        ..config(3)
    };
    let mut golden = Toy::new(Settings::default());
    let one = TrainerConfig {
        stop_after_steps: Some(1),
        ..config.clone()
    };
    fit(&mut golden, &one, Device::Cpu, new_folder().path()).unwrap();

    let mut toy = Toy::new(faulty(Fault::Gradient(1)));
    let error = fit(&mut toy, &config, Device::Cpu, new_folder().path()).unwrap_err();
    let Error::NonFinite {
        what, step, ids, ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((what, step, ids.len()), ("gradient", 2, 9));
    for ((name, a), (_, b)) in toy.weights().iter().zip(&golden.weights()) {
        assert!(a.equal(b), "{name}");
    }
}

#[test]
fn damaged_checkpoints_and_other_files_give_different_errors() {
    let _alone = alone();
    let settings = Settings::default();
    let (_, folder) = finished(&settings, &config(3));
    let path = folder.path().join(LAST);
    let sound = std::fs::read(&path).unwrap();
    let after = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        let text = message(&settings, &config(3), folder.path());
        assert!(text.contains(path.to_str().unwrap()), "{text}");
        assert_eq!(
            std::fs::read(&path).unwrap(),
            content,
            "the file has not changed"
        );
        text
    };
    let cuts = [0, 1, 7, 8, 100, sound.len() / 2, sound.len() - 1];
    for cut in cuts {
        let text = after(&sound[..cut]);
        assert!(text.contains("damaged or truncated"), "{cut}: {text}");
    }
    let mut flipped = sound.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert!(after(&flipped).contains("do not match its digest"));
    let longer = [&sound[..], b"x"].concat();
    assert!(after(&longer).contains("damaged"));
    assert!(after(b"this is not a checkpoint, but a text of some length").contains("damaged"));

    let header = 8 + u64::from_le_bytes(sound[..8].try_into().unwrap()) as usize;
    let text = String::from_utf8(sound[8..header].to_vec()).unwrap();
    let other = text.replace(r#"\"format\":2"#, r#"\"format\":9"#);
    assert_ne!(text, other);
    let newer = [&sound[..8], other.as_bytes(), &sound[header..]].concat();
    assert!(after(&newer).contains("has format 9, but this program reads format 2"));

    Tensor::write_safetensors(&[("w", Tensor::from(1.0_f32))], &path).unwrap();
    let weights = std::fs::read(&path).unwrap();
    assert!(after(&weights).contains("only weights"));
}

#[test]
fn a_checkpoint_of_another_model_names_the_difference() {
    let _alone = alone();
    let (_, folder) = finished(&Settings::default(), &config(3));
    let wide = Settings {
        width: 5,
        ..Settings::default()
    };
    let text = message(&wide, &config(3), folder.path());
    assert!(text.contains("another architecture"), "{text}");
    assert!(
        text.contains(
            "conv.weight is Float [4, 2, 3, 3] in the file, Float [5, 2, 3, 3] in the model"
        ),
        "{text}"
    );
    let plain = Settings {
        norm: false,
        ..Settings::default()
    };
    let text = message(&plain, &config(3), folder.path());
    assert!(
        text.contains("4 variables missing in the model: norm.bias"),
        "{text}"
    );
}

#[test]
fn other_data_or_accumulation_are_refused() {
    let _alone = alone();
    let (_, folder) = finished(&Settings::default(), &config(3));
    let more = Settings {
        samples: 30,
        ..Settings::default()
    };
    let text = message(&more, &config(3), folder.path());
    assert!(
        text.contains("8 batches per epoch and 3 per step, but the configuration gives 10 and 3"),
        "{text}"
    );
    let text = message(&Settings::default(), &config(2), folder.path());
    assert!(text.contains("8 and 2"), "{text}");
}

#[rstest]
#[case(1)]
#[case(-1)]
fn a_task_with_a_wrong_number_of_batches_is_refused(#[case] excess: isize) {
    let _alone = alone();
    let settings = Settings {
        excess,
        ..Settings::default()
    };
    let folder = new_folder();
    let text = message(&settings, &config(3), folder.path());
    let golden = format!(
        "epoch 1 has {} batches",
        if excess > 0 { "8" } else { "more than 7" }
    );
    assert!(text.contains(&golden), "{text}");
}

#[test]
fn missing_files_and_folders_are_named() {
    let error = Checkpoint::read(Path::new("/nowhere/last.safetensors")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/last.safetensors"));
    let _alone = alone();
    let folder = Path::new("/nowhere/at/all");
    let text = message(&Settings::default(), &config(1), folder);
    assert!(text.contains("/nowhere/at/all"), "{text}");
}
