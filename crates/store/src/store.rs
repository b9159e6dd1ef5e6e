//! The prepared store: films as squares of one size, ready to be mapped into memory.
//!
//! ```text
//! <store>/store.json          what it holds; written last, so that a store with it is complete
//! <store>/films.jsonl         one Record a line, in the order of the rows of the shards
//! <store>/bad.csv             films that could not be prepared, with the reason
//! <store>/shards/00000.npy    u8 or u16 [n, 1, side, side]: any numpy user can open them
//! <store>/shards/00000.json   what went into the shard, and its digest
//! ```

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use bytemuck::try_cast_slice;
use memmap2::Mmap;
use mflag_film::{Depth, Grey, Squaring};
use serde::{Deserialize, Serialize};

use crate::{Error, Record, Result, Split};

/// Version of the layout above.
pub const FORMAT: u32 = 2;

/// The content of `store.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Version of the layout.
    pub format: u32,
    /// Name of the data set.
    pub dataset: String,
    /// Names of the labels.
    pub labels: Vec<String>,
    /// How films became squares.
    #[serde(flatten)]
    pub squaring: Squaring,
    /// Films in the store.
    pub films: usize,
    /// Films that could not be prepared.
    pub bad: usize,
    /// The shards in order.
    pub shards: Vec<Shard>,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Films in it.
    pub films: usize,
    /// BLAKE3 of the file.
    pub blake3: String,
}

/// The file names of a store.
#[derive(Debug, Clone)]
pub struct Layout(pub PathBuf);

impl Layout {
    /// `store.json`.
    pub fn meta(&self) -> PathBuf {
        self.0.join("store.json")
    }
    /// `films.jsonl`.
    pub fn films(&self) -> PathBuf {
        self.0.join("films.jsonl")
    }
    /// `bad.csv`.
    pub fn bad(&self) -> PathBuf {
        self.0.join("bad.csv")
    }
    /// `plan.json`, which says what a preparation does.
    pub fn plan(&self) -> PathBuf {
        self.0.join("plan.json")
    }
    /// The folder of the shards.
    pub fn shards(&self) -> PathBuf {
        self.0.join("shards")
    }
    /// A shard of pixels.
    pub fn shard(&self, number: usize) -> PathBuf {
        self.shards().join(format!("{number:05}.npy"))
    }
    /// What went into a shard.
    pub fn shard_content(&self, number: usize) -> PathBuf {
        self.shards().join(format!("{number:05}.json"))
    }
}

/// The pixels of a film in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greys<'a> {
    /// Of 8 bits.
    Eight(&'a [u8]),
    /// Of 16 bits.
    Sixteen(&'a [u16]),
}

/// A store, opened: records in memory, pixels mapped from disk.
#[derive(Debug)]
pub struct Store {
    layout: Layout,
    meta: Meta,
    records: Vec<Record>,
    shards: Vec<Mapped>,
}

#[derive(Debug)]
struct Mapped {
    map: Mmap,
    /// Where the pixels begin, behind the header of the npy.
    data: usize,
    /// The store's index of the first film.
    first: usize,
}

impl Store {
    /// Opens the store in `folder`. Digests are not checked: see [`Store::verify`].
    ///
    /// # Errors
    /// If there is no complete store, or a file is missing, damaged or of another version.
    pub fn open(folder: &Path) -> Result<Store> {
        let layout = Layout(folder.to_owned());
        if !layout.meta().exists() {
            let reason = if layout.plan().exists() {
                "the store is not complete: run the same `mflag-data prepare` again, it goes on where it stopped"
            } else {
                "is no prepared store (no store.json): make one by `mflag-data prepare`"
            };
            return Err(Error::file(folder, reason));
        }
        let meta: Meta = read_json(&layout.meta())?;
        if meta.format != FORMAT {
            let reason = format!(
                "has format {}, this program reads {FORMAT}: {AGAIN}",
                meta.format
            );
            return Err(Error::file(&layout.meta(), reason));
        }
        let records = read_records(&layout.films())?;
        let shards = map_shards(&layout, &meta)?;
        let in_shards: usize = meta.shards.iter().map(|s| s.films).sum();
        if records.len() != meta.films || in_shards != meta.films {
            let reason = format!(
                "{} films are listed and {in_shards} stored, store.json says {}: {AGAIN}",
                records.len(),
                meta.films
            );
            return Err(Error::file(folder, reason));
        }
        Ok(Store {
            layout,
            meta,
            records,
            shards,
        })
    }

    /// What the store holds.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.layout.0
    }

    /// Makes sure that its films are squares of this kind, which a model was trained on.
    ///
    /// # Errors
    /// If they are others.
    pub fn check_squares(&self, learned: &Squaring) -> Result<()> {
        let there = self.squaring();
        if there == *learned {
            return Ok(());
        }
        Err(Error::Data(format!(
            "{} has squares of {there}; the model was trained on squares of {learned}: prepare the films alike",
            self.folder().display()
        )))
    }

    /// How its films became squares.
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

    /// The films of one split, by their index.
    pub fn split(&self, split: Split) -> Vec<usize> {
        (0..self.records.len())
            .filter(|&i| self.records[i].split == split)
            .collect()
    }

    /// The pixels of film `index` in the store's depth: `side · side` values, row by row.
    ///
    /// # Panics
    /// If there is no such film.
    pub fn greys(&self, index: usize) -> Greys<'_> {
        let shard = self.shards.partition_point(|s| s.first <= index) - 1;
        let Mapped { map, data, first } = &self.shards[shard];
        let bytes = film_bytes(self.meta.squaring);
        let start = data + (index - first) * bytes;
        let film = &map[start..start + bytes];
        match self.meta.squaring.depth {
            Depth::Eight => Greys::Eight(film),
            // Shards that do not lie on an even address are not opened.
            Depth::Sixteen => Greys::Sixteen(try_cast_slice(film).unwrap_or_default()),
        }
    }

    /// The pixels of film `index` in 8 bits, rounded where the store has 16.
    ///
    /// # Panics
    /// If there is no such film.
    pub fn pixels(&self, index: usize) -> Cow<'_, [u8]> {
        match self.greys(index) {
            Greys::Eight(film) => Cow::Borrowed(film),
            Greys::Sixteen(film) => film.iter().map(|grey| grey.to_eight()).collect(),
        }
    }

    /// Digest of all that the store holds: of `store.json`, which has those of the shards, and of the records.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn digest(&self) -> Result<String> {
        let parts = [self.layout.meta(), self.layout.films()];
        let digests: mflag_core::Result<Vec<String>> =
            parts.iter().map(|p| mflag_core::digest::file(p)).collect();
        Ok(mflag_core::digest::bytes(digests?.concat().as_bytes()))
    }

    /// Reads every shard and compares its digest.
    ///
    /// # Errors
    /// If one differs; the message names the shard.
    pub fn verify(&self) -> Result<()> {
        for (number, shard) in self.meta.shards.iter().enumerate() {
            let path = self.layout.shard(number);
            if mflag_core::digest::file(&path)? != shard.blake3 {
                let reason = format!("differs from its digest in store.json: {AGAIN}");
                return Err(Error::file(&path, reason));
            }
        }
        Ok(())
    }
}

/// Bytes that a film takes.
pub fn film_bytes(squaring: Squaring) -> usize {
    (squaring.side as usize).pow(2) * usize::from(u8::from(squaring.depth)) / 8
}

/// Reads a JSON file of a store.
///
/// # Errors
/// If the file cannot be read, or is not such JSON.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
    serde_json::from_str(&text).map_err(|e| Error::file(path, format!("is damaged ({e}): {AGAIN}")))
}

/// What is to be done about a damaged store.
const AGAIN: &str = "remove the store's folder, and prepare the films again";

fn read_records(path: &Path) -> Result<Vec<Record>> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let parse = |(number, line): (usize, std::io::Result<String>)| {
        let line = line.map_err(|e| Error::io("read", path, e))?;
        serde_json::from_str(&line).map_err(|e| {
            let reason = format!("line {} is damaged ({e}): {AGAIN}", number + 1);
            Error::file(path, reason)
        })
    };
    BufReader::new(file)
        .lines()
        .enumerate()
        .map(parse)
        .collect()
}

fn map_shards(layout: &Layout, meta: &Meta) -> Result<Vec<Mapped>> {
    let mut first = 0;
    let mut shards = Vec::new();
    for (number, shard) in meta.shards.iter().enumerate() {
        let path = layout.shard(number);
        let map = map_file(&path)?;
        let side = u64::from(meta.squaring.side);
        let shape = [shard.films as u64, 1, side, side];
        let damaged = |what: &str| Error::file(&path, format!("{what}: {AGAIN}"));
        let mut content = &map[..];
        let header = npyz::NpyHeader::from_reader(&mut content)
            .map_err(|e| damaged(&format!("is no npy file ({e})")))?;
        if header.shape() != shape {
            let found = header.shape();
            return Err(damaged(&format!("its shape is {found:?}, not {shape:?}")));
        }
        // What the header has left.
        if content.len() != shard.films * film_bytes(meta.squaring) {
            return Err(damaged("is cut short, or longer than it should be"));
        }
        let data = map.len() - content.len();
        shards.push(Mapped { map, data, first });
        first += shard.films;
    }
    Ok(shards)
}

#[allow(unsafe_code, reason = "memory maps have no safe constructor")]
fn map_file(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    // SAFETY: shards are written under another name and renamed, never changed in place.
    unsafe { Mmap::map(&file) }.map_err(|e| Error::io("read", path, e))
}
