//! Runs pre-training end to end, from phantoms to an encoder.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mflag_tests::heads::{prepare, reported};
use mflag_tests::programs::{fail, folder, program, succeed};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::Value;

/// A folder with phantoms, their store and a text cache; the first test that needs it makes it.
fn prepared() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = folder("mflag-pretrain");
        prepare(
            &[
                "mimic",
                "--films",
                "60",
                "--side",
                "96",
                "--validate",
                "0.3",
            ],
            &["mimic", "--side", "48"],
            &folder.join("phantoms"),
            &folder.join("store"),
        );
        succeed(configured("encode-text", &folder));
        folder
    })
}

/// The command `mflag-pretrain <command>` on the store in `folder`: a small network, 3 epochs of 5
/// batches.
fn configured<'a>(command: &str, folder: &Path) -> &'a mut Command {
    let mut sets = vec![
        format!("data.store={}", folder.join("store").display()),
        format!("text.cache={}", folder.join("cache").display()),
    ];
    let small = "data.side=40 data.resize=48 data.max_train=30 projector.hidden=16 projector.output=8 train.epochs=3 train.batch_size=6 \
                 train.accumulate=2 train.log_every=2 train.checkpoint_every=2 train.device=cpu train.precision=bf16";
    sets.extend(small.split_whitespace().map(str::to_owned));
    let command_line = Box::leak(Box::new(program("mflag-pretrain")));
    let config = std::fs::canonicalize("../configs/pretrain/demo.yaml").unwrap();
    command_line.args([command, "--config"]).arg(config);
    sets.iter().for_each(|set| {
        command_line.args(["--set", set]);
    });
    command_line
}

fn train(run: &Path) -> &'static mut Command {
    configured("train", prepared()).arg("--run").arg(run)
}

fn resume(run: &Path) -> Command {
    let mut command = program("mflag-pretrain");
    command.args(["train", "--resume", "--run"]).arg(run);
    command
}

/// An uninterrupted run, made on first use.
fn whole() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let run = prepared().join("whole");
        let said = succeed(train(&run));
        assert!(
            said.contains("recall_mean") && said.contains("untrained"),
            "{said}"
        );
        reported(&said, &run);
        run
    })
}

/// Reads every tensor of a safetensors file, by name.
fn tensors(file: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(file).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| (name.to_owned(), view.data().to_vec()))
        .collect()
}

fn metrics(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    // The last line of a run in progress may be incomplete.
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Returns the metrics that do not depend on the clock.
fn repeatable(run: &Path) -> Vec<Value> {
    let mut lines = metrics(run);
    for line in &mut lines {
        for clock in ["samples_per_second", "outside_share"] {
            line.as_object_mut().unwrap().remove(clock);
        }
    }
    lines
}

fn assert_as_if_never_killed(run: &Path, when: &str) {
    for file in [
        "last.safetensors",
        "best.safetensors",
        "encoder.safetensors",
    ] {
        let (ours, whole) = (tensors(&run.join(file)), tensors(&whole().join(file)));
        assert!(ours == whole, "{file} differs after {when}");
    }
    assert_eq!(
        repeatable(run),
        repeatable(whole()),
        "metrics differ after {when}"
    );
}

/// Waits until `ready`, or until the program ends.
fn wait_until(child: &mut Child, ready: impl Fn() -> bool) {
    let begin = Instant::now();
    while !ready() && child.try_wait().unwrap().is_none() {
        assert!(
            begin.elapsed() < Duration::from_secs(120),
            "nothing happened in two minutes"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_run_writes_all_that_it_was() {
    let run = whole();
    for file in [
        "config.yaml",
        "provenance.json",
        "metrics.jsonl",
        "last.safetensors",
        "encoder.safetensors",
    ] {
        assert!(run.join(file).exists(), "{file}");
    }
    let config = std::fs::read_to_string(run.join("config.yaml")).unwrap();
    assert!(
        config.contains("batch_size: 6") && config.contains("form: normalised"),
        "{config}"
    );
    let lines = metrics(run);
    let of = |kind: &str| {
        lines
            .iter()
            .filter(|l| l["kind"] == kind)
            .collect::<Vec<_>>()
    };
    // Validation lines: before training and after each of three epochs. Training lines: one for
    // every two of nine steps, and one for the last step.
    assert_eq!((of("validation").len(), of("train").len()), (4, 5));
    for key in [
        "loss",
        "alignment_loss",
        "orthogonality_loss",
        "lr",
        "gradient_norm",
        "samples_per_second",
        "outside_share",
    ] {
        assert!(
            of("train")[0][key].as_f64().is_some_and(f64::is_finite),
            "{key}"
        );
    }
    for key in [
        "film_to_report@1",
        "report_to_film@10",
        "alignment",
        "uniformity",
        "rank",
        "mean_cosine",
    ] {
        assert!(
            of("validation")[3][key]
                .as_f64()
                .is_some_and(f64::is_finite),
            "{key}"
        );
    }
    // The spectrum begins with the largest value; all are shares of it.
    let spectrum = of("validation")[3]["spectrum"].as_array().unwrap();
    assert!(spectrum.len() > 1 && spectrum[0] == serde_json::json!([1.0, 1.0]));
    let report = std::fs::read_to_string(run.join("report.html")).unwrap();
    for shown in ["Spectrum of the encoder", "Recall, film to report"] {
        assert!(report.contains(shown), "{shown}");
    }
    let events = std::fs::read_dir(run).unwrap().flatten();
    let events = events.filter(|e| e.file_name().to_string_lossy().contains("tfevents"));
    assert_eq!(events.count(), 1);
    let names = tensors(&run.join("encoder.safetensors"));
    assert!(names.contains_key("layer4.1.bn2.running_var") && names.contains_key("conv1.weight"));
    let again = fail(train(run));
    assert!(again.contains("--resume"), "{again}");
}

/// Reads the metadata of a safetensors file.
fn metadata(file: &Path) -> BTreeMap<String, Value> {
    let bytes = std::fs::read(file).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let entries = header.metadata().clone().unwrap().into_iter();
    entries
        .map(|(key, text)| {
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            (key, value)
        })
        .collect()
}

#[test]
fn an_encoder_is_exported_in_every_format_with_a_card() {
    let (run, out) = (whole(), prepared().join("exported"));
    let export = |arguments: &[&str]| {
        let mut command = program("mflag-pretrain");
        command.arg("export").args(arguments).arg("--out").arg(&out);
        command
    };
    let folder = run.to_str().unwrap();
    let said = succeed(&mut export(&["--run", folder]));
    let files = [
        "encoder.safetensors",
        "encoder.torchscript.pt",
        "encoder.onnx",
        "MODEL_CARD.md",
    ];
    assert!(files.iter().all(|file| said.contains(file)), "{said}");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), files.len());
    let encoder = out.join("encoder.safetensors");
    assert!(tensors(&encoder) == tensors(&run.join("encoder.safetensors")));
    let facts = metadata(&encoder);
    assert_eq!(
        (&facts["format"], &facts["arch"]),
        (&"pt".into(), &"resnet18".into())
    );
    assert_eq!(facts["preprocess"]["side"], 40);
    assert_eq!(facts["preprocess"]["resize"], 48);
    assert_eq!(facts["provenance"]["checkpoint"], "best");
    let began = std::fs::read_to_string(run.join("provenance.json")).unwrap();
    let began: Value = serde_json::from_str(&began).unwrap();
    assert_eq!(facts["provenance"]["digests"], began["digests"]);
    assert_eq!(
        facts["provenance"]["configuration"].as_str().map(str::len),
        Some(64)
    );
    assert!(facts["provenance"]["language_model"].is_string());
    assert!(facts["provenance"]["metrics"]["recall_mean"].is_number());
    assert!(facts["provenance"].get("command").is_none());

    let card = std::fs::read_to_string(out.join("MODEL_CARD.md")).unwrap();
    for words in [
        "(resnet18, M-FLAG)",
        "30 pairs of film and report trained on",
        "| recall_mean |",
        "batch_size: 6",
        "48 px, padded",
        "`encoder.onnx`",
        began["digests"]["store"].as_str().unwrap(),
    ] {
        assert!(card.contains(words), "{words} is not in:\n{card}");
    }
    assert!(!card.contains("{{"), "{card}");

    // Exports the last epoch. Folding removes the BatchNorms from the ONNX file; an existing card
    // stays.
    std::fs::write(out.join("MODEL_CARD.md"), "filled in").unwrap();
    let size = || std::fs::metadata(out.join("encoder.onnx")).unwrap().len();
    let kept = size();
    succeed(&mut export(&[
        "--run",
        folder,
        "--checkpoint",
        "last",
        "--format",
        "onnx",
        "--fold-batch-norm",
    ]));
    assert!(size() < kept);
    assert_eq!(
        std::fs::read(out.join("MODEL_CARD.md")).unwrap(),
        b"filled in"
    );
    assert_eq!(metadata(&encoder)["provenance"]["checkpoint"], "best");

    // An encoder.safetensors holds fewer facts than a run, so the card leaves more to fill in.
    std::fs::remove_file(out.join("MODEL_CARD.md")).unwrap();
    let file = run.join("encoder.safetensors");
    succeed(&mut export(&[
        "--encoder",
        file.to_str().unwrap(),
        "--format",
        "safetensors",
    ]));
    assert!(tensors(&encoder) == tensors(&file));
    let card = std::fs::read_to_string(out.join("MODEL_CARD.md")).unwrap();
    assert!(
        card.contains("[to be filled in]") && !card.contains("{{"),
        "{card}"
    );

    let mut own = program("mflag-pretrain");
    let said = fail(own.args(["export", "--run", folder, "--out", folder]));
    assert!(said.contains("the run's own folder"), "{said}");
    let said = fail(&mut export(&["--run", "/nowhere"]));
    assert!(said.contains("holds no run"), "{said}");
}

#[test]
fn a_run_that_encodes_its_reports_ends_as_one_that_finds_them_in_the_cache() {
    let run = prepared().join("encodes");
    let cache = format!("text.cache={}", prepared().join("own-cache").display());
    succeed(train(&run).args(["--set", &cache]));
    assert_as_if_never_killed(&run, "a run with an empty text cache");
}

#[test]
fn the_same_seed_gives_the_same_weights_and_another_does_not() {
    let run = prepared().join("again");
    succeed(train(&run));
    assert_as_if_never_killed(&run, "a second run");
    let other = prepared().join("other-seed");
    succeed(train(&other).args(["--set", "train.seed=1"]));
    assert!(
        tensors(&other.join("encoder.safetensors"))
            != tensors(&whole().join("encoder.safetensors"))
    );
}

#[test]
fn a_killed_run_goes_on_as_if_never_killed() {
    // Each list has the numbers of lines in metrics.jsonl after which the run is killed: before the
    // first checkpoint, within an epoch, at the end of an epoch, and twice.
    for (n, kills) in [vec![0], vec![2], vec![4], vec![1, 5]]
        .into_iter()
        .enumerate()
    {
        let run = prepared().join(format!("killed-{n}"));
        let mut command = train(&run)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for lines in &kills {
            let config = run.join("config.yaml");
            wait_until(&mut command, || {
                config.exists() && metrics(&run).len() >= *lines
            });
            command.kill().unwrap();
            command.wait().unwrap();
            let quiet = &mut resume(&run);
            command = quiet
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
        }
        assert!(command.wait().unwrap().success());
        assert_as_if_never_killed(&run, &format!("kills at {kills:?} lines of metrics"));
    }
}

#[test]
fn a_run_is_resumed_as_it_was_trained() {
    let run = prepared().join("edited");
    succeed(train(&run).args(["--set", "train.stop_after_steps=4"]));
    let config = run.join("config.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let edited = text.replace("clip_norm: null", "clip_norm: 0.5");
    assert_ne!(edited, text);
    std::fs::write(&config, edited).unwrap();
    let said = fail(&mut resume(&run));
    let words = [
        "train.optimiser.clip_norm: null → 0.5",
        "undo the edit",
        "--set",
    ];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    std::fs::write(&config, &text).unwrap();
    let said = fail(resume(&run).args(["--set", "train.optimiser.clip_norm=0.5"]));
    let words = ["cannot change train.optimiser.clip_norm", "train.epochs"];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");

    // A file of metrics that was cut is told, and the training goes on.
    let file = run.join("metrics.jsonl");
    let lines = std::fs::read_to_string(&file).unwrap();
    assert_eq!(lines.lines().count(), 4, "{lines}");
    let kept: String = lines.split_inclusive('\n').take(2).collect();
    std::fs::write(&file, kept).unwrap();
    let said = mflag_tests::programs::log(&mut resume(&run));
    assert!(
        said.contains("metrics.jsonl: the file was cut, and its lines after step 2 are lost")
            && said.contains("up to step 4"),
        "{said}"
    );
}

/// Moves a run and its store, and makes it longer.
#[test]
fn a_run_is_moved_and_extended() {
    let home = tempfile::tempdir().unwrap();
    let [project, moved] = ["project", "moved"].map(|name| home.path().join(name));
    std::fs::create_dir_all(&project).unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(prepared().join("store"))
        .arg(&project)
        .status();
    assert!(copied.unwrap().success());
    let checkout = std::fs::canonicalize("..").unwrap();
    let text = format!(
        "text.model={}",
        checkout.join(".models/all-minilm-l6-v2").display()
    );
    let begin = train(Path::new("runs/a")).current_dir(&project);
    let sets = ["data.store=store", &text, "train.epochs=2"];
    sets.iter().for_each(|set| {
        begin.args(["--set", set]);
    });
    succeed(begin);
    std::fs::rename(&project, &moved).unwrap();
    let run = moved.join("runs/a");
    let mut longer = resume(&run);
    let said = mflag_tests::programs::log(longer.args(["--set", "train.epochs=3"]));
    let store = std::fs::canonicalize(moved.join("store")).unwrap();
    for words in [
        &format!("data.store: store is not here; using {}", store.display()),
        "the run now has 3 epochs instead of 2",
        "the learning rate (train.schedule) depends on the number of epochs",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(metrics(&run).last().unwrap()["epoch"], 3);
    let read = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(run.join(name)).unwrap()).unwrap()
    };
    let provenance = read("provenance.json");
    assert_eq!(
        provenance["working_dir_git"],
        Value::Null,
        "it began outside of a checkout"
    );
    let commit = provenance["git"].as_str().unwrap();
    assert!(commit.len() >= 40, "the build's commit: {commit}");
    let changes = provenance["resumed"][0]["changes"].to_string();
    assert!(
        changes.contains("train.epochs: 2 → 3") && changes.contains("data.store"),
        "{changes}"
    );

    // A store elsewhere must be named, and must be the same.
    let elsewhere = home.path().join("elsewhere");
    std::fs::rename(&store, &elsewhere).unwrap();
    let said = fail(&mut resume(&run));
    assert!(said.contains("--resume --set data.store=DIR"), "{said}");
    let place = format!("data.store={}", elsewhere.display());
    succeed(resume(&run).args(["--set", &place]));
    let records = elsewhere.join("films.jsonl");
    let text = std::fs::read_to_string(&records).unwrap();
    std::fs::write(&records, text.replacen("lung", "Lung", 1)).unwrap();
    let said = fail(&mut resume(&run));
    assert!(said.contains("the store is not the one"), "{said}");
}

#[test]
fn sigterm_writes_a_checkpoint_and_leaves() {
    let run = prepared().join("terminated");
    let mut child = train(&run)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(&mut child, || metrics(&run).len() >= 2);
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(143));
    succeed(&mut resume(&run));
    assert_as_if_never_killed(&run, "SIGTERM");
}

#[test]
fn a_second_run_encodes_nothing_and_another_model_setting_does() {
    let said = succeed(configured("encode-text", prepared()));
    let row: Vec<&str> = said.lines().nth(2).unwrap().split_whitespace().collect();
    assert_eq!(row[2], "0", "{said}");
    let other = tempfile::tempdir().unwrap();
    let command = configured("encode-text", prepared());
    command
        .arg("--set")
        .arg(format!("text.cache={}", other.path().display()));
    succeed(command);
    let folders = || std::fs::read_dir(other.path()).unwrap().count();
    assert_eq!(folders(), 1);
    succeed(command.args(["--set", "text.pooling=cls"]));
    assert_eq!(folders(), 2);
}

#[test]
fn a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint() {
    let run = prepared().join("diverged");
    // An encoder whose last BatchNorm has such a large scale that the orthogonality loss, its
    // fourth power, overflows f32.
    let bytes = std::fs::read(whole().join("encoder.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let large = 1e20f32.to_le_bytes().repeat(512);
    let changed = file.iter().map(|(name, view)| {
        let data = if name == "layer4.1.bn2.weight" {
            &large
        } else {
            view.data()
        };
        (
            name.to_owned(),
            TensorView::new(view.dtype(), view.shape().to_vec(), data).unwrap(),
        )
    });
    let weights = prepared().join("large.safetensors");
    std::fs::write(&weights, safetensors::serialize(changed, None).unwrap()).unwrap();
    let weights = format!("encoder.weights={}", weights.display());
    let said = fail(train(&run).args(["--set", &weights, "--set", "loss.form=official"]));
    assert!(
        said.contains("loss is not finite at step 1") && said.contains("non-finite.txt"),
        "{said}"
    );
    let listed = std::fs::read_to_string(run.join("non-finite.txt")).unwrap();
    assert_eq!(listed.lines().count(), 12, "{listed}");
    for (name, bytes) in tensors(&run.join("last.safetensors")) {
        if name.starts_with("model.") {
            let values = bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            assert!(values.into_iter().all(f32::is_finite), "{name}");
        }
    }
}

#[test]
fn wrong_input_is_answered_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let say = |sets: &[&str]| {
        let command = train(&run);
        sets.iter().for_each(|set| {
            command.args(["--set", set]);
        });
        fail(command)
    };
    let cases: [(&[&str], &[&str]); 13] = [
        (
            &[
                "data.store=/none",
                "text.model=/nor-this",
                "encoder.weights=/nor-that",
            ],
            &["/none", "/nor-this", "/nor-that"],
        ),
        (
            &["train.epoch=3"],
            &["train.epoch: unknown key", "did you mean 'epochs'"],
        ),
        (&["train.epochs=0"], &["train.epochs: 0 is too small"]),
        (
            &["loss.form=oficial"],
            &["'oficial'", "did you mean 'official'"],
        ),
        (
            &["data.store=/nowhere"],
            &["/nowhere", "mflag-data prepare"],
        ),
        (&["text.model=/nowhere"], &["/nowhere", "config.json"]),
        (
            &["data.side=64", "data.resize=64", "augment.crop=false"],
            &["48 px", "lower data.side"],
        ),
        (&["data.resize=64"], &["48 px", "lower data.resize"]),
        (
            &["data.resize=32"],
            &["data.resize: 32 is less than data.side (40)"],
        ),
        (
            &["data.resize=null"],
            &["augment.crop: true needs a data.resize above data.side (40)"],
        ),
        (
            &["train.batch_size=4000"],
            &["training films", "train.batch_size (4000)"],
        ),
        (&["text.max_tokens=4000"], &["max_tokens is 4000"]),
        (&["train.device=cuda:99"], &["cuda", "device=cpu"]),
    ];
    for (sets, words) in cases {
        let said = say(sets);
        assert!(
            words.iter().all(|w| said.contains(w)),
            "{sets:?} gave: {said}"
        );
        std::fs::remove_dir_all(&run).ok();
    }
    let none = fail(&mut resume(&run));
    assert!(none.contains("holds no run"), "{none}");
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let run = prepared().join("damaged");
    succeed(train(&run).args(["--set", "train.stop_after_steps=2"]));
    let last = run.join("last.safetensors");
    let bytes = std::fs::read(&last).unwrap();
    std::fs::write(&last, &bytes[..bytes.len() / 2]).unwrap();
    let said = fail(&mut resume(&run));
    assert!(
        said.contains("last.safetensors") && said.contains("damaged"),
        "{said}"
    );
}

#[test]
fn a_run_without_a_checkpoint_resumes_only_with_its_initial_weights() {
    let weights = prepared().join("initial.safetensors");
    let mut bytes = std::fs::read(whole().join("encoder.safetensors")).unwrap();
    std::fs::write(&weights, &bytes).unwrap();
    let run = prepared().join("initial-weights");
    let set = format!("encoder.weights={}", weights.display());
    succeed(train(&run).args(["--set", &set, "--set", "train.stop_after_steps=1"]));

    // A checkpoint holds the encoder's weights.
    std::fs::remove_file(&weights).unwrap();
    succeed(&mut resume(&run));

    std::fs::remove_file(run.join("last.safetensors")).unwrap();
    let message = fail(&mut resume(&run));
    assert!(message.contains("initial.safetensors"), "{message}");
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let message = fail(&mut resume(&run));
    assert!(message.contains("the encoder is not the one"), "{message}");
}

#[test]
fn committed_configurations_and_schema_are_true() {
    let committed = std::fs::read_to_string("../configs/pretrain/schema.json").unwrap();
    let schema = succeed(program("mflag-pretrain").arg("schema"));
    assert_eq!(
        committed, schema,
        "the committed schema is out of date: run `just schema`"
    );
    for file in ["paper", "official", "demo", "real-films"] {
        // The configuration is accepted; the missing store is the first error.
        let config = format!("configs/pretrain/{file}.yaml");
        let mut command = program("mflag-pretrain");
        command.args([
            "encode-text",
            "--set",
            "data.store=/nowhere",
            "--config",
            &config,
        ]);
        let said = fail(&mut command);
        assert!(said.contains("/nowhere"), "{file}: {said}");
    }
}

/// The command `mflag-pretrain <command>` with the uninterrupted run, on the store.
fn ask(command: &str) -> Command {
    let mut asked = program("mflag-pretrain");
    asked.arg(command).arg("--run").arg(whole());
    asked.arg("--store").arg(prepared().join("store"));
    asked
}

#[test]
fn zero_shot_writes_scores_and_figures_that_agree() {
    let out = prepared().join("zero-shot");
    let mut command = ask("zero-shot");
    command.args([
        "--prompts",
        "configs/zero-shot/phantoms.yaml",
        "--split",
        "validate",
        "--out",
    ]);
    let said = succeed(command.arg(&out));
    assert!(said.contains("auroc:Pneumothorax"), "{said}");
    let evaluation: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("evaluation.json")).unwrap())
            .unwrap();
    let text = std::fs::read_to_string(out.join("scores.csv")).unwrap();
    let mut rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = rows.next().unwrap();
    let column = head
        .iter()
        .position(|name| *name == "Cardiomegaly")
        .unwrap();
    assert_eq!(head[column + 1], "Cardiomegaly_truth");
    // AUROC by its definition: how often a film with the finding has a higher score than one
    // without.
    let films: Vec<(f64, bool)> = rows
        .map(|row| (row[column].parse().unwrap(), row[column + 1] == "1"))
        .collect();
    let (mut won, mut pairs) = (0.0, 0.0);
    for (present, _) in films.iter().filter(|film| film.1) {
        for (absent, _) in films.iter().filter(|film| !film.1) {
            won += if present > absent {
                1.0
            } else if present == absent {
                0.5
            } else {
                0.0
            };
            pairs += 1.0;
        }
    }
    let metrics = evaluation["metrics"].as_array().unwrap();
    let found = metrics
        .iter()
        .find(|m| m["metric"] == "auroc:Cardiomegaly")
        .unwrap();
    assert!((found["value"].as_f64().unwrap() - won / pairs).abs() < 1e-9);
    assert_eq!(evaluation["films"], films.len());
}

#[test]
fn retrieval_finds_films_by_words_and_words_by_a_film() {
    let json = |command: &mut Command, number: &str| -> Vec<Value> {
        let said = succeed(command.args(["--quiet", "--json", "-n", number]));
        let said: Value = serde_json::from_str(&said).unwrap();
        said["found"].as_array().unwrap().clone()
    };
    let three = |command: &mut Command| json(command, "3");
    let films = three(ask("retrieve").args(["--text", "There is a pleural effusion."]));
    assert_eq!(films.len(), 3);
    let cosine = |found: &Value| found["cosine"].as_f64().unwrap();
    assert!(cosine(&films[0]) >= cosine(&films[1]) && cosine(&films[1]) >= cosine(&films[2]));
    assert!(films.iter().all(|film| film["film"].is_string()));

    // A film has the same vector from its file as from the store, so the cosine with its own report
    // is the same in both directions.
    let store = prepared().join("store/films.jsonl");
    let record = std::fs::read_to_string(store).unwrap();
    let record: Value = serde_json::from_str(record.lines().next().unwrap()).unwrap();
    let (text, path) = (
        record["text"].as_str().unwrap(),
        record["path"].as_str().unwrap(),
    );
    let all = |command: &mut Command| json(command, "1000");
    let by_words = all(ask("retrieve").args(["--text", text]));
    let by_film = all(ask("retrieve").args(["--film", path]));
    let film = by_words
        .iter()
        .find(|f| f["film"] == record["film"])
        .unwrap();
    let report = by_film
        .iter()
        .find(|f| f["report"] == record["text"])
        .unwrap();
    assert!(
        (cosine(film) - cosine(report)).abs() < 0.02,
        "{film} {report}"
    );
}

#[test]
fn what_cannot_be_asked_is_told() {
    let said = fail(ask("retrieve").args(["--film", "README.md"]));
    assert!(said.contains("README.md"), "{said}");
    let out = prepared().join("no-zero-shot");
    let prompts = prepared().join("prompts.yaml");
    std::fs::write(
        &prompts,
        "findings: { Pneumothorx: { present: [A pneumothorax.] } }",
    )
    .unwrap();
    let mut command = ask("zero-shot");
    command.args(["--split", "validate", "--out"]).arg(&out);
    let said = fail(command.arg("--prompts").arg(&prompts));
    assert!(said.contains("Pneumothorax"), "{said}");

    // Copies of the run with a language model that gives other vectors, with a missing language
    // model, and before the end of training.
    let other = prepared().join("other-text");
    std::fs::create_dir_all(&other).unwrap();
    for file in std::fs::read_dir(whole()).unwrap() {
        let file = file.unwrap().path();
        if file.is_file() {
            std::fs::copy(&file, other.join(file.file_name().unwrap())).unwrap();
        }
    }
    let config = std::fs::read_to_string(other.join("config.yaml")).unwrap();
    let asked = |change: (&str, &str)| {
        let changed = config.replace(change.0, change.1);
        assert_ne!(changed, config);
        std::fs::write(other.join("config.yaml"), changed).unwrap();
        let mut asked = program("mflag-pretrain");
        asked.args(["retrieve", "--text", "Clear lungs.", "--run"]);
        asked.arg(&other).arg("--store");
        fail(asked.arg(prepared().join("store")))
    };
    let said = asked(("pooling: mean", "pooling: cls"));
    assert!(said.contains("text.pooling: \"mean\" → \"cls\""), "{said}");
    let model = std::fs::canonicalize("../.models/all-minilm-l6-v2").unwrap();
    let own = prepared().join("other-model");
    std::fs::create_dir_all(&own).unwrap();
    for file in std::fs::read_dir(model).unwrap() {
        let file = file.unwrap();
        if file.path().is_file() {
            std::fs::copy(file.path(), own.join(file.file_name())).unwrap();
        }
    }
    let tokenizer = own.join("tokenizer.json");
    let text = std::fs::read_to_string(&tokenizer).unwrap();
    std::fs::write(&tokenizer, format!("{text}\n")).unwrap();
    let place = format!("  model: {}", own.display());
    let said = asked(("  model: .models/all-minilm-l6-v2", &place));
    assert!(said.contains("the language model is not the one"), "{said}");
    let said = asked(("  model: ", "  model: /nowhere/"));
    assert!(said.contains("/nowhere/"), "{said}");
    std::fs::remove_file(other.join("encoder.safetensors")).unwrap();
    let said = asked(("  model: ", "  model: /nowhere/"));
    assert!(said.contains("has not finished"), "{said}");
}
