//! What the end-to-end tests of the heads share: phantoms and their store, runs on them, and checks
//! that are the same for every head's program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::programs::{fail, folder, program, succeed};

/// A head's program and a store of phantoms to run it on.
#[derive(Debug)]
pub struct Trial {
    /// The head's binary.
    pub program: &'static str,
    /// Folder of the head's configurations, below `configs`.
    pub configs: &'static str,
    /// Arguments after `mflag-data phantom --as`.
    pub phantom: &'static [&'static str],
    /// Arguments after `mflag-data prepare`.
    pub prepare: &'static [&'static str],
    /// The configuration of the runs.
    pub config: &'static str,
    /// Overrides (`--set`) of the configuration in every run.
    pub sets: &'static [&'static str],
    /// Texts that the output of an uninterrupted run must contain.
    pub says: &'static [&'static str],
    /// The folder of the tests. [`Trial::folder`] sets it on first use.
    pub folder: OnceLock<PathBuf>,
    /// The folder of the uninterrupted run. [`Trial::whole`] sets it on first use.
    pub whole: OnceLock<PathBuf>,
}

impl Trial {
    /// The folder that the tests write to, with films in `films` and their store in `store`.
    pub fn folder(&self) -> &Path {
        self.folder.get_or_init(|| {
            let folder = folder(self.program);
            prepare(
                self.phantom,
                self.prepare,
                &folder.join("films"),
                &folder.join("store"),
            );
            folder
        })
    }

    /// The head's binary.
    pub fn program(&self) -> Command {
        program(self.program)
    }

    /// The command `train` for the run `run`, on the store of phantoms.
    pub fn train(&self, run: &str, sets: &[&str]) -> Command {
        let mut command = self.program();
        let config = format!("configs/{}/{}.yaml", self.configs, self.config);
        command.args(["train", "--config", &config]);
        let store = format!("data.store={}", self.folder().join("store").display());
        for set in self.sets.iter().chain(&[store.as_str()]).chain(sets) {
            command.args(["--set", set]);
        }
        command.arg("--run").arg(self.folder().join(run));
        command
    }

    /// Trains to the end and returns the run's folder.
    #[track_caller]
    pub fn run(&self, run: &str, sets: &[&str]) -> PathBuf {
        succeed(&mut self.train(run, sets));
        self.folder().join(run)
    }

    /// Trains one run with cached features (checked in its log) and one without.
    #[track_caller]
    pub fn with_features_kept_and_not(&self, sets: &[&str]) -> [PathBuf; 2] {
        let run = |name: &str, mebibytes: usize| {
            let limit = format!("data.feature_cache_mib={mebibytes}");
            let mut train = self.train(name, &[sets, &[&limit]].concat());
            let output = train.output().unwrap();
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{log}");
            assert_eq!(log.contains("films are kept"), mebibytes > 0, "{log}");
            self.folder().join(name)
        };
        [run("kept", 1024), run("films-each-time", 0)]
    }

    /// Checks that a stopped run is not resumed with a changed encoder, that changed pixels are
    /// neither trained nor evaluated on, and that a run that cannot begin leaves no folder.
    #[track_caller]
    pub fn refuses_what_has_changed(&self) {
        let encoder = self.folder().join("encoder.safetensors");
        std::fs::copy(self.whole().join("model.safetensors"), &encoder).unwrap();
        let weights = format!("encoder.weights={}", encoder.display());
        let run = self.run("changed", &[&weights, "train.stop_after_steps=1"]);
        let mut bytes = std::fs::read(&encoder).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&encoder, bytes).unwrap();
        let mut resume = self.program();
        let said = fail(resume.args(["train", "--resume", "--run"]).arg(&run));
        assert!(said.contains("the encoder is not the one"), "{said}");

        let said = fail(&mut self.train("none", &[&weights]));
        assert!(
            said.contains("encoder.safetensors") && said.contains("do not match its digest"),
            "{said}"
        );
        assert!(!self.folder().join("none").exists());

        let store = self.folder().join("changed-store");
        with_changed_pixel(&self.folder().join("store"), &store);
        let set = format!("data.store={}", store.display());
        let said = fail(&mut self.train("none", &[&set]));
        assert!(
            said.contains("00000.npy: differs from its digest"),
            "{said}"
        );
        assert!(!self.folder().join("none").exists());
        let mut eval = self.program();
        eval.args(["eval", "--model"])
            .arg(self.whole())
            .arg("--store")
            .arg(&store);
        let said = fail(eval.arg("--out").arg(self.folder().join("none")));
        assert!(
            said.contains("00000.npy: differs from its digest"),
            "{said}"
        );
    }

    /// An uninterrupted run, made on first use.
    pub fn whole(&self) -> &Path {
        self.whole.get_or_init(|| {
            let said = succeed(&mut self.train("whole", &[]));
            for words in self.says {
                assert!(said.contains(words), "{said}");
            }
            let whole = self.folder().join("whole");
            reported(&said, &whole);
            whole
        })
    }

    /// Stops a run after some steps, and resumes it until it has finished.
    pub fn stopped(&self, steps: usize) -> PathBuf {
        let run = self.run("stopped", &[&format!("train.stop_after_steps={steps}")]);
        assert!(!run.join("model.safetensors").exists());
        // `--resume` alone would stop again, because each session stops after the same number of
        // steps.
        loop {
            let mut resume = self.program();
            let said = succeed(
                resume
                    .args(["train", "--resume", "--json", "--run"])
                    .arg(&run),
            );
            let said: Value = serde_json::from_str(&said).unwrap();
            match said["training"]["ended"].as_str().unwrap() {
                "step_limit" => assert_eq!(said["evaluation"], Value::Null),
                _ => {
                    assert_eq!(said["evaluation"], tested(&run));
                    return run;
                }
            }
        }
    }

    /// Runs `eval` on a run, into the folder `out`.
    #[track_caller]
    pub fn eval(&self, run: &Path, out: &str, more: &[&str]) -> PathBuf {
        let out = self.folder().join(out);
        let mut eval = self.program();
        eval.args(["eval", "--json"]).args(more);
        let said = succeed(eval.arg("--model").arg(run).arg("--out").arg(&out));
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["evaluation"], json(&out.join("evaluation.json")));
        out
    }

    /// Runs `predict --overlays` with the uninterrupted run on three films of 90 × 60 pixels,
    /// `a.png`, `a.jpg` and `more/b.jpg`, and on one that cannot be read. Returns the folder of the
    /// predictions.
    #[track_caller]
    pub fn predict_three_and_a_bad_one(&self) -> PathBuf {
        let films = self.folder().join("mixed");
        std::fs::create_dir_all(films.join("more")).unwrap();
        let film = image::GrayImage::from_fn(90, 60, |x, y| image::Luma([(x + y) as u8]));
        for name in ["a.png", "a.jpg", "more/b.jpg"] {
            film.save(films.join(name)).unwrap();
        }
        std::fs::write(films.join("torn.png"), b"no film").unwrap();
        let out = self.folder().join("predicted");
        let mut predict = self.program();
        predict.args(["predict", "--overlays", "--model"]);
        predict.arg(self.whole());
        let said = succeed(predict.arg("--out").arg(&out).arg(&films));
        assert!(
            said.contains("3 films") && said.contains("could not be read: 1 of 4"),
            "{said}"
        );
        let bad = std::fs::read_to_string(out.join("bad.csv")).unwrap();
        assert!(bad.contains("torn.png"), "{bad}");
        let table = std::fs::read_to_string(out.join("predictions.csv")).unwrap();
        assert!(table.lines().next().unwrap().ends_with(",error"), "{table}");
        let films: Vec<&str> = table.lines().skip(1).collect();
        let torn = films.iter().filter(|row| row.contains("torn.png"));
        assert!(
            torn.clone()
                .all(|row| row.contains("is neither JPEG nor PNG"))
                && torn.count() == 1
        );
        assert!(table.contains("a.png") && table.contains("b.jpg"));
        self.check_overlays(&out.join("overlays"));
        out
    }

    /// Checks three overlays: each has the grey film, and text below it or a drawing on it.
    #[track_caller]
    fn check_overlays(&self, folder: &Path) {
        let overlays: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
        assert_eq!(overlays.len(), 3);
        for overlay in overlays {
            let overlay = image::open(overlay.unwrap().path()).unwrap().to_rgb8();
            assert_eq!(overlay.width(), 768);
            assert!(overlay.height() > 768);
            let lit = |y: u32| {
                overlay
                    .rows()
                    .nth(y as usize)
                    .unwrap()
                    .any(|p| p.0 != [0; 3])
            };
            assert!(lit(384), "the film is not drawn");
            assert!((769..overlay.height()).any(lit), "the name is not drawn");
            assert!(!lit(10), "the bar above the film is not black");
        }
    }

    /// Runs `predict` with the uninterrupted run on the films that `pattern` matches, into the
    /// folder `out`.
    #[track_caller]
    pub fn predict(&self, pattern: &str, out: &str) -> PathBuf {
        let out = self.folder().join(out);
        let mut predict = self.program();
        predict.arg("predict").arg("--model").arg(self.whole());
        let films = self.folder().join("films").join(pattern);
        succeed(predict.arg("--out").arg(&out).arg(films));
        out
    }

    /// Checks that the committed schema equals the one that the program prints, and that the
    /// program accepts each committed configuration: its first error is the missing store.
    #[track_caller]
    pub fn committed_is_true(&self, configs: &[&str]) {
        let schema = format!("../configs/{}/schema.json", self.configs);
        let committed = std::fs::read_to_string(schema).unwrap();
        let schema = succeed(self.program().arg("schema"));
        assert_eq!(
            committed, schema,
            "the committed schema is out of date: run `just schema`"
        );
        for config in configs {
            let file = format!("configs/{}/{config}.yaml", self.configs);
            let mut train = self.program();
            train.args(["train", "--set", "data.store=absent", "--config", &file]);
            let said = fail(train.arg("--run").arg(self.folder().join(config)));
            assert!(
                said.contains("absent") && said.contains("mflag-data prepare"),
                "{said}"
            );
        }
    }
}

/// Copies the store `from` to `to`.
pub fn copy_store(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("shards")).unwrap();
    for folder in [".", "shards"] {
        for file in std::fs::read_dir(from.join(folder)).unwrap() {
            let file = file.unwrap();
            if file.path().is_file() {
                std::fs::copy(file.path(), to.join(folder).join(file.file_name())).unwrap();
            }
        }
    }
}

/// Copies the store `from` to `to` with one changed pixel. Its header stays as it is.
pub fn with_changed_pixel(from: &Path, to: &Path) {
    copy_store(from, to);
    let shard = to.join("shards/00000.npy");
    let mut bytes = std::fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&shard, bytes).unwrap();
}

/// Writes phantoms into `films`, and their store.
pub fn prepare(phantom: &[&str], prepare: &[&str], films: &Path, store: &Path) {
    let mut command = program("mflag-data");
    command.args(["phantom", "--as"]).args(phantom);
    succeed(command.arg("--out").arg(films));
    let mut command = program("mflag-data");
    command.arg("prepare").args(prepare);
    succeed(command.arg("--root").arg(films).arg("--out").arg(store));
}

/// Returns the report in `folder`; checks that the last line of the program's output names it.
#[track_caller]
pub fn reported(said: &str, folder: &Path) -> String {
    let file = folder.join("report.html");
    let line = format!("report: {}", file.display());
    assert_eq!(said.lines().last(), Some(line.as_str()), "{said}");
    assert_metrics_have_titles(folder);
    std::fs::read_to_string(file).unwrap()
}

/// Checks that the catalogue has each metric of a run. A chart of any other metric would have the
/// metric's key as its title.
#[track_caller]
fn assert_metrics_have_titles(run: &Path) {
    let lines = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let values = line.as_object().unwrap().keys();
        let others = ["kind", "step", "epoch", "spectrum"];
        for metric in values.filter(|key| !others.contains(&key.as_str())) {
            assert!(mflag_metrics::catalogue::find(metric).is_some(), "{metric}");
        }
    }
}

/// Checks the drawn films of a run's test split: their files are at the paths in the list, the best
/// comes first, and the report contains them without their names.
#[track_caller]
pub fn assert_films_are_drawn(run: &Path) {
    let cases = json(&run.join("test/cases.json"));
    let cases = cases.as_array().unwrap();
    let drawn = std::fs::read_dir(run.join("test/cases")).unwrap().count();
    assert!(!cases.is_empty() && drawn == cases.len(), "{cases:?}");
    let values: Vec<f64> = cases.iter().map(|c| c["value"].as_f64().unwrap()).collect();
    assert!(values.windows(2).all(|w| w[0] >= w[1]), "{values:?}");
    let report = std::fs::read_to_string(run.join("report.html")).unwrap();
    let images = report.matches("<img src=\"data:image/png;base64,").count();
    assert_eq!(images, drawn);
    for case in cases {
        let film = image::open(run.join("test").join(case["image"].as_str().unwrap()));
        assert!(film.unwrap().width() > 100);
        assert!(report.contains(&format!("line {}", case["line"])));
        assert!(!report.contains(case["film"].as_str().unwrap()));
    }
}

/// Reads a JSON file.
#[track_caller]
pub fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns a run's evaluation on its test split.
#[track_caller]
pub fn tested(run: &Path) -> Value {
    json(&run.join("test/evaluation.json"))
}

/// Returns the values of an evaluation's metrics, in order.
#[track_caller]
pub fn metrics(run: &Path) -> Vec<Option<f64>> {
    let evaluation = tested(run);
    let metrics = evaluation["metrics"].as_array().unwrap();
    metrics.iter().map(|m| m["value"].as_f64()).collect()
}

/// Checks that the metrics of two runs differ by less than `tolerance`, and that the same ones are
/// undefined.
#[track_caller]
pub fn assert_metrics_near(one: &Path, other: &Path, tolerance: f64) {
    let (one, other) = (metrics(one), metrics(other));
    assert_eq!(one.len(), other.len());
    for (a, b) in one.iter().zip(&other) {
        let near = a.zip(*b).is_none_or(|(a, b)| (a - b).abs() < tolerance);
        assert!(near && a.is_some() == b.is_some(), "{one:?} {other:?}");
    }
}
