//! From a data set to a prepared store: decode, square, write shard by shard.
//!
//! A preparation that was killed goes on where it stopped and ends with the same bytes; a bad film is listed, not fatal.

use std::collections::BTreeSet;
use std::path::Path;

use mflag_core::progress::Progress;
use mflag_core::{atomic, digest};
use mflag_film::{Fit, Limits};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::store::{FORMAT, Layout, Meta, Shard, Store, read_json};
use crate::table::write_csv;
use crate::{Dataset, Error, Record, Result};

/// Bytes that the films of a shard take at most: the memory that a preparation needs, whatever the number of films.
const SHARD_BYTES: usize = 64 << 20;

/// How films are prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Side of the squares in pixels.
    pub side: u32,
    /// How films become squares.
    pub fit: Fit,
    /// What a film may be at most.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            side: 256,
            fit: Fit::Pad,
            limits: Limits::default(),
        }
    }
}

/// What a preparation depends on; one that goes on must have the same.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Plan {
    format: u32,
    dataset: String,
    side: u32,
    fit: Fit,
    films_in_shard: usize,
    /// Digest of the films asked for, in order.
    films: String,
}

/// What went into a shard.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    shard: Shard,
    /// Columns and rows of the films in it, as their files have them.
    sizes: Vec<[u32; 2]>,
    bad: Vec<Bad>,
}

/// A film that could not be decoded.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Bad {
    film: String,
    reason: String,
}

/// Prepares `dataset` in the folder `out`.
///
/// # Errors
/// If no film can be decoded, `out` holds something else, or cannot be written; what is done is kept.
pub fn prepare(dataset: &Dataset, out: &Path, options: &Options) -> Result<Store> {
    let layout = Layout(out.to_owned());
    let films_in_shard = (SHARD_BYTES / (options.side as usize).pow(2)).clamp(16, 4096);
    begin(&layout, dataset, options, films_in_shard)?;
    if !layout.meta().exists() {
        let progress = Progress::new("prepare", dataset.records.len() as u64, "films");
        let mut done = Vec::new();
        for (number, records) in dataset.records.chunks(films_in_shard).enumerate() {
            done.push(shard(&layout, number, records, options, &progress)?);
        }
        progress.finish();
        finish(&layout, dataset, options, &done)?;
    }
    Store::open(out)
}

/// Writes the plan, or compares it with the one that is there.
fn begin(layout: &Layout, dataset: &Dataset, options: &Options, in_shard: usize) -> Result<()> {
    let records = serde_json::to_vec(&dataset.records)
        .map_err(|e| Error::Data(format!("records cannot be written: {e}")))?;
    let plan = Plan {
        format: FORMAT,
        dataset: dataset.name.clone(),
        side: options.side,
        fit: options.fit,
        films_in_shard: in_shard,
        films: digest::bytes(&records),
    };
    let path = layout.plan();
    if path.exists() {
        let there: Plan = read_json(&path)?;
        if there != plan {
            let reason = format!(
                "holds a store of other films or settings ({}, {} px, {:?}): name another folder, or remove this one",
                there.dataset, there.side, there.fit
            );
            return Err(Error::file(&layout.0, reason));
        }
        return Ok(());
    }
    let occupied = std::fs::read_dir(&layout.0).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        let reason = "is not empty and holds no store: name another folder";
        return Err(Error::file(&layout.0, reason));
    }
    std::fs::create_dir_all(layout.shards())
        .map_err(|e| Error::io("create", &layout.shards(), e))?;
    write_json(&path, &plan)
}

/// Makes one shard, unless it is there, and says what is in it.
fn shard(
    layout: &Layout,
    number: usize,
    records: &[Record],
    options: &Options,
    progress: &Progress,
) -> Result<Content> {
    let content_file = layout.shard_content(number);
    if content_file.exists() {
        progress.resume_at(records.len() as u64);
        return read_json(&content_file);
    }
    let prepared: Vec<std::result::Result<Prepared, Bad>> = records
        .par_iter()
        .map(|record| {
            let prepared = prepare_film(record, options);
            progress.inc(1);
            prepared
        })
        .collect();
    let (good, bad): (Vec<_>, Vec<_>) = prepared.into_iter().partition(std::result::Result::is_ok);
    let good: Vec<Prepared> = good.into_iter().flatten().collect();
    let bad: Vec<Bad> = bad
        .into_iter()
        .filter_map(std::result::Result::err)
        .collect();

    let file = layout.shard(number);
    write_shard(&file, &good, options.side)?;
    let sizes = good.iter().map(|film| film.size).collect();
    let shard = Shard {
        films: good.len(),
        blake3: digest::file(&file)?,
    };
    let content = Content { shard, sizes, bad };
    // Last: with it, the shard is done.
    write_json(&content_file, &content)?;
    Ok(content)
}

/// A film as a square, and what its file's columns and rows were.
struct Prepared {
    pixels: Vec<u8>,
    size: [u32; 2],
}

fn prepare_film(record: &Record, options: &Options) -> std::result::Result<Prepared, Bad> {
    let film = mflag_film::decode(&record.path, &options.limits).map_err(|e| Bad {
        film: record.film.clone(),
        reason: e.to_string(),
    })?;
    let size = [film.width, film.height];
    Ok(Prepared {
        pixels: mflag_film::square(&film, options.side, options.fit).pixels,
        size,
    })
}

fn write_shard(path: &Path, films: &[Prepared], side: u32) -> Result<()> {
    use npyz::WriterBuilder;
    let side = u64::from(side);
    atomic::write(path, |file| {
        let shape = [films.len() as u64, 1, side, side];
        let mut header = Vec::new();
        npyz::WriteOptions::<u8>::new()
            .default_dtype()
            .shape(&shape)
            .writer(&mut header)
            .begin_nd()?;
        // npyz writes element by element: the header is its, the bytes go in film by film.
        file.write_all(&header)?;
        films
            .iter()
            .try_for_each(|film| file.write_all(&film.pixels))
    })?;
    Ok(())
}

/// Writes what all shards together hold, `store.json` last.
fn finish(layout: &Layout, dataset: &Dataset, options: &Options, done: &[Content]) -> Result<()> {
    let bad: Vec<&Bad> = done.iter().flat_map(|c| &c.bad).collect();
    let names: BTreeSet<&str> = bad.iter().map(|b| b.film.as_str()).collect();
    let decoded = dataset
        .records
        .iter()
        .filter(|r| !names.contains(r.film.as_str()));
    let sizes = done.iter().flat_map(|content| &content.sizes);
    let with_size = |(record, size): (&Record, &[u32; 2])| Record {
        size: Some(*size),
        ..record.clone()
    };
    let good: Vec<Record> = decoded.zip(sizes).map(with_size).collect();
    if good.is_empty() {
        let example = bad
            .first()
            .map_or("there was no film to prepare", |b| b.reason.as_str());
        return Err(Error::Data(format!(
            "not one of {} films of {} could be prepared; the first reason: {example}",
            dataset.records.len(),
            dataset.name
        )));
    }
    let rows = bad.iter().map(|b| [b.film.clone(), b.reason.clone()]);
    write_csv(&layout.bad(), ["film", "reason"], rows)?;
    atomic::write(&layout.films(), |file| {
        good.iter().try_for_each(|record| {
            serde_json::to_writer(&mut *file, record)?;
            file.write_all(b"\n")
        })
    })?;
    let meta = Meta {
        format: FORMAT,
        dataset: dataset.name.clone(),
        labels: dataset.labels.clone(),
        side: options.side,
        fit: options.fit,
        films: good.len(),
        bad: bad.len(),
        shards: done.iter().map(|c| c.shard.clone()).collect(),
    };
    write_json(&layout.meta(), &meta)
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    Ok(atomic::write(path, |file| {
        serde_json::to_writer_pretty(&mut *file, value)?;
        file.write_all(b"\n")
    })?)
}
