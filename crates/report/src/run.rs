//! The files of a run folder. The run may still be running, or may have been stopped. A missing
//! file is not an error: the report names it.

use std::path::{Path, PathBuf};

use mflag_core::Direction;
use mflag_core::run::{METRICS, Provenance, RunFolder};
use mflag_input::JSON;
use mflag_metrics::catalogue::{self, RECALL_MEAN};
use mflag_metrics::curves::{CURVES, LabelCurves};
use mflag_metrics::evaluation::{EVALUATION, Evaluation};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::qualitative::{CASES, ExampleFilm};

/// A run, or a single evaluation.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) path: PathBuf,
    /// The name of the run in the report.
    pub(crate) name: String,
    pub(crate) config: Option<Value>,
    pub(crate) provenance: Option<Provenance>,
    pub(crate) metrics: Metrics,
    pub(crate) evaluations: Vec<EvaluationFolder>,
    /// A sentence for each thing that is missing or cannot be read.
    pub(crate) missing: Vec<String>,
}

/// The lines of `metrics.jsonl`.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Metrics of training by optimiser step.
    pub(crate) train: Vec<Curve>,
    /// Metrics of validation by epoch.
    pub(crate) validation: Vec<Curve>,
    /// Spectra of the latent space by epoch: rank, and singular value as a share of the largest.
    pub(crate) spectra: Vec<(u64, Vec<[f64; 2]>)>,
}

/// A metric over time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve {
    pub(crate) metric: String,
    /// Step or epoch, and value; NaN where the value is not finite.
    pub(crate) points: Vec<[f64; 2]>,
}

/// The files of an evaluation on a split.
#[derive(Debug)]
pub(crate) struct EvaluationFolder {
    pub(crate) folder: PathBuf,
    pub(crate) evaluation: Evaluation,
    pub(crate) curves: Vec<LabelCurves>,
    pub(crate) examples: Vec<ExampleFilm>,
}

impl Run {
    /// Whether a folder holds a run or an evaluation.
    pub(crate) fn is_in(path: &Path) -> bool {
        RunFolder::exists(path) || [METRICS, EVALUATION].iter().any(|f| path.join(f).exists())
    }

    /// Reads all files of a run, or of a single evaluation.
    pub(crate) fn read(path: &Path) -> Run {
        if path.join(EVALUATION).exists() {
            let mut run = Run::named(path);
            run.read_evaluation(path);
            return run;
        }
        let mut run = Run::read_training(path);
        match Provenance::read(path) {
            Ok(provenance) => run.provenance = Some(provenance),
            Err(error) => run.missing.push(format!("provenance: {error}")),
        }
        for folder in evaluations(path) {
            run.read_evaluation(&folder);
        }
        run
    }

    /// Reads only the configuration and the metrics over time.
    pub(crate) fn read_training(path: &Path) -> Run {
        let mut run = Run::named(path);
        match RunFolder::stated(path) {
            Ok(config) => run.config = Some(config),
            Err(error) => run.missing.push(format!("configuration: {error}")),
        }
        run.read_metrics();
        run
    }

    fn named(path: &Path) -> Run {
        Run {
            path: path.to_owned(),
            name: path.display().to_string(),
            ..Run::default()
        }
    }

    fn read_metrics(&mut self) {
        let file = self.path.join(METRICS);
        let text = match mflag_input::read(&file, &mflag_input::METRICS) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => {
                self.missing
                    .push(format!("metrics: cannot read {METRICS}: {error}"));
                return;
            }
        };
        let mut damaged = 0;
        for line in text.lines() {
            match serde_json::from_str::<Value>(line) {
                Ok(line) => self.metrics.add(&line),
                Err(_) => damaged += 1,
            }
        }
        if damaged > 0 {
            self.missing.push(format!(
                "metrics: lines of {METRICS} that are damaged and left out: {damaged}"
            ));
        }
    }

    fn read_evaluation(&mut self, folder: &Path) {
        let evaluation = match Evaluation::read(folder) {
            Ok(evaluation) => evaluation,
            Err(error) => {
                self.missing.push(format!("evaluation: {error}"));
                return;
            }
        };
        let evaluation = EvaluationFolder {
            folder: folder.to_owned(),
            evaluation,
            curves: self.read_list(&folder.join(CURVES), "curves"),
            examples: self.read_list(&folder.join(CASES), "example films"),
        };
        self.evaluations.push(evaluation);
    }

    /// Reads a JSON list; empty if the file is absent, as only some heads write it.
    fn read_list<T: DeserializeOwned>(&mut self, file: &Path, what: &str) -> Vec<T> {
        let Ok(bytes) = mflag_input::read(file, &JSON) else {
            return Vec::new();
        };
        serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            let file = file.display();
            self.missing
                .push(format!("{what}: {file} is damaged: {error}"));
            Vec::new()
        })
    }

    /// The value of a key of the configuration, such as `train.epochs`.
    pub(crate) fn config_value(&self, key: &str) -> Option<&Value> {
        self.config
            .as_ref()?
            .pointer(&format!("/{}", key.replace('.', "/")))
    }

    /// The program of the run.
    pub(crate) fn program(&self) -> Option<&str> {
        let command = self.provenance.as_ref()?.command.first()?;
        Path::new(command).file_name()?.to_str()
    }

    /// The validation metric that chooses the best epoch. For pre-training it is always mean
    /// recall.
    pub(crate) fn monitor(&self) -> &str {
        self.config_value("monitor")
            .and_then(Value::as_str)
            .unwrap_or(RECALL_MEAN.key)
    }

    /// The best epoch, and the monitored metric there.
    pub(crate) fn best(&self) -> Option<[f64; 2]> {
        let curve = self.metrics.validation(self.monitor())?;
        let direction = catalogue::find(&curve.metric)
            .and_then(|metric| metric.direction)
            .unwrap_or(Direction::Higher);
        let defined = curve.points.iter().filter(|p| p[1].is_finite());
        defined.copied().reduce(|best, next| {
            if direction.better(next[1], Some(best[1])) {
                next
            } else {
                best
            }
        })
    }

    /// The last validated epoch.
    pub(crate) fn last_epoch(&self) -> Option<f64> {
        let ends = self
            .metrics
            .validation
            .iter()
            .filter_map(|c| c.points.last());
        ends.map(|p| p[0]).reduce(f64::max)
    }
}

impl Metrics {
    /// A metric of validation.
    pub(crate) fn validation(&self, metric: &str) -> Option<&Curve> {
        self.validation.iter().find(|c| c.metric == metric)
    }

    /// Adds the values of a line of `metrics.jsonl`.
    fn add(&mut self, line: &Value) {
        let (Some(values), Some(epoch)) = (line.as_object(), line["epoch"].as_u64()) else {
            return;
        };
        let (curves, x) = match line["kind"].as_str() {
            Some("train") => (&mut self.train, line["step"].as_f64().unwrap_or(0.0)),
            Some("validation") => (&mut self.validation, epoch as f64),
            _ => return,
        };
        for (key, value) in values {
            match (key.as_str(), value) {
                ("kind" | "step" | "epoch", _) => {}
                (SPECTRUM, Value::Array(_)) => {
                    let points = serde_json::from_value(value.clone());
                    self.spectra
                        .extend(points.ok().map(|points| (epoch, points)));
                }
                (_, Value::Array(_)) => {}
                _ => add_point(curves, key, [x, value.as_f64().unwrap_or(f64::NAN)]),
            }
        }
    }
}

/// Adds a point to the curve of a metric.
fn add_point(curves: &mut Vec<Curve>, metric: &str, point: [f64; 2]) {
    match curves.iter_mut().find(|curve| curve.metric == metric) {
        Some(curve) => curve.points.push(point),
        None => curves.push(Curve {
            metric: metric.to_owned(),
            points: vec![point],
        }),
    }
}

/// The key of the spectrum of the latent space in a validation line.
const SPECTRUM: &str = "spectrum";

/// The folders of evaluations in a run, the test split first.
fn evaluations(run: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = folders.filter(|f| f.join(EVALUATION).exists()).collect();
    folders.sort_by_key(|folder| (!folder.ends_with("test"), folder.clone()));
    folders
}
