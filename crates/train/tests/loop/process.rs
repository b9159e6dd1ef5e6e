//! Tests that need a process of their own: signals and a full disk. The test binary runs itself.

use std::path::Path;
use std::process::{Command, Output};

use mflag_train::{BEST, Ended, LAST, TrainerConfig};

use crate::toy::{Fault, Settings, alone, assert_same, config, finished, metrics, new_folder, run};

/// The folder of a child process. Without it, the tests named `child_…` do nothing.
const FOLDER: &str = "MFLAG_TEST_FOLDER";

fn folder() -> Option<std::path::PathBuf> {
    std::env::var_os(FOLDER).map(Into::into)
}

/// Runs the test `name` in a child process, through the command `wrapper`.
fn child(name: &str, folder: &Path, wrapper: &[&str]) -> Output {
    let own = std::env::current_exe().unwrap();
    let line = [
        wrapper,
        &[own.to_str().unwrap(), "--exact", name, "--nocapture"],
    ]
    .concat();
    let mut command = Command::new(line[0]);
    command
        .args(&line[1..])
        .env(FOLDER, folder)
        .output()
        .unwrap()
}

const SIGTERM: i32 = signal_hook::consts::SIGTERM;

#[test]
fn a_signal_ends_the_run_with_a_checkpoint() {
    let _alone = alone();
    let (_, whole) = finished(&Settings::default(), &config(3));
    let dir = new_folder();
    let output = child("process::child_gets_a_signal", dir.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    run(&Settings::default(), &config(3), dir.path()).unwrap();
    for file in [LAST, BEST] {
        assert_same(&whole.path().join(file), &dir.path().join(file), file);
    }
    assert_eq!(metrics(whole.path()), metrics(dir.path()));
}

#[test]
fn child_gets_a_signal() {
    let Some(folder) = folder() else { return };
    let _alone = alone();
    let settings = Settings {
        fault: Some(Fault::Signal(4, SIGTERM, 1)),
        ..Settings::default()
    };
    let result = run(&settings, &config(3), &folder).unwrap();
    assert_eq!(result.ended, Ended::Interrupted(SIGTERM));
    assert_eq!(result.state.step, 5);
    assert_eq!(result.exit_code(), 143);
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let dir = new_folder();
    let output = child("process::child_gets_two_signals", dir.path(), &[]);
    assert_eq!(output.status.code(), Some(143), "{output:?}");
}

#[test]
fn child_gets_two_signals() {
    let Some(folder) = folder() else { return };
    let _alone = alone();
    let settings = Settings {
        fault: Some(Fault::Signal(4, SIGTERM, 2)),
        ..Settings::default()
    };
    let result = run(&settings, &config(3), &folder);
    panic!("the second of three batches ends the process: {result:?}");
}

/// Uses a small file system, which exists only in the child's namespace.
#[test]
fn a_full_disk_leaves_the_last_checkpoint() {
    let dir = new_folder();
    let script = format!(
        "mount -t tmpfs -o size=192k tmpfs '{}' || exit 77; exec \"$@\"",
        dir.path().display()
    );
    let space = ["unshare", "--user", "--map-root-user", "--mount"];
    let possible = Command::new(space[0])
        .args(&space[1..])
        .arg("true")
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        println!("skipped: this system does not allow user namespaces");
        return;
    }
    let wrapper = [&space[..], &["sh", "-c", &script, "sh"]].concat();
    let output = child("process::child_fills_its_disk", dir.path(), &wrapper);
    match output.status.code() {
        Some(77) => println!("skipped: no file system can be mounted here"),
        code => assert_eq!(code, Some(0), "{output:?}"),
    }
}

#[test]
fn child_fills_its_disk() {
    let Some(folder) = folder() else { return };
    let _alone = alone();
    let (settings, config) = (Settings::default(), config(3));
    let (_, whole) = finished(&settings, &config);
    let first = TrainerConfig {
        stop_after_steps: Some(4),
        ..config.clone()
    };
    run(&settings, &first, &folder).unwrap();
    let last = folder.join(LAST);
    let before = std::fs::read(&last).unwrap();
    let filler = folder.join("filler");
    // Fills the disk except for one page, which has room for a line of metrics.
    let mut size = 1 << 20;
    while std::fs::write(&filler, vec![1; size]).is_err() {
        size -= 4096;
    }
    std::fs::write(&filler, vec![1; size - 4096]).unwrap();
    let text = run(&settings, &config, &folder).unwrap_err().to_string();
    assert!(text.contains("free some space"), "{text}");
    assert!(std::fs::read(&last).unwrap() == before);
    let left: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().starts_with(".partial")),
        "{left:?}"
    );
    std::fs::remove_file(&filler).unwrap();
    run(&settings, &config, &folder).unwrap();
    for file in [LAST, BEST] {
        assert_same(&whole.path().join(file), &folder.join(file), file);
    }
    assert_eq!(metrics(whole.path()), metrics(&folder));
}
