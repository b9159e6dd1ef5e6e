//! The prepared store: films as squares of one size, mapped into memory from disk.
//!
//! ```text
//! <store>/store.json          StoreMeta; written last, so a store with this file is complete
//! <store>/films.jsonl         one Record a line, in the order of the films in the shards
//! <store>/bad.csv             films that could not be prepared, with the reason
//! <store>/warnings.csv        films whose files are unusual; absent if there are none
//! <store>/plan.json           options of the preparation
//! <store>/shards/00000.npy    u8 or u16 [n, 1, side, side], readable by numpy
//! <store>/shards/00000.json   content of the shard, and its digest
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use bytemuck::try_cast_slice;
use mflag_core::npy;
use mflag_film::{Depth, Film, Grey, Limits, Squaring, ViewGeometry};
use mflag_input::{JSON, LINE, Mmap, lines};
use serde::{Deserialize, Serialize};

use crate::{Error, Record, Result, Split};

/// Version of the store's format.
pub const STORE_FORMAT: u32 = 2;

/// The content of `store.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoreMeta {
    /// Version of the format: [`STORE_FORMAT`].
    pub format: u32,
    /// Name of the data set.
    pub dataset: String,
    /// Names of the labels.
    pub labels: Vec<String>,
    /// How films became squares.
    #[serde(flatten)]
    pub squaring: Squaring,
    /// Number of films in the store.
    pub films: usize,
    /// Number of films that could not be prepared.
    pub bad: usize,
    /// How many films have each kind of unusual file; `warnings.csv` lists the films.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub warnings: BTreeMap<String, usize>,
    /// BLAKE3 digest of `films.jsonl`. Stores that earlier versions prepared have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_blake3: Option<String>,
    /// The shards in order.
    pub shards: Vec<Shard>,
}

/// A file with the pixels of consecutive films.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Number of films in the shard.
    pub films: usize,
    /// BLAKE3 digest of the file.
    pub blake3: String,
}

/// The paths of a store's files. Holds the store's folder.
#[derive(Debug, Clone)]
pub struct StoreFiles(pub PathBuf);

impl StoreFiles {
    /// `store.json`: what the store holds.
    pub fn meta(&self) -> PathBuf {
        self.0.join("store.json")
    }
    /// `films.jsonl`: the records.
    pub fn films(&self) -> PathBuf {
        self.0.join("films.jsonl")
    }
    /// `bad.csv`: films that could not be prepared.
    pub fn bad(&self) -> PathBuf {
        self.0.join("bad.csv")
    }
    /// `warnings.csv`: films whose files are unusual. Absent if there are none.
    pub fn warnings(&self) -> PathBuf {
        self.0.join("warnings.csv")
    }
    /// `plan.json`: options of the preparation.
    pub fn plan(&self) -> PathBuf {
        self.0.join("plan.json")
    }
    /// The folder of the shards.
    pub fn shards(&self) -> PathBuf {
        self.0.join("shards")
    }
    /// The pixels of a shard.
    pub fn shard(&self, number: usize) -> PathBuf {
        self.shards().join(format!("{number:05}.npy"))
    }
    /// The content of a shard.
    pub fn shard_content(&self, number: usize) -> PathBuf {
        self.shards().join(format!("{number:05}.json"))
    }
}

/// The pixels of a film in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greys<'a> {
    /// 8 bits.
    Eight(&'a [u8]),
    /// 16 bits.
    Sixteen(&'a [u16]),
}

impl<'a> From<&'a mflag_film::Greys> for Greys<'a> {
    fn from(greys: &'a mflag_film::Greys) -> Greys<'a> {
        match greys {
            mflag_film::Greys::Eight(pixels) => Greys::Eight(pixels),
            mflag_film::Greys::Sixteen(pixels) => Greys::Sixteen(pixels),
        }
    }
}

impl Greys<'_> {
    /// The view of these pixels, which are a square, in 8 bits: exactly that of the loader
    /// without augmentation.
    pub fn view(&self, geometry: ViewGeometry) -> Film {
        let pixels = match self {
            Greys::Eight(square) => geometry.view(square),
            Greys::Sixteen(square) => {
                let view = geometry.view(square);
                view.into_iter().map(Grey::to_eight).collect()
            }
        };
        Film {
            width: geometry.side(),
            height: geometry.side(),
            pixels,
        }
    }
}

/// An open store. Records are in memory, pixels are mapped from disk.
#[derive(Debug)]
pub struct Store {
    files: StoreFiles,
    meta: StoreMeta,
    records: Vec<Record>,
    shards: Vec<MappedShard>,
}

#[derive(Debug)]
struct MappedShard {
    map: Mmap,
    /// Where the pixels begin, after the header of the npy file.
    data: usize,
    /// Index of the shard's first film in the store.
    first: usize,
}

impl Store {
    /// Opens the store in `folder`. [`Store::verify`] and [`Store::verify_beside`] check digests;
    /// this does not.
    ///
    /// # Errors
    /// If `folder` holds no complete store, or a file is missing, damaged or of another version.
    pub fn open(folder: &Path) -> Result<Store> {
        let files = StoreFiles(folder.to_owned());
        if !files.meta().exists() {
            let reason = if files.plan().exists() {
                "the store is incomplete: run the same `mflag-data prepare` again to continue it"
            } else {
                "is not a prepared store (it has no store.json): make one with `mflag-data prepare`"
            };
            return Err(Error::file(folder, reason));
        }
        let meta: StoreMeta = read_json(&files.meta())?;
        if meta.format != STORE_FORMAT {
            let reason = format!(
                "has format {}, this program reads {STORE_FORMAT}: {PREPARE_AGAIN}",
                meta.format
            );
            return Err(Error::file(&files.meta(), reason));
        }
        let (side, largest) = (meta.squaring.side, Limits::default().side);
        if !(1..=largest).contains(&side) {
            let reason = format!("side is {side}, not from 1 to {largest}: {PREPARE_AGAIN}");
            return Err(Error::file(&files.meta(), reason));
        }
        let records = read_records(&files.films(), &meta)?;
        let shards = map_shards(&files, &meta)?;
        let in_shards: usize = meta.shards.iter().map(|s| s.films).sum();
        if records.len() != meta.films || in_shards != meta.films {
            let reason = format!(
                "films.jsonl has {} films, the shards {in_shards}, store.json {}: {PREPARE_AGAIN}",
                records.len(),
                meta.films
            );
            return Err(Error::file(folder, reason));
        }
        Ok(Store {
            files,
            meta,
            records,
            shards,
        })
    }

    /// The content of `store.json`.
    pub fn meta(&self) -> &StoreMeta {
        &self.meta
    }

    /// The store's folder.
    pub fn folder(&self) -> &Path {
        &self.files.0
    }

    /// Checks that the films became squares in the same way as those that a model was trained on.
    ///
    /// # Errors
    /// If side, fit, window or depth differ.
    pub fn check_squares(&self, trained_on: &Squaring) -> Result<()> {
        if self.squaring() == *trained_on {
            return Ok(());
        }
        Err(Error::Data(format!(
            "{} has squares of {}; the model was trained on squares of {trained_on}: \
             prepare the films with the same options",
            self.folder().display(),
            self.squaring()
        )))
    }

    /// How the films became squares.
    pub fn squaring(&self) -> Squaring {
        self.meta.squaring
    }

    /// Side of the squares in pixels.
    pub fn side(&self) -> u32 {
        self.meta.squaring.side
    }

    /// The films; the pixels of film `i` are `pixels(i)`.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The indices of the films of a split.
    pub fn split(&self, split: Split) -> Vec<usize> {
        (0..self.records.len())
            .filter(|&i| self.records[i].split == split)
            .collect()
    }

    /// The pixels of film `index` in the store's depth: `side · side` values, row by row.
    ///
    /// # Panics
    /// If the store has no film of this index.
    pub fn greys(&self, index: usize) -> Greys<'_> {
        let shard = self.shards.partition_point(|s| s.first <= index) - 1;
        let MappedShard { map, data, first } = &self.shards[shard];
        let bytes = film_bytes(self.meta.squaring);
        let start = data + (index - first) * bytes;
        let film = &map[start..start + bytes];
        match self.meta.squaring.depth {
            Depth::Eight => Greys::Eight(film),
            // `map_shards` has checked that the pixels are aligned.
            Depth::Sixteen => Greys::Sixteen(try_cast_slice(film).unwrap_or_default()),
        }
    }

    /// The pixels of film `index` in 8 bits, rounded where the store has 16.
    ///
    /// # Panics
    /// If the store has no film of this index.
    pub fn pixels(&self, index: usize) -> Cow<'_, [u8]> {
        match self.greys(index) {
            Greys::Eight(film) => Cow::Borrowed(film),
            Greys::Sixteen(film) => film.iter().map(|grey| grey.to_eight()).collect(),
        }
    }

    /// Digest of the store's content: of `store.json`, which has the shards' digests, and of the
    /// records.
    ///
    /// # Errors
    /// If `store.json` or `films.jsonl` cannot be read.
    pub fn digest(&self) -> Result<String> {
        let parts = [self.files.meta(), self.files.films()];
        let digests: mflag_core::Result<Vec<String>> =
            parts.iter().map(|p| mflag_core::digest::file(p)).collect();
        Ok(mflag_core::digest::bytes(digests?.concat().as_bytes()))
    }

    /// Reads the records and every shard, and compares their digests.
    ///
    /// # Errors
    /// If a file cannot be read, or its digest differs. The message names the file.
    pub fn verify(&self) -> Result<()> {
        if let Some(digest) = &self.meta.records_blake3 {
            check_digest(&self.files.films(), digest)?;
        }
        for (number, shard) in self.meta.shards.iter().enumerate() {
            check_digest(&self.files.shard(number), &shard.blake3)?;
        }
        Ok(())
    }
}

/// Compares a file of a store with its digest.
fn check_digest(path: &Path, blake3: &str) -> Result<()> {
    if mflag_core::digest::file(path)? == blake3 {
        return Ok(());
    }
    let reason = format!("differs from its digest in store.json: {PREPARE_AGAIN}");
    Err(Error::file(path, reason))
}

impl Store {
    /// Starts [`Store::verify`] on a thread of its own, so that a program checks the store while it
    /// prepares its work. The check costs one thread about as long as reading the shards.
    pub fn verify_beside(self: &Arc<Self>) -> Verification {
        let store = self.clone();
        Verification(std::thread::spawn(move || store.verify()))
    }
}

/// A check of a store's digests that runs on a thread of its own.
#[derive(Debug)]
#[must_use = "only `finish` tells whether the store is sound"]
pub struct Verification(JoinHandle<Result<()>>);

impl Verification {
    /// Waits for the check.
    ///
    /// # Errors
    /// As [`Store::verify`].
    pub fn finish(self) -> Result<()> {
        let failed = |_| {
            Err(Error::Data(
                "the check of the store's digests failed".into(),
            ))
        };
        self.0.join().unwrap_or_else(failed)
    }
}

/// Bytes of a film in a store.
pub fn film_bytes(squaring: Squaring) -> usize {
    (squaring.side as usize).pow(2) * usize::from(u8::from(squaring.depth)) / 8
}

/// Reads a JSON file of a store.
///
/// # Errors
/// If the file cannot be read, or its JSON is not a `T`.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = mflag_input::read_text(path, &JSON).map_err(|e| Error::io("read", path, e))?;
    serde_json::from_str(&text)
        .map_err(|e| Error::file(path, format!("is damaged ({e}): {PREPARE_AGAIN}")))
}

/// The fix for a damaged store.
const PREPARE_AGAIN: &str = "remove the store's folder, and prepare the films again";

/// Reads the records, at most one more than the store has films.
fn read_records(path: &Path, meta: &StoreMeta) -> Result<Vec<Record>> {
    let file = mflag_input::open(path).map_err(|e| Error::io("read", path, e))?;
    let parse = |(number, line): (usize, std::io::Result<String>)| {
        let line = line.map_err(|e| Error::io("read", path, e))?;
        let damaged = |reason: &str| {
            let reason = format!("line {} is damaged ({reason}): {PREPARE_AGAIN}", number + 1);
            Error::file(path, reason)
        };
        let record: Record = serde_json::from_str(&line).map_err(|e| damaged(&e.to_string()))?;
        let (labels, expected) = (record.labels.len(), meta.labels.len());
        if labels != expected {
            return Err(damaged(&format!(
                "{labels} labels, but store.json has {expected}"
            )));
        }
        Ok(record)
    };
    lines(BufReader::new(file), LINE)
        .take(meta.films.saturating_add(1))
        .enumerate()
        .map(parse)
        .collect()
}

fn map_shards(files: &StoreFiles, meta: &StoreMeta) -> Result<Vec<MappedShard>> {
    let mut first = 0;
    let mut shards = Vec::new();
    for (number, shard) in meta.shards.iter().enumerate() {
        let path = files.shard(number);
        let map = mflag_input::map(&path).map_err(|e| Error::io("read", &path, e))?;
        let side = u64::from(meta.squaring.side);
        let values = match meta.squaring.depth {
            Depth::Eight => npy::Values::U8,
            Depth::Sixteen => npy::Values::U16,
        };
        let shape = vec![shard.films as u64, 1, side, side];
        let expected = npy::Header { values, shape };
        let damaged = |what: &str| Error::file(&path, format!("{what}: {PREPARE_AGAIN}"));
        let (header, data) = npy::Header::read(&map).map_err(|e| damaged(&e))?;
        if header != expected {
            return Err(damaged(&format!("holds {header}, not {expected}")));
        }
        let bytes = shard.films.checked_mul(film_bytes(meta.squaring));
        if bytes != Some(map.len() - data) {
            return Err(damaged("has the wrong length"));
        }
        if !data.is_multiple_of(2) {
            return Err(damaged("its pixels begin at an odd byte"));
        }
        shards.push(MappedShard { map, data, first });
        first += shard.films;
    }
    Ok(shards)
}
