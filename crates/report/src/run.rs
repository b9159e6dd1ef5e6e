//! What lies in a run folder. A run may be at work still, or may have been stopped: what is not there is said, never an error.

use std::path::{Path, PathBuf};

use mflag_core::run::{METRICS, Provenance, RunFolder};
use mflag_metrics::curves::{CURVES, LabelCurves};
use mflag_metrics::evaluation::{EVALUATION, Evaluation};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cases::{CASES, Case};

/// A run, or the folder of an evaluation alone.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) path: PathBuf,
    /// How it is told from others of the report.
    pub(crate) name: String,
    pub(crate) config: Option<Value>,
    pub(crate) provenance: Option<Provenance>,
    pub(crate) metrics: Metrics,
    pub(crate) judged: Vec<Judged>,
    /// What could not be read, in words.
    pub(crate) missing: Vec<String>,
}

/// The lines of `metrics.jsonl`.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// By optimiser step.
    pub(crate) train: Vec<Curve>,
    /// By epoch.
    pub(crate) validation: Vec<Curve>,
    /// Spectra of the latent space by epoch: rank, and singular value as a share of the largest.
    pub(crate) spectra: Vec<(u64, Vec<[f64; 2]>)>,
}

/// A metric over time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve {
    pub(crate) metric: String,
    /// Step or epoch, and value; NaN where it was not finite.
    pub(crate) points: Vec<[f64; 2]>,
}

/// An evaluation on a split.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) folder: PathBuf,
    pub(crate) evaluation: Evaluation,
    pub(crate) curves: Vec<LabelCurves>,
    pub(crate) cases: Vec<Case>,
}

impl Run {
    /// Whether a folder holds a run or an evaluation.
    pub(crate) fn is_in(path: &Path) -> bool {
        RunFolder::exists(path) || [METRICS, EVALUATION].iter().any(|f| path.join(f).exists())
    }

    /// What is there of it.
    pub(crate) fn read(path: &Path) -> Run {
        if path.join(EVALUATION).exists() {
            let mut run = Run::named(path);
            run.judge(path);
            return run;
        }
        let mut run = Run::read_training(path);
        match Provenance::read(path) {
            Ok(provenance) => run.provenance = Some(provenance),
            Err(error) => run.missing.push(format!("provenance: {error}")),
        }
        for folder in evaluations(path) {
            run.judge(&folder);
        }
        run
    }

    /// Its configuration and its metrics over time alone.
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
        let text = match std::fs::read(&file) {
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
                "metrics: {damaged} lines of {METRICS} are damaged and left out"
            ));
        }
    }

    fn judge(&mut self, folder: &Path) {
        let evaluation = match Evaluation::read(folder) {
            Ok(evaluation) => evaluation,
            Err(error) => {
                self.missing.push(format!("evaluation: {error}"));
                return;
            }
        };
        let judged = Judged {
            folder: folder.to_owned(),
            evaluation,
            curves: self.list(&folder.join(CURVES), "curves"),
            cases: self.list(&folder.join(CASES), "cases"),
        };
        self.judged.push(judged);
    }

    /// A JSON list that not every head writes.
    fn list<T: DeserializeOwned>(&mut self, file: &Path, what: &str) -> Vec<T> {
        let Ok(bytes) = std::fs::read(file) else {
            return Vec::new();
        };
        serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            self.missing.push(format!(
                "{what}: {} cannot be understood: {error}",
                file.display()
            ));
            Vec::new()
        })
    }

    /// The value of the configuration at `key`, such as `train.epochs`.
    pub(crate) fn stated(&self, key: &str) -> Option<&Value> {
        self.config
            .as_ref()?
            .pointer(&format!("/{}", key.replace('.', "/")))
    }

    /// The program that made it.
    pub(crate) fn program(&self) -> Option<&str> {
        let command = self.provenance.as_ref()?.command.first()?;
        Path::new(command).file_name()?.to_str()
    }

    /// The validation metric that chose the best epoch; pre-training has one for all runs.
    pub(crate) fn monitor(&self) -> &str {
        self.stated("monitor")
            .and_then(Value::as_str)
            .unwrap_or("recall_mean")
    }

    /// The best epoch of a trained model and the monitored metric there.
    pub(crate) fn best(&self) -> Option<[f64; 2]> {
        let curve = self.metrics.validation(self.monitor())?;
        let direction = crate::words::direction(&curve.metric);
        let defined = curve.points.iter().filter(|p| p[1].is_finite());
        defined.copied().reduce(|best, next| {
            if direction.better(next[1], Some(best[1])) {
                next
            } else {
                best
            }
        })
    }

    /// The last epoch that was validated.
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

    fn add(&mut self, line: &Value) {
        let (Some(values), Some(epoch)) = (line.as_object(), line["epoch"].as_u64()) else {
            return;
        };
        let (curves, x) = match line["kind"].as_str() {
            Some("train") => (&mut self.train, line["step"].as_f64().unwrap_or(0.0)),
            Some("validation") => (&mut self.validation, epoch as f64),
            _ => return,
        };
        for (name, value) in values {
            if matches!(name.as_str(), "kind" | "step" | "epoch") {
                continue;
            }
            if value.is_array() {
                if let (SPECTRUM, Ok(points)) =
                    (name.as_str(), serde_json::from_value(value.clone()))
                {
                    self.spectra.push((epoch, points));
                }
                continue;
            }
            let point = [x, value.as_f64().unwrap_or(f64::NAN)];
            match curves.iter_mut().find(|c| c.metric == *name) {
                Some(curve) => curve.points.push(point),
                None => curves.push(Curve {
                    metric: name.clone(),
                    points: vec![point],
                }),
            }
        }
    }
}

/// The key of a validation line that holds the spectrum of the latent space.
const SPECTRUM: &str = "spectrum";

/// The folders of evaluations in a run, that of the test split first.
fn evaluations(run: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = folders.filter(|f| f.join(EVALUATION).exists()).collect();
    folders.sort_by_key(|folder| (!folder.ends_with("test"), folder.clone()));
    folders
}
