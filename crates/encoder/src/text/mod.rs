//! Turns texts into vectors with a frozen BERT in Hugging Face's folder layout.

mod tokenizer;

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, nn};
use tokenizers::{Encoding, Tokenizer};

use crate::bert::{Bert, Config};
use crate::{Error, Result};
use mflag_weights::{Allow, check_size, load_into, sorted_variables};

/// Version of the vectors. Every change of the code that changes vectors must raise it: caches then
/// recompute the vectors.
const VERSION: u32 = 1;

/// The fewest tokens that leave room for a token between `[CLS]` and `[SEP]`.
const FEWEST_TOKENS: usize = 3;

/// The most parameters of an encoder with random weights, three times those of a large BERT. No
/// weight file limits them.
const MOST_RANDOM: u64 = 1 << 30;

/// How the hidden states of a text become a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The last hidden state of `[CLS]`, without pooler and normalisation.
    Cls,
    /// The mean of the last hidden states of all tokens, including `[CLS]` and `[SEP]` but not
    /// padding.
    Mean,
}

/// Embedded texts, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// One row for each text: `[texts, hidden]`.
    pub vectors: Array2<f32>,
    /// Whether a text has more than `max_tokens` tokens. Its vector is that of its beginning.
    pub cut: Vec<bool>,
}

/// A tokenizer and a frozen BERT.
#[derive(Debug)]
pub struct TextEncoder {
    tokenizer: Tokenizer,
    bert: Bert,
    pooling: Pooling,
    device: Device,
    fingerprint: String,
}

impl TextEncoder {
    /// Opens a model folder with `config.json`, the weights (`model.safetensors`, else
    /// `pytorch_model.bin`, each in one file or divided among several by an `.index.json`) and the
    /// tokenizer (`tokenizer.json`, else `vocab.txt` and, if present, `tokenizer_config.json`).
    ///
    /// Texts are cut at `max_tokens` tokens, including `[CLS]` and `[SEP]`: from 3 to the model's
    /// `max_position_embeddings`. This replaces the truncation and padding of `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read. [`Error::Model`] if one is missing, damaged or of
    /// another model, or the weights do not fit `config.json`. [`Error::Input`] if `max_tokens` is
    /// out of range.
    pub fn open(
        folder: impl AsRef<Path>,
        pooling: Pooling,
        max_tokens: usize,
        device: Device,
    ) -> Result<TextEncoder> {
        let folder = folder.as_ref();
        let parts = Parts::read(folder, max_tokens)?;
        let weights = weight_file(folder)?;
        check_size(
            &weights.path,
            parts.config.parameters(),
            &parts.config.to_string(),
        )?;
        let mut store = nn::VarStore::new(device);
        let bert = Bert::new(store.root(), &parts.config)?;
        let report = load_into(&weights.path, &sorted_variables(&store), &Allow::heads())?;
        tracing::debug!("{}: {report}", weights.path.display());
        store.freeze();
        let mut digest = parts.digest(pooling, max_tokens)?;
        if let Some(shards) = &weights.shards {
            digest.file("index", &weights.path)?;
            for shard in shards {
                digest.file("weights", shard)?;
            }
        } else {
            digest.file("weights", &weights.path)?;
        }
        Ok(parts.encoder(bert, pooling, device, &digest))
    }

    /// Like [`TextEncoder::open`], but with random weights; the folder needs no weight file. A seed
    /// gives the same weights on every device. Ablations use such an encoder to measure what the
    /// language model's knowledge contributes.
    ///
    /// # Errors
    /// As [`TextEncoder::open`].
    pub fn random(
        folder: impl AsRef<Path>,
        seed: u64,
        pooling: Pooling,
        max_tokens: usize,
        device: Device,
    ) -> Result<TextEncoder> {
        let parts = Parts::read(folder.as_ref(), max_tokens)?;
        if parts.config.parameters() > MOST_RANDOM {
            let reason = format!(
                "describes {} with {} parameters, more than the limit of {MOST_RANDOM} random ones",
                parts.config,
                parts.config.parameters()
            );
            return Err(Error::model(&parts.config_file, reason));
        }
        let mut store = nn::VarStore::new(device);
        let mut bert = Bert::new(store.root(), &parts.config)?;
        bert.randomise(seed)?;
        store.freeze();
        let mut digest = parts.digest(pooling, max_tokens)?;
        digest.part("random weights", &seed.to_le_bytes());
        Ok(parts.encoder(bert, pooling, device, &digest))
    }

    /// The length of a text's vector.
    pub fn hidden(&self) -> usize {
        self.bert.config().hidden_size as usize
    }

    /// A BLAKE3 digest, in hexadecimal digits, of everything that determines the vectors: the
    /// content of the files, the pooling, `max_tokens` and the version of this code, but not the
    /// device.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    /// The token identifiers of each text: `[CLS]` first, `[SEP]` last, at most `max_tokens`. Uses
    /// all cores.
    ///
    /// # Errors
    /// [`Error::Input`] if the tokenizer fails on a text.
    pub fn tokenize(&self, texts: &[String]) -> Result<Vec<Vec<u32>>> {
        let encodings = self.encode(texts)?.into_iter();
        Ok(encodings.map(|e| e.get_ids().to_vec()).collect())
    }

    fn encode(&self, texts: &[String]) -> Result<Vec<Encoding>> {
        let tokenizer = &self.tokenizer;
        texts
            .par_iter()
            .map(|text| {
                tokenizer::encode(tokenizer, text)
                    .map_err(|e| Error::Input(format!("the tokenizer failed on a text: {e}")))
            })
            .collect()
    }

    /// The vectors of texts, and which texts were cut at `max_tokens`.
    ///
    /// Texts of similar length are computed in one batch of at most `batch_tokens` tokens,
    /// including padding, or of one text. Which texts share a batch changes a vector only by
    /// rounding (below 1e-5). After each batch, `progress` is called with its number of texts.
    ///
    /// # Errors
    /// As [`TextEncoder::tokenize`]. [`Error::Torch`] if memory does not suffice: lower
    /// `batch_tokens`.
    pub fn embed(
        &self,
        texts: &[String],
        batch_tokens: usize,
        progress: &dyn Fn(usize),
    ) -> Result<Embedded> {
        let encodings = self.encode(texts)?;
        let tokens: Vec<&[u32]> = encodings.iter().map(Encoding::get_ids).collect();
        let mut vectors = Array2::zeros((texts.len(), self.hidden()));
        for batch in batches(&tokens, batch_tokens) {
            let rows: Vec<&[u32]> = batch.iter().map(|&i| tokens[i]).collect();
            let values = self.embed_batch(&rows)?;
            for (&i, row) in batch.iter().zip(values.chunks_exact(self.hidden())) {
                vectors.row_mut(i).assign(&ndarray::aview1(row));
            }
            progress(batch.len());
        }
        let is_cut = |encoding: &Encoding| !encoding.get_overflowing().is_empty();
        Ok(Embedded {
            vectors,
            cut: encodings.iter().map(is_cut).collect(),
        })
    }

    /// The vectors of the rows, one after the other.
    fn embed_batch(&self, rows: &[&[u32]]) -> Result<Vec<f32>> {
        let _frozen = tch::no_grad_guard();
        let (ids, mask) = padded(rows)?;
        let (ids, mask) = (
            ids.f_to_device(self.device)?,
            mask.f_to_device(self.device)?,
        );
        let hidden = self.bert.forward(&ids, &mask)?;
        let pooled = self
            .pooling
            .pool(&hidden, &mask)?
            .f_to_device(Device::Cpu)?;
        let mut values = vec![0f32; pooled.numel()];
        pooled
            .f_contiguous()?
            .f_copy_data(&mut values, pooled.numel())?;
        Ok(values)
    }
}

impl Pooling {
    /// From `hidden` `[B, T, H]` and `mask` bool `[B, T]` to `[B, H]`.
    fn pool(self, hidden: &Tensor, mask: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Pooling::Cls => hidden.f_select(1, 0)?,
            Pooling::Mean => {
                let weight = mask.f_to_kind(hidden.kind())?.f_unsqueeze(-1)?;
                let sum =
                    hidden
                        .f_mul(&weight)?
                        .f_sum_dim_intlist([1i64].as_slice(), false, None)?;
                sum.f_div(&weight.f_sum_dim_intlist([1i64].as_slice(), false, None)?)?
            }
        })
    }

    fn name(self) -> &'static str {
        match self {
            Pooling::Cls => "cls",
            Pooling::Mean => "mean",
        }
    }
}

/// The content of a model folder, without its weights.
struct Parts {
    config: Config,
    config_file: PathBuf,
    source: tokenizer::Source,
}

impl Parts {
    fn read(folder: &Path, max_tokens: usize) -> Result<Parts> {
        if !folder.is_dir() {
            let reason = "is not a folder: give the folder of a BERT \
                          with config.json, weights and tokenizer";
            return Err(Error::model(folder, reason));
        }
        let config_file = folder.join("config.json");
        let config = Config::read(&config_file)?;
        let positions = config.max_position_embeddings;
        if !(FEWEST_TOKENS..=positions as usize).contains(&max_tokens) {
            return Err(Error::Input(format!(
                "max_tokens is {max_tokens}, but must be from {FEWEST_TOKENS} to {positions} \
                 (max_position_embeddings in {})",
                config_file.display()
            )));
        }
        let source = tokenizer::read(folder, max_tokens, config.vocab_size)?;
        Ok(Parts {
            config,
            config_file,
            source,
        })
    }

    fn digest(&self, pooling: Pooling, max_tokens: usize) -> Result<Digest> {
        let mut digest = Digest(blake3::Hasher::new());
        digest.part("version", &VERSION.to_le_bytes());
        digest.part("pooling", pooling.name().as_bytes());
        digest.part("max_tokens", &(max_tokens as u64).to_le_bytes());
        digest.file("config", &self.config_file)?;
        for file in &self.source.files {
            digest.file("tokenizer", file)?;
        }
        if self.source.keeps_case {
            digest.part("case of the vocabulary", b"kept");
        }
        Ok(digest)
    }

    fn encoder(self, bert: Bert, pooling: Pooling, device: Device, digest: &Digest) -> TextEncoder {
        let fingerprint = digest.0.finalize().to_hex().to_string();
        TextEncoder {
            tokenizer: self.source.tokenizer,
            bert,
            pooling,
            device,
            fingerprint,
        }
    }
}

/// A digest of named parts.
struct Digest(blake3::Hasher);

impl Digest {
    fn part(&mut self, name: &str, bytes: &[u8]) {
        self.0.update(name.as_bytes());
        self.0.update(blake3::hash(bytes).as_bytes());
    }

    fn file(&mut self, name: &str, path: &Path) -> Result<()> {
        let read = |e| Error::io("read", path, e);
        let mut hasher = blake3::Hasher::new();
        hasher
            .update_reader(mflag_input::open(path).map_err(read)?)
            .map_err(read)?;
        self.0.update(name.as_bytes());
        self.0.update(hasher.finalize().as_bytes());
        Ok(())
    }
}

/// The file of the weights, or the index of the files that they are divided among.
struct WeightFile {
    path: PathBuf,
    shards: Option<Vec<PathBuf>>,
}

fn weight_file(folder: &Path) -> Result<WeightFile> {
    let names = ["model.safetensors", "pytorch_model.bin"];
    for name in names {
        let path = folder.join(name);
        if path.exists() {
            return Ok(WeightFile { path, shards: None });
        }
        let path = folder.join(format!("{name}.index.json"));
        if path.exists() {
            let shards = Some(mflag_weights::shards(&path)?);
            return Ok(WeightFile { path, shards });
        }
    }
    Err(Error::model(
        folder,
        format!(
            "has no weights, neither {} nor {}, in one file or with an .index.json",
            names[0], names[1]
        ),
    ))
}

/// The indices of texts in batches of at most `batch_tokens` tokens, counting the padding to the
/// longest text, or of one text. The longest texts come first, so that a lack of memory shows at
/// once.
fn batches(tokens: &[&[u32]], batch_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..tokens.len()).collect();
    order.sort_by_key(|&i| Reverse(tokens[i].len()));
    let mut batches = Vec::new();
    let mut rest = order.as_slice();
    while let Some(&longest) = rest.first() {
        let count = (batch_tokens / tokens[longest].len().max(1)).clamp(1, rest.len());
        let (batch, later) = rest.split_at(count);
        batches.push(batch.to_vec());
        rest = later;
    }
    batches
}

/// The identifiers, i64 `[rows, longest]`, and their mask, bool of the same shape. Padding is 0.
fn padded(rows: &[&[u32]]) -> Result<(Tensor, Tensor)> {
    let longest = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let padding = |row: &[u32]| longest - row.len();
    let ids: Vec<i64> = rows
        .iter()
        .flat_map(|row| {
            row.iter()
                .map(|&id| i64::from(id))
                .chain(std::iter::repeat_n(0, padding(row)))
        })
        .collect();
    let lengths: Vec<i64> = rows.iter().map(|row| row.len() as i64).collect();
    let shape = [rows.len() as i64, longest as i64];
    let positions = Tensor::f_arange(longest as i64, (Kind::Int64, Device::Cpu))?;
    let mask = positions.f_lt_tensor(&Tensor::f_from_slice(&lengths)?.f_unsqueeze(1)?)?;
    Ok((Tensor::f_from_slice(&ids)?.f_view(shape)?, mask))
}
