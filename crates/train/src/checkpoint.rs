//! One safetensors file that holds all that a run needs to go on as if it had never stopped.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use mflag_weights::{metadata, strip_prefix, write_safetensors};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::error::{Error, Result};

/// Version of the layout below.
pub const FORMAT: u32 = 2;

/// Key of the file's metadata, a JSON object.
const KEY: &str = "mflag";

/// How many differing variables a message names.
const NAMED: usize = 4;

/// A metric's value that survives JSON bit for bit, NaN included: it is written as text.
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

/// A value of the monitored metric, and where it was reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The value.
    pub value: Number,
    /// After this epoch.
    pub epoch: usize,
    /// After this optimiser step.
    pub step: u64,
}

/// Where a run stands: all that is not a tensor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Epochs finished.
    pub epoch: usize,
    /// Batches of the epoch in progress that are done.
    pub batch: usize,
    /// Optimiser steps done.
    pub step: u64,
    /// Best value of the monitored metric so far.
    pub best: Option<Best>,
    /// Validations since then.
    pub since_best: usize,
    /// Metrics of the latest validation.
    pub latest: Vec<(String, Number)>,
    /// Bytes of metrics.jsonl that belong to the steps done.
    pub metrics_bytes: u64,
    /// Batches in an epoch. A run goes on only with the same number, and with the same of the next.
    pub batches_per_epoch: usize,
    /// Batches in an optimiser step.
    pub accumulate: usize,
}

#[derive(Serialize, Deserialize)]
struct Meta {
    format: u32,
    counters: Counters,
}

/// The content of a checkpoint: counters, and tensors in parts: `model`, `optim`, `scaler`, `rng`, `meter`.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where the run stands.
    pub counters: Counters,
    tensors: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    /// A checkpoint without tensors.
    #[must_use]
    pub fn new(counters: Counters) -> Checkpoint {
        Checkpoint {
            counters,
            tensors: BTreeMap::new(),
        }
    }

    /// Puts tensors in as `<part>.<name>`; their content is read when the file is written.
    ///
    /// # Errors
    /// If a name is there twice.
    pub fn add(
        &mut self,
        part: &str,
        tensors: impl IntoIterator<Item = (String, Tensor)>,
    ) -> Result<()> {
        for (name, tensor) in tensors {
            if self
                .tensors
                .insert(format!("{part}.{name}"), tensor)
                .is_some()
            {
                return Err(Error::Config(format!("two variables are named {name}")));
            }
        }
        Ok(())
    }

    /// The tensors of one part, by the names they were added under.
    #[must_use]
    pub fn part(&self, part: &str) -> Vec<(String, Tensor)> {
        strip_prefix(&format!("{part}."), self.all())
    }

    /// The tensors themselves, by their whole names.
    fn all(&self) -> impl Iterator<Item = (String, Tensor)> {
        let tensors = self.tensors.iter();
        tensors.map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
    }

    /// Writes the file whole or not at all: a failure (a full disk, say) leaves the file that was there.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let meta = Meta {
            format: FORMAT,
            counters: self.counters.clone(),
        };
        let meta = serde_json::to_string(&meta)
            .map_err(|e| Error::checkpoint(path, format!("cannot be written: {e}")))?;
        let meta = BTreeMap::from([(KEY.to_owned(), meta)]);
        Ok(write_safetensors(path, self.all(), &meta)?)
    }

    /// Reads a file of [`Checkpoint::write`]; the tensors lie on the CPU.
    ///
    /// # Errors
    /// If the file is not there, is damaged or cut short, or has another format.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        let damaged = |what: &dyn Display| {
            Error::checkpoint(
                path,
                format!(
                    "the file is damaged or cut short; bring it back from a copy, or start a new run ({what})"
                ),
            )
        };
        let unreadable = |error: mflag_weights::Error| match error {
            mflag_weights::Error::File { reason, .. } => damaged(&reason),
            other => other.into(),
        };
        let metadata = metadata(path).map_err(unreadable)?;
        let meta = metadata.get(KEY).ok_or_else(|| {
            Error::checkpoint(
                path,
                "the file holds weights alone, not a run to go on with",
            )
        })?;
        let meta: serde_json::Value = serde_json::from_str(meta).map_err(|e| damaged(&e))?;
        if meta["format"] != FORMAT {
            return Err(Error::checkpoint(
                path,
                format!(
                    "its format is {}, this program reads {FORMAT}; use the program that wrote it",
                    meta["format"]
                ),
            ));
        }
        let meta: Meta = serde_json::from_value(meta).map_err(|e| damaged(&e))?;
        Ok(Checkpoint {
            counters: meta.counters,
            tensors: mflag_weights::read(path).map_err(unreadable)?,
        })
    }

    /// Copies the tensors of `part` into the live ones, which keep their device and layout.
    ///
    /// # Errors
    /// If names, shapes or kinds differ: the message, which names `path`, says how; nothing is changed then.
    pub fn restore(&self, part: &str, live: &[(String, Tensor)], path: &Path) -> Result<()> {
        let saved: BTreeMap<String, Tensor> = self.part(part).into_iter().collect();
        if let Some(difference) = difference(&saved, live) {
            let difference = format!("{difference} (in its part {part})");
            return Err(Error::Architecture {
                path: path.to_owned(),
                difference,
            });
        }
        tch::no_grad(|| {
            for (name, tensor) in live {
                let mut place = tensor.shallow_clone();
                if let Some(saved) = saved.get(name) {
                    place.f_copy_(saved)?;
                }
            }
            Ok(())
        })
    }
}

/// What keeps `saved` from being copied into `live`, in words; None if nothing does.
fn difference(saved: &BTreeMap<String, Tensor>, live: &[(String, Tensor)]) -> Option<String> {
    let names: std::collections::BTreeSet<&str> =
        live.iter().map(|(name, _)| name.as_str()).collect();
    let missing: Vec<String> = names
        .iter()
        .filter(|name| !saved.contains_key(**name))
        .map(|n| (*n).to_owned())
        .collect();
    let unknown: Vec<String> = saved
        .keys()
        .filter(|name| !names.contains(name.as_str()))
        .cloned()
        .collect();
    let differs = live.iter().filter_map(|(name, now)| {
        let then = saved.get(name)?;
        let same = then.size() == now.size() && then.kind() == now.kind();
        let words = |t: &Tensor| format!("{:?} {:?}", t.kind(), t.size());
        (!same).then(|| format!("{name} is {} there and {} here", words(then), words(now)))
    });
    let lists = [
        ("variables that it lacks", missing),
        ("variables that this model lacks", unknown),
        ("variables that differ", differs.collect()),
    ];
    let lists: Vec<String> = lists
        .iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(what, list)| named(what, list))
        .collect();
    (!lists.is_empty()).then(|| lists.join("; "))
}

fn named(what: &str, list: &[String]) -> String {
    let shown = list
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    let more = if list.len() > NAMED { ", ..." } else { "" };
    format!("{} {what}: {shown}{more}", list.len())
}
