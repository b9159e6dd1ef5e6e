//! Pre-training in two processes, end to end, by the environment that torchrun sets.
//!
//! In f32, the metrics of two processes agree with those of one within 1e-3, and gradient norms, in
//! which rounding errors of all steps before meet, within 2e-2.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mflag_tests::heads::prepare;
use mflag_tests::programs::{fail, folder, program, succeed};
use mflag_tests::ranks;
use safetensors::SafeTensors;
use serde_json::Value;

/// A folder with a store of phantoms.
fn prepared() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = folder("mflag-ranks");
        let films = [
            "mimic",
            "--films",
            "60",
            "--side",
            "96",
            "--validate",
            "0.3",
        ];
        let (phantoms, store) = (folder.join("phantoms"), folder.join("store"));
        prepare(&films, &["mimic", "--side", "48"], &phantoms, &store);
        folder
    })
}

/// Trains a small network in f32, for 2 epochs of 5 batches.
fn train(run: &Path) -> Command {
    let mut command = program("mflag-pretrain");
    let config = std::fs::canonicalize("../configs/pretrain/demo.yaml").unwrap();
    command.args(["train", "--config"]).arg(config);
    let paths = [("data.store", "store"), ("text.cache", "cache")];
    let paths = paths.map(|(key, name)| format!("{key}={}", prepared().join(name).display()));
    let small = "data.side=40 data.resize=48 data.max_train=30 projector.hidden=16 \
                 projector.output=8 train.epochs=2 train.batch_size=6 train.accumulate=2 \
                 train.log_every=1 train.checkpoint_every=1 train.device=cpu train.threads=1 \
                 train.precision=fp32 train.optimiser.lr=1e-5 \
                 train.optimiser.clip_norm=1.0";
    for set in small
        .split_whitespace()
        .chain(paths.iter().map(String::as_str))
    {
        command.args(["--set", set]);
    }
    command.arg("--run").arg(run);
    command
}

fn resume(run: &Path) -> Command {
    let mut command = program("mflag-pretrain");
    command.args(["train", "--resume", "--run"]).arg(run);
    command
}

/// The text on standard output and on standard error.
fn said(output: &Output) -> [String; 2] {
    [&output.stdout, &output.stderr].map(|s| String::from_utf8_lossy(s).into_owned())
}

#[track_caller]
fn assert_all_succeed(outputs: &[Output]) {
    for output in outputs {
        assert!(output.status.success(), "{}", said(output).concat());
    }
}

/// The lines of `metrics.jsonl`, without those values that depend on the clock.
fn metrics(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let line = |line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        for clock in ["samples_per_second", "outside_share"] {
            line.as_object_mut().unwrap().remove(clock);
        }
        line
    };
    text.lines().map(line).collect()
}

fn tensors(file: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(file).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut all: Vec<_> = file
        .iter()
        .map(|(name, view)| (name.to_owned(), view.data().to_vec()))
        .collect();
    all.sort();
    all
}

#[track_caller]
fn assert_same_run(a: &Path, b: &Path) {
    assert_eq!(metrics(a), metrics(b));
    for file in [
        "last.safetensors",
        "best.safetensors",
        "encoder.safetensors",
    ] {
        assert!(tensors(&a.join(file)) == tensors(&b.join(file)), "{file}");
    }
}

/// A run of two processes, made on first use.
fn whole() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let run = prepared().join("two");
        let outputs = ranks::start(2, |_| train(&run));
        assert_all_succeed(&outputs);
        let [[out, _], [other_out, other_log]] = [0, 1].map(|rank| said(&outputs[rank]));
        assert!(
            out.contains("recall_mean") && out.contains("report: "),
            "{out}"
        );
        assert_eq!(
            (other_out.as_str(), other_log.as_str()),
            ("", ""),
            "rank 1 is silent"
        );
        run
    })
}

#[test]
fn two_processes_train_what_one_trains() {
    let one = prepared().join("one");
    succeed(&mut train(&one));
    let (ours, theirs) = (metrics(whole()), metrics(&one));
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        for (name, theirs) in theirs.as_object().unwrap() {
            let Some(theirs) = theirs.as_f64() else {
                continue;
            };
            let ours = ours[name].as_f64().unwrap();
            let far = (ours - theirs).abs() / theirs.abs().max(1.0);
            let tolerance = if name == "gradient_norm" { 2e-2 } else { 1e-3 };
            assert!(far <= tolerance, "{name}: {ours} instead of {theirs}");
        }
    }
    // Validated before training, the same weights give the same bits.
    assert_eq!(ours[0], theirs[0]);
}

#[test]
fn the_run_says_how_many_processes_trained_it() {
    let run = whole();
    let provenance: Value =
        serde_json::from_str(&std::fs::read_to_string(run.join("provenance.json")).unwrap())
            .unwrap();
    assert_eq!(provenance["world_size"], 2);
    let config = std::fs::read_to_string(run.join("config.yaml")).unwrap();
    assert!(config.contains("batch: global"), "{config}");
    let report = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("processes") && report.contains("loss.batch"));
}

#[test]
fn a_run_that_was_stopped_goes_on_bit_for_bit() {
    let run = prepared().join("stopped");
    let stopped = ranks::start(2, |_| {
        let mut command = train(&run);
        command.args(["--set", "train.stop_after_steps=2"]);
        command
    });
    assert_all_succeed(&stopped);
    let other = fail(&mut resume(&run));
    assert!(
        other.contains("2 processes have trained this run, and now there are 1")
            && other.contains("--other-world-size"),
        "{other}"
    );
    let resumed = ranks::start(2, |_| {
        let mut command = resume(&run);
        command.args(["--set", "train.stop_after_steps=null"]);
        command
    });
    assert_all_succeed(&resumed);
    assert_same_run(&run, whole());
}

#[test]
fn another_number_of_processes_resumes_by_a_named_option() {
    let run = prepared().join("other");
    let mut command = train(&run);
    succeed(command.args(["--set", "train.stop_after_steps=2"]));
    let outputs = ranks::start(2, |_| {
        let mut command = resume(&run);
        command.args(["--other-world-size", "--set", "train.stop_after_steps=null"]);
        command
    });
    assert_all_succeed(&outputs);
    assert_eq!(metrics(&run).len(), metrics(whole()).len());
}

/// One process fails with `message` on standard error; the others say nothing.
#[track_caller]
fn assert_one_message(outputs: &[Output], message: &str) {
    for (rank, output) in outputs.iter().enumerate() {
        let [_, log] = said(output);
        assert_eq!(output.status.code(), Some(1), "rank {rank}: {log}");
        let errors: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("error: "))
            .collect();
        match rank {
            0 => assert!(log.contains(message) && errors.len() == 1, "rank 0: {log}"),
            _ => assert!(errors.is_empty(), "rank {rank}: {log}"),
        }
    }
}

#[test]
fn processes_that_would_train_differently_are_refused() {
    let run = prepared().join("refused");
    let outputs = ranks::start(2, |rank| {
        let mut command = train(&run);
        command.args(["--set", &format!("train.seed={rank}")]);
        command
    });
    assert_one_message(&outputs, "train.seed is 1 on rank 1, but 0 on rank 0");
    assert!(
        !run.exists(),
        "a run that cannot be trained leaves no folder"
    );
}

#[test]
fn a_store_that_one_process_cannot_read_is_named_by_rank_0() {
    let run = prepared().join("unreadable");
    let error_file = prepared().join("error.json");
    let outputs = ranks::start(2, |rank| {
        let mut command = train(&run);
        if rank == 1 {
            command.env("TORCHELASTIC_ERROR_FILE", &error_file);
            command.args(["--set", "data.store=nowhere"]);
        }
        command
    });
    assert_one_message(&outputs, "error: rank 1: ");
    let error: Value = serde_json::from_str(&std::fs::read_to_string(error_file).unwrap()).unwrap();
    assert!(
        error["message"].as_str().unwrap().contains("nowhere"),
        "{error}"
    );
    assert!(error["timestamp"].as_u64().unwrap() > 1_700_000_000);
}

#[test]
fn a_batch_that_processes_cannot_share_is_refused() {
    let run = prepared().join("unequal");
    let outputs = ranks::start(2, |_| {
        let mut command = train(&run);
        command.args(["--set", "train.batch_size=7"]);
        command
    });
    assert_one_message(
        &outputs,
        "2 processes cannot share 7 pairs equally; choose a multiple of 2",
    );
}

#[test]
fn heads_refuse_to_train_in_several_processes() {
    let mut command = program("mflag-classify");
    command.args(["train", "--run", "nowhere"]);
    let said = fail(command.envs(ranks::environment(0, 2, 1)));
    assert!(
        said.contains("mflag-classify trains in one process, but torchrun has started 2"),
        "{said}"
    );
}

/// The processes of a run that is long enough to be disturbed.
fn long_run(run: &Path) -> Vec<Child> {
    let port = ranks::free_port();
    let children = (0..2).map(|rank| {
        let mut command = train(run);
        command.args(["--set", "train.epochs=200"]);
        command.envs(ranks::environment(rank, 2, port));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    let mut children: Vec<Child> = children.collect();
    // Until it has trained for some steps.
    let begin = Instant::now();
    while std::fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |text| text.lines().count())
        < 4
    {
        let ended = children
            .iter_mut()
            .any(|child| child.try_wait().unwrap().is_some());
        assert!(
            !ended && begin.elapsed() < Duration::from_secs(120),
            "training does not begin"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    children
}

fn send(signal: &str, child: &Child) {
    let status = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Waits for all processes; they must end within 30 seconds.
fn ends(children: Vec<Child>) -> Vec<Output> {
    let begin = Instant::now();
    let outputs = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap())
        .collect();
    assert!(
        begin.elapsed() < Duration::from_secs(30),
        "{:?}",
        begin.elapsed()
    );
    outputs
}

/// `--resume` goes on after a failure.
#[track_caller]
fn assert_resumes(run: &Path) {
    let outputs = ranks::start(2, |_| {
        let mut command = resume(run);
        command.args(["--set", "train.stop_after_steps=1"]);
        command
    });
    assert_all_succeed(&outputs);
}

#[test]
fn a_killed_process_ends_the_others_with_one_message() {
    for killed in [1, 0] {
        let run = prepared().join(format!("killed-{killed}"));
        let children = long_run(&run);
        send("-9", &children[killed]);
        let outputs = ends(children);
        let [_, log] = said(&outputs[1 - killed]);
        let message = format!("error: rank {killed} no longer answers: it was killed");
        assert!(log.contains(&message), "{log}");
        assert_eq!(outputs[1 - killed].status.code(), Some(1));
        assert_resumes(&run);
    }
}

#[test]
fn a_signal_to_any_process_ends_all_after_the_same_step() {
    let run = prepared().join("signal");
    let children = long_run(&run);
    send("-TERM", &children[1]);
    let outputs = ends(children);
    for output in &outputs {
        assert_eq!(output.status.code(), Some(143), "{}", said(output).concat());
    }
    let [out, _] = said(&outputs[0]);
    assert!(
        out.contains("resume it: mflag-pretrain train --resume"),
        "{out}"
    );
}
