//! Inputs that block or never end: named pipes and devices. Each program refuses them by name.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mflag_tests::programs::{program, succeed};

/// The error of a command that must fail within a minute.
#[track_caller]
fn refusal(name: &str, arguments: &[&str]) -> String {
    let mut child = program(name)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{name} {arguments:?} waits for its input");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{name} {arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn make_pipe(path: &Path) {
    succeed(Command::new("mkfifo").arg(path));
}

#[test]
fn every_input_that_may_never_end_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for name in [
        "pipe",
        "store/store.json",
        "run/config.yaml",
        "model/config.json",
        "e/results.csv",
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        make_pipe(&path);
    }
    let (pipe, store, out) = (at("pipe"), at("store"), at("out"));
    let store_key = format!("data.store={store}");
    let prepare = ["prepare", "manifest", "--out", &out, "--root"];
    let train = |config: &'static str| ["train", "--config", config, "--run", "out-run"];
    let classify = train("configs/classification/strict-chexpert.yaml");
    for (name, arguments, named) in [
        ("mflag-data", [&prepare[..], &[&pipe]].concat(), "pipe"),
        (
            "mflag-data",
            [&prepare[..], &["/dev/zero"]].concat(),
            "/dev/zero",
        ),
        (
            "mflag-data",
            vec!["inspect", "--store", &store],
            "store.json",
        ),
        ("mflag-data", vec!["verify", &store], "store.json"),
        (
            "mflag-classify",
            vec!["train", "--config", &pipe, "--run", &out],
            "pipe",
        ),
        (
            "mflag-classify",
            vec!["train", "--config", "/dev/zero", "--run", &out],
            "/dev/zero",
        ),
        (
            "mflag-classify",
            [&classify[..], &["--set", &store_key]].concat(),
            "store.json",
        ),
        (
            "mflag-classify",
            vec!["eval", "--model", &pipe, "--out", &out],
            "pipe",
        ),
        (
            "mflag-segment",
            vec![
                "predict",
                "--model",
                &pipe,
                "--out",
                &out,
                "tests/golden/film/grey.png",
            ],
            "pipe",
        ),
        (
            "mflag-pretrain",
            vec!["export", "--encoder", &pipe, "--out", &out],
            "pipe",
        ),
        ("mflag-experiments", vec!["plan", &pipe], "pipe"),
    ] {
        let said = refusal(name, &arguments);
        assert!(
            said.contains(named) && said.contains(", not a regular file"),
            "{name} {arguments:?}: {said}"
        );
    }
    // A report names what it cannot read, and goes on.
    let report = at("report.html");
    succeed(program("mflag-report").args([&at("run"), "--out", &report]));
    let text = std::fs::read_to_string(report).unwrap();
    assert!(text.contains("it is a pipe, not a regular file"), "{text}");
}
