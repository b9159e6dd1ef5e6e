//! Checkpoints: one safetensors file with everything that a run needs to continue exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;

use mflag_weights::{check_finite, metadata, strip_prefix, write_safetensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;

use crate::error::{Error, Result};

/// Version of the file format.
pub const FORMAT: u32 = 2;

/// Key of the file's metadata, a JSON object.
const KEY: &str = "mflag";

/// The part with the network's weights.
const MODEL: &str = "model";

/// How many differing variables an error message names.
const MAX_NAMES: usize = 4;

/// A metric's value that JSON stores bit for bit, NaN included, because it is written as text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Number(pub f64);

impl From<Number> for String {
    fn from(number: Number) -> String {
        format!("{:?}", number.0)
    }
}

impl TryFrom<String> for Number {
    type Error = std::num::ParseFloatError;

    fn try_from(text: String) -> std::result::Result<Number, Self::Error> {
        text.parse().map(Number)
    }
}

/// The best value of the monitored metric, and when it was reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The value.
    pub value: Number,
    /// The epoch after which it was reached.
    pub epoch: usize,
    /// The optimiser step after which it was reached.
    pub step: u64,
}

/// The state of a run, except for its tensors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainState {
    /// Finished epochs.
    pub epoch: usize,
    /// Finished batches of the current epoch.
    pub batch: usize,
    /// Finished optimiser steps.
    pub step: u64,
    /// Best value of the monitored metric so far.
    pub best: Option<Best>,
    /// Validations since the best value.
    pub since_best: usize,
    /// Metrics of the latest validation.
    pub latest: Vec<(String, Number)>,
    /// Length in bytes of metrics.jsonl after the finished steps.
    pub metrics_bytes: u64,
    /// Epochs that the run is to have; 0 in checkpoints of older versions.
    #[serde(default)]
    pub epochs: usize,
    /// Batches in an epoch. A run resumes only with the same number.
    pub batches_per_epoch: usize,
    /// Batches in an optimiser step. A run resumes only with the same number.
    pub accumulate: usize,
    /// Processes that train together. `None`: one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world_size: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct Meta {
    format: u32,
    #[serde(rename = "counters")]
    state: TrainState,
    /// Absent in checkpoints of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<String>,
}

/// The content of a checkpoint: the state of the run, and tensors in five parts: `model` (the
/// task's variables), `optim` (moments of AdamW), `scaler` (loss scale), `rng` (states of the
/// random generators) and `meter` (sums of the metrics line in progress).
#[derive(Debug)]
pub struct Checkpoint {
    /// The state of the run.
    pub state: TrainState,
    /// The text of the config.yaml that the run was trained with. `None` if the run folder had
    /// none, or the checkpoint is of an older version.
    pub config: Option<String>,
    tensors: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    /// A checkpoint without tensors; see [`Checkpoint::config`].
    #[must_use]
    pub fn new(state: TrainState, config: Option<String>) -> Checkpoint {
        Checkpoint {
            state,
            config,
            tensors: BTreeMap::new(),
        }
    }

    /// Adds tensors as `<part>.<name>`. Their content is read when the file is written.
    ///
    /// # Errors
    /// If the part already has a tensor of the same name.
    pub fn add(
        &mut self,
        part: &str,
        tensors: impl IntoIterator<Item = (String, Tensor)>,
    ) -> Result<()> {
        for (name, tensor) in tensors {
            let key = format!("{part}.{name}");
            if self.tensors.insert(key, tensor).is_some() {
                return Err(Error::Config(format!("two variables are named {name}")));
            }
        }
        Ok(())
    }

    /// The tensors of one part, by the names under which they were added.
    #[must_use]
    pub fn part(&self, part: &str) -> Vec<(String, Tensor)> {
        strip_prefix(&format!("{part}."), self.all())
    }

    /// All tensors, by `<part>.<name>`.
    fn all(&self) -> impl Iterator<Item = (String, Tensor)> {
        let tensors = self.tensors.iter();
        tensors.map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
    }

    /// Writes the file atomically: after a failure, such as a full disk, the old file remains.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let meta = Meta {
            format: FORMAT,
            state: self.state.clone(),
            config: self.config.clone(),
        };
        let meta = serde_json::to_string(&meta)
            .map_err(|e| Error::checkpoint(path, format!("cannot be written: {e}")))?;
        let meta = BTreeMap::from([(KEY.to_owned(), meta)]);
        Ok(write_safetensors(path, self.all(), &meta)?)
    }

    /// Reads a file that [`Checkpoint::write`] wrote. The tensors are on the CPU.
    ///
    /// # Errors
    /// If the file is missing, damaged or truncated, or has another format.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        let meta = read_meta(path)?;
        Ok(Checkpoint {
            state: meta.state,
            config: meta.config,
            tensors: mflag_weights::read(path).map_err(|e| unreadable(path, e))?,
        })
    }

    /// Reads [`Checkpoint::state`] without the tensors.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn read_state(path: &Path) -> Result<TrainState> {
        Ok(read_meta(path)?.state)
    }

    /// Reads [`Checkpoint::config`] without the tensors.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn read_config(path: &Path) -> Result<Option<String>> {
        Ok(read_meta(path)?.config)
    }

    /// Copies the tensors of `part` into the tensors `live` of the running program, which keep
    /// their device and layout.
    ///
    /// # Errors
    /// If names, shapes or kinds differ, or a weight of the network is NaN or infinite. The message
    /// names `path` and the differences, and `live` stays unchanged.
    pub fn restore(&self, part: &str, live: &[(String, Tensor)], path: &Path) -> Result<()> {
        let saved: BTreeMap<String, Tensor> = self.part(part).into_iter().collect();
        if let Some(difference) = difference(&saved, live) {
            return Err(Error::Architecture {
                path: path.to_owned(),
                difference: format!("{difference} (in part {part})"),
            });
        }
        if part == MODEL {
            for (name, tensor) in &saved {
                check_finite(path, name, tensor)?;
            }
        }
        tch::no_grad(|| {
            for (name, tensor) in live {
                if let Some(saved) = saved.get(name) {
                    tensor.shallow_clone().f_copy_(saved)?;
                }
            }
            Ok(())
        })
    }
}

fn read_meta(path: &Path) -> Result<Meta> {
    let metadata = metadata(path).map_err(|e| unreadable(path, e))?;
    let meta = metadata.get(KEY).ok_or_else(|| {
        Error::checkpoint(path, "holds only weights, not the state of a run to resume")
    })?;
    let meta: Value = serde_json::from_str(meta).map_err(|e| damaged(path, &e))?;
    if meta["format"] != FORMAT {
        return Err(Error::checkpoint(
            path,
            format!(
                "has format {}, but this program reads format {FORMAT}; use the program that \
                 wrote it",
                meta["format"]
            ),
        ));
    }
    serde_json::from_value(meta).map_err(|e| damaged(path, &e))
}

fn damaged(path: &Path, reason: &dyn Display) -> Error {
    Error::checkpoint(
        path,
        format!("is damaged or truncated ({reason}); restore it from a copy, or start a new run"),
    )
}

fn unreadable(path: &Path, error: mflag_weights::Error) -> Error {
    match error {
        mflag_weights::Error::File { reason, .. } => damaged(path, &reason),
        other => other.into(),
    }
}

/// Describes why the tensors `saved` cannot be copied into `live`. `None` if they can.
fn difference(saved: &BTreeMap<String, Tensor>, live: &[(String, Tensor)]) -> Option<String> {
    let live_names: BTreeSet<&str> = live.iter().map(|(name, _)| name.as_str()).collect();
    let missing = live_names
        .iter()
        .filter(|name| !saved.contains_key(**name))
        .map(|name| (*name).to_owned());
    let extra = saved
        .keys()
        .filter(|name| !live_names.contains(name.as_str()))
        .cloned();
    let changed = live.iter().filter_map(|(name, live)| {
        let saved = saved.get(name)?;
        let same = saved.size() == live.size() && saved.kind() == live.kind();
        let describe = |t: &Tensor| format!("{:?} {:?}", t.kind(), t.size());
        (!same).then(|| {
            let (saved, live) = (describe(saved), describe(live));
            format!("{name} is {saved} in the file, {live} in the model")
        })
    });
    let lists: Vec<String> = [
        ("variables missing in the file", missing.collect::<Vec<_>>()),
        ("variables missing in the model", extra.collect()),
        ("variables differ", changed.collect()),
    ]
    .iter()
    .filter_map(|(what, names)| list(what, names))
    .collect();
    (!lists.is_empty()).then(|| lists.join("; "))
}

/// `2 variables differ: a, b`. `None` if `names` is empty.
fn list(what: &str, names: &[String]) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let shown = &names[..names.len().min(MAX_NAMES)];
    let more = if shown.len() < names.len() {
        ", ..."
    } else {
        ""
    };
    Some(format!(
        "{} {what}: {}{more}",
        names.len(),
        shown.join(", ")
    ))
}
