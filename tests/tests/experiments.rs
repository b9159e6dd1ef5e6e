//! Runs an experiment end to end, from phantoms to tables.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mflag_tests::heads::{json, prepare, reported};
use mflag_tests::programs::{fail, folder, program, succeed};
use serde_json::Value;

/// Makes a folder with a store of phantoms.
fn prepared() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = folder("mflag-experiments");
        prepare(
            &[
                "manifest",
                "--films",
                "60",
                "--side",
                "96",
                "--validate",
                "0.2",
                "--test",
                "0.3",
            ],
            &["manifest", "--side", "64"],
            &folder.join("films"),
            &folder.join("store"),
        );
        folder
    })
}

/// An experiment of four cells, in a separate folder.
fn experiment(name: &str) -> PathBuf {
    let folder = prepared().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("experiment.yaml");
    let text = format!(
        "title: Toy
runs: {folder}/runs
published: {folder}/published.yaml
tasks:
  - name: Opacities
    program: mflag-segment
    config: configs/segmentation/masks.yaml
    metric: dice
    set: {{ data.store: {store}, data.side: 64, train.epochs: 1, train.device: cpu }}
encoders:
  - {{ name: Random, set: {{ encoder.arch: resnet18 }} }}
  - {{ name: Other, set: {{ encoder.arch: resnet34 }} }}
fractions: [0.5]
seeds: [0, 1]
",
        folder = folder.display(),
        store = prepared().join("store").display()
    );
    std::fs::write(&file, text).unwrap();
    let published = "tables: { Opacities: { source: a paper, fractions: [0.5, 1.0], rows: [{ encoder: Random, values: ['12.3', '<1'] }] } }";
    std::fs::write(folder.join("published.yaml"), published).unwrap();
    file
}

fn experiments(command: &str, file: &Path) -> Command {
    let mut program = program("mflag-experiments");
    program.arg(command).arg(file);
    program
}

#[test]
fn missing_cells_are_run_and_tables_stand_beside_published_numbers() {
    let file = experiment("whole");
    let runs = file.with_file_name("runs");
    let said = succeed(&mut experiments("plan", &file));
    assert!(said.contains("unknown until one run is done"), "{said}");
    // At first, only one of the two seeds is run.
    let said = succeed(experiments("run", &file).args(["--set", "seeds=[1]"]));
    assert!(
        said.contains("2 of 2: Opacities, Other, 50 %, seed 1"),
        "{said}"
    );
    let said = succeed(&mut experiments("plan", &file));
    assert!(
        said.contains("about "),
        "the plan states the time left: {said}"
    );

    // A run that stopped during its evaluation is resumed.
    let cell = runs.join("opacities/random/50-seed-1");
    let job = cell.with_file_name("50-seed-1.job.json");
    let mut known = json(&job);
    known["finished"] = Value::Bool(false);
    std::fs::write(&job, known.to_string()).unwrap();
    let before = json(&cell.join("test/evaluation.json"));
    std::fs::remove_file(cell.join("test/evaluation.json")).unwrap();

    let said = succeed(&mut experiments("run", &file));
    let done = said.matches("done in").count();
    assert_eq!(done, 3, "one cell was done: {said}");
    assert_eq!(json(&cell.join("test/evaluation.json")), before);
    for shown in [
        "Random (published)",
        "12.3",
        "Other at 50 % − Random at 50 %",
        "±",
    ] {
        assert!(said.contains(shown), "{said}");
    }
    let report = reported(&said, &runs);
    for shown in [
        "Random (published)",
        "Other at 50 % − Random at 50 %",
        "&lt;1",
        "50 % of the labels: Dice",
        "opacities/other/50-seed-1",
    ] {
        assert!(report.contains(shown), "{shown}");
    }
    let markdown = std::fs::read_to_string(runs.join("results.md")).unwrap();
    assert!(markdown.contains("| encoder | 50 % |"), "{markdown}");
    let table = std::fs::read_to_string(runs.join("results.csv")).unwrap();
    assert_eq!(table.lines().count(), 3, "{table}");
    // The mean in the table is the mean of the cells.
    let of = |seed: u32| {
        let folder = runs.join(format!("opacities/random/50-seed-{seed}/test"));
        json(&folder.join("evaluation.json"))["metrics"][0]["value"]
            .as_f64()
            .unwrap()
    };
    let row = table.lines().nth(1).unwrap();
    let mean: f64 = row.split(',').nth(5).unwrap().parse().unwrap();
    assert!((mean - f64::midpoint(of(0), of(1))).abs() < 1e-12, "{row}");

    // All cells are done, so nothing runs again.
    let said = succeed(&mut experiments("run", &file));
    assert!(!said.contains("done in"), "{said}");
    let told = fail(experiments("run", &file).args([
        "--set",
        "encoders=[{name: Random, set: {encoder.arch: resnet50}}]",
    ]));
    assert!(
        told.contains("encoder.arch: \"resnet18\" → \"resnet50\""),
        "{told}"
    );
    let told = fail(experiments("table", &file).args(["--set", "tasks=[{name: Opacities, program: mflag-segment, config: configs/segmentation/masks.yaml, metric: dice}]"]));
    assert!(told.contains("was run with other settings"), "{told}");
    let kept = std::fs::read_to_string(runs.join("results.csv")).unwrap();
    assert_eq!(kept, table, "the tables are as they were");
}

#[test]
fn what_is_missing_or_fails_is_told() {
    let file = experiment("faults");
    let none = "encoders=[{name: E, weights: none.safetensors}]";
    let told = fail(experiments("run", &file).args(["--set", none]));
    assert!(
        told.contains("encoder none.safetensors: the file cannot be read"),
        "{told}"
    );
    let told = fail(experiments("run", &file).args(["--set", "seed=[0]"]));
    assert!(told.contains("did you mean 'seeds'?"), "{told}");
    let large = "tasks=[{name: Opacities, program: mflag-segment, config: configs/segmentation/masks.yaml, metric: dice, set: {data.store: STORE, data.side: 96}}]";
    let store = prepared().join("store").display().to_string();
    let large = large.replace("STORE", &store);
    let told = fail(experiments("run", &file).args(["--set", &large]));
    let reason = "views of 96 px are larger than the store's films of 64 px";
    assert!(told.contains(&format!("store {store}: {reason}")), "{told}");
    // The error comes before anything runs.
    let unknown = "encoders=[{name: Bad, set: {encoder.arch: resnet19}}]";
    let told = fail(experiments("run", &file).args(["--set", unknown]));
    assert!(
        told.contains("Opacities, Bad, 50 %, seed 0") && told.contains("'resnet19'"),
        "{told}"
    );
    // What only the head's program knows is told before anything runs, by `plan`, too.
    let odd = "tasks=[{name: Odd, program: mflag-segment, config: configs/segmentation/masks.yaml, metric: dice, set: {data.side: 48, data.store: STORE}}]";
    let odd = odd.replace("STORE", &prepared().join("store").display().to_string());
    let told = fail(experiments("run", &file).args(["--set", &odd]));
    assert!(
        told.contains("nothing was run") && told.contains("data.side: 48 is not a multiple of 32"),
        "{told}"
    );
    assert_eq!(
        told.matches("multiple of 32").count(),
        1,
        "told once for four cells: {told}"
    );
    let output = experiments("plan", &file)
        .args(["--set", &odd])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        told.contains("cannot begin:") && told.contains("multiple of 32"),
        "{told}"
    );
    assert!(!file.with_file_name("runs").join("odd").exists());
    let bad = format!("encoders=[{{name: Bad, weights: {}}}]", file.display());
    let told = fail(experiments("run", &file).args(["--set", &bad]));
    assert!(
        told.contains("nothing was run") && told.contains("experiment.yaml"),
        "{told}"
    );
    // If a cell fails, the others still run. This one finds a folder in place of a file.
    let cell = file.with_file_name("runs").join("opacities/bad/50-seed-0");
    std::fs::create_dir_all(cell.join("metrics.jsonl")).unwrap();
    let bad = "encoders=[{name: Bad, set: {encoder.arch: resnet18}}, \
               {name: Random, set: {encoder.arch: resnet18}}]";
    let told = fail(experiments("run", &file).args(["--set", "seeds=[0]", "--set", bad]));
    assert!(
        told.contains("cells that failed (1)") && told.contains("bad/50-seed-0.log"),
        "{told}"
    );
    let log = file
        .with_file_name("runs")
        .join("opacities/bad/50-seed-0.log");
    assert!(
        std::fs::read_to_string(log)
            .unwrap()
            .contains("it is a folder, not a regular file")
    );
}

/// The values of a column of the table of runs.
fn runs(file: &Path, key: &str) -> Vec<String> {
    let said = succeed(experiments("plan", file).arg("--json"));
    let plan: Value = serde_json::from_str(&said).unwrap();
    let runs = plan["runs"].as_array().unwrap().iter();
    let text = |run: &Value| match &run[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    runs.map(text).collect()
}

#[test]
fn several_processes_share_the_cells() {
    let file = experiment("shared");
    let begin = || {
        experiments("run", &file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let processes = [begin(), begin(), begin()];
    let said = processes.map(|process| {
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        // Each process waits for all cells, and prints the whole tables.
        assert_eq!(said.matches("± ").count(), 3, "{said}");
        said
    });
    let done: usize = said
        .iter()
        .map(|said| said.matches("done in").count())
        .sum();
    assert_eq!(done, 4, "no cell was run twice: {said:?}");
    assert_eq!(runs(&file, "state"), ["done"; 4]);
}

#[test]
fn a_cell_can_be_run_alone() {
    let file = experiment("alone");
    let ids = runs(&file, "id");
    assert_eq!(ids[0], "opacities/random/50-seed-0");
    assert_eq!(runs(&file, "needs"), ["[]"; 4]);
    let said = succeed(experiments("cell", &file).arg(&ids[0]));
    assert!(said.contains("random/50-seed-0 done in"), "{said}");
    let said = succeed(experiments("cell", &file).arg(&ids[0]));
    assert!(said.contains("was done before"), "{said}");
    assert_eq!(
        runs(&file, "state"),
        ["done", "missing", "missing", "missing"]
    );
    let said = fail(experiments("cell", &file).arg("opacities/random/50-seed-7"));
    assert!(
        said.contains("did you mean 'opacities/random/50-seed-"),
        "{said}"
    );

    // Another process works on the cell.
    let log = file.with_file_name("runs").join(format!("{}.log", ids[1]));
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    let log = std::fs::File::options()
        .append(true)
        .create(true)
        .open(log)
        .unwrap();
    log.lock().unwrap();
    let said = fail(experiments("cell", &file).arg(&ids[1]));
    assert!(said.contains("another process works on this run"), "{said}");

    let pretrained = "encoders=[{name: New, pretrain: {config: configs/pretrain/demo.yaml}}]";
    let cell = ["opacities/new/50-seed-0", "--set", pretrained];
    let said = fail(experiments("cell", &file).args(cell));
    assert!(said.contains("run the cell encoders/new first"), "{said}");
}

#[test]
fn a_training_ends_with_the_experiment_that_started_it() {
    let file = experiment("killed");
    let endless = "tasks=[{name: Long, program: mflag-segment, config: configs/segmentation/masks.yaml, metric: dice, set: {data.side: 64, train.epochs: 10000, train.device: cpu, data.store: STORE}}]";
    let endless = endless.replace("STORE", &prepared().join("store").display().to_string());
    let mut run = experiments("run", &file)
        .args(["--set", &endless])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let cell = file.with_file_name("runs").join("long/random/50-seed-0");
    let trained = || {
        std::fs::read_to_string(cell.join("metrics.jsonl"))
            .unwrap_or_default()
            .lines()
            .count()
    };
    wait_until(|| trained() > 1);
    run.kill().unwrap();
    run.wait().unwrap();
    // The training has ended when its folder can be locked.
    let is_free = || std::fs::File::open(&cell).unwrap().try_lock().is_ok();
    wait_until(is_free);
    let log = std::fs::read_to_string(cell.with_file_name("50-seed-0.log")).unwrap();
    assert!(log.contains("training is not complete; resume it"), "{log}");
}

/// Waits until `ready`, at most two minutes.
fn wait_until(ready: impl Fn() -> bool) {
    let begin = Instant::now();
    while !ready() {
        assert!(
            begin.elapsed() < Duration::from_secs(120),
            "nothing happened in two minutes"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
