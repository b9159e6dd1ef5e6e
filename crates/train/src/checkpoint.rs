//! One safetensors file that holds all that a run needs to go on as if it had never stopped.

use crate::error::{Error, Result};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Version of the layout below.
pub const FORMAT: u32 = 1;

/// Key of the one entry of the file's metadata, a JSON object; one entry, so that equal runs write equal files.
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
    /// BLAKE3 of all tensor bytes in the order of the file.
    digest: String,
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
        let prefix = format!("{part}.");
        let own = |(name, tensor): (&String, &Tensor)| {
            Some((
                name.strip_prefix(&prefix)?.to_owned(),
                tensor.shallow_clone(),
            ))
        };
        self.tensors.iter().filter_map(own).collect()
    }

    /// Writes the file whole or not at all: a failure (a full disk, say) leaves the file that was there.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut order: Vec<(&String, &Tensor, Dtype)> = Vec::with_capacity(self.tensors.len());
        for (name, tensor) in &self.tensors {
            order.push((name, tensor, dtype(tensor.kind())?));
        }
        // The widest types first, so that each tensor is aligned.
        order.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(b.0)));

        let mut hasher = blake3::Hasher::new();
        let mut infos = Vec::with_capacity(order.len());
        let mut offset = 0;
        for (name, tensor, dtype) in &order {
            let bytes = bytes(tensor)?;
            hasher.update(&bytes);
            let shape = tensor
                .size()
                .into_iter()
                .map(i64::cast_unsigned)
                .map(|n| n as usize);
            infos.push((
                (*name).clone(),
                TensorInfo {
                    dtype: *dtype,
                    shape: shape.collect(),
                    data_offsets: (offset, offset + bytes.len()),
                },
            ));
            offset += bytes.len();
        }
        let meta = Meta {
            format: FORMAT,
            digest: hasher.finalize().to_hex().to_string(),
            counters: self.counters.clone(),
        };
        let broken = |e: &dyn std::fmt::Display| Error::checkpoint(path, e.to_string());
        let meta = serde_json::to_string(&meta).map_err(|e| broken(&e))?;
        let metadata = Metadata::new(Some(HashMap::from([(KEY.to_owned(), meta)])), infos)
            .map_err(|e| broken(&e))?;
        let mut header = serde_json::to_vec(&metadata).map_err(|e| broken(&e))?;
        header.resize(header.len().next_multiple_of(8), b' ');

        mflag_core::atomic::write(path, |file| {
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            for (_, tensor, _) in &order {
                file.write_all(&bytes(tensor).map_err(std::io::Error::other)?)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Reads a file of [`Checkpoint::write`]; the tensors lie on the CPU.
    ///
    /// # Errors
    /// If the file is not there, is damaged or cut short, or has another format.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        let damaged = |what: &dyn std::fmt::Display| {
            Error::checkpoint(
                path,
                format!(
                    "the file is damaged or cut short ({what}); bring it back from a copy, or start a new run"
                ),
            )
        };
        let content = std::fs::read(path).map_err(|e| mflag_core::Error::io("read", path, e))?;
        let (header, metadata) = SafeTensors::read_metadata(&content).map_err(|e| damaged(&e))?;
        let meta = metadata
            .metadata()
            .as_ref()
            .and_then(|entries| entries.get(KEY))
            .ok_or_else(|| {
                Error::checkpoint(
                    path,
                    "the file holds weights alone, not a run to go on with",
                )
            })?;
        let format: serde_json::Value = serde_json::from_str(meta).map_err(|e| damaged(&e))?;
        let format = format.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(u64::from(FORMAT)) {
            let found = format.map_or("none".to_owned(), |f| f.to_string());
            return Err(Error::checkpoint(
                path,
                format!(
                    "its format is {found}, this program reads {FORMAT}; use the program that wrote it"
                ),
            ));
        }
        let meta: Meta = serde_json::from_str(meta).map_err(|e| damaged(&e))?;
        let data = content.get(8 + header..).unwrap_or_default();
        if blake3::hash(data).to_hex().as_str() != meta.digest {
            return Err(damaged(&"its digest does not match"));
        }
        let file = SafeTensors::deserialize(&content).map_err(|e| damaged(&e))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            let kind = kind(view.dtype())
                .ok_or_else(|| damaged(&format!("{name} is {:?}", view.dtype())))?;
            let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
            tensors.insert(
                name.to_owned(),
                Tensor::f_from_data_size(view.data(), &shape, kind)?,
            );
        }
        Ok(Checkpoint {
            counters: meta.counters,
            tensors,
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

/// The content of a tensor in row-major order.
fn bytes(tensor: &Tensor) -> Result<Vec<u8>> {
    let tensor = tensor.detach().f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok(bytes)
}

const KINDS: [(Kind, Dtype); 9] = [
    (Kind::Double, Dtype::F64),
    (Kind::Float, Dtype::F32),
    (Kind::Half, Dtype::F16),
    (Kind::BFloat16, Dtype::BF16),
    (Kind::Int64, Dtype::I64),
    (Kind::Int, Dtype::I32),
    (Kind::Int8, Dtype::I8),
    (Kind::Uint8, Dtype::U8),
    (Kind::Bool, Dtype::BOOL),
];

fn dtype(kind: Kind) -> Result<Dtype> {
    let found = KINDS.iter().find(|(k, _)| *k == kind);
    found.map(|(_, dtype)| *dtype).ok_or_else(|| {
        Error::Config(format!(
            "a checkpoint cannot hold a tensor of kind {kind:?}"
        ))
    })
}

fn kind(dtype: Dtype) -> Option<Kind> {
    KINDS
        .iter()
        .find(|(_, d)| *d == dtype)
        .map(|(kind, _)| *kind)
}
