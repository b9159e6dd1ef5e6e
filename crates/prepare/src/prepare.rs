//! From a data set to a prepared store: decode, square, write shard by shard.
//!
//! A preparation that was killed goes on where it stopped and ends with the same bytes; a bad film is listed, not fatal.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::Path;

use mflag_core::progress::Progress;
use mflag_core::{atomic, digest};
use mflag_film::{Depth, Fit, Greys, Limits, Squaring};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use mflag_store::{
    Dataset, Error, Mask, Record, Result, STORE_FORMAT, Shard, Store, StoreFiles, StoreMeta,
    check_boxes, film_bytes, mask, read_json,
};

/// Bytes that the films of a shard take at most: the memory that a preparation needs, whatever the number of films.
const SHARD_BYTES: usize = 64 << 20;

/// How films are prepared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// How films become squares.
    pub squaring: Squaring,
    /// What a film may be at most.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            squaring: Squaring::new(256, Fit::Pad),
            limits: Limits::default(),
        }
    }
}

/// What a preparation depends on; one that goes on must have the same.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Plan {
    format: u32,
    dataset: String,
    #[serde(flatten)]
    squaring: Squaring,
    films_in_shard: usize,
    /// Digest of the films asked for, in order.
    films: String,
}

/// What went into a shard.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    shard: Shard,
    /// What became known of the films in it.
    films: Vec<Known>,
    bad: Vec<Bad>,
}

/// What becomes known of a film when its file is read.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    /// Columns and rows, as its file has them.
    size: [u32; 2],
    /// The mask that another file has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mask: Option<Mask>,
}

/// A film that could not be decoded, or its mask, or does not fit its mask or boxes.
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
    let layout = StoreFiles(out.to_owned());
    let films_in_shard = (SHARD_BYTES / film_bytes(options.squaring)).clamp(16, 4096);
    create(&layout.0)?;
    let _lock = atomic::lock(&layout.0)?;
    begin(&layout, dataset, options, films_in_shard)?;
    // What a killed preparation left half-written.
    for folder in [&layout.0, &layout.shards()] {
        atomic::sweep(folder)?;
    }
    if !layout.meta().exists() {
        let progress = Progress::new("prepare", dataset.records.len() as u64, "films");
        let mut done = Vec::new();
        for (number, records) in dataset.records.chunks(films_in_shard).enumerate() {
            done.push(shard(&layout, number, records, options, &progress)?);
        }
        progress.finish();
        finish(&layout, dataset, options, &done)?;
    }
    let store = Store::open(out)?;
    if store.meta().labels != dataset.labels {
        let reason = format!(
            "holds a store of these films whose labels have other names ({}): name another folder, or remove this one",
            store.meta().labels.join(", ")
        );
        return Err(Error::file(out, reason));
    }
    Ok(store)
}

/// Writes the plan, or compares it with the one that is there.
fn begin(layout: &StoreFiles, dataset: &Dataset, options: &Options, in_shard: usize) -> Result<()> {
    let plan = Plan {
        format: STORE_FORMAT,
        dataset: dataset.name.clone(),
        squaring: options.squaring,
        films_in_shard: in_shard,
        films: films_digest(&dataset.records)?,
    };
    let path = layout.plan();
    if path.exists() {
        let there: Plan = read_json(&path)?;
        if there != plan {
            let reason = format!(
                "holds a store of other films or settings ({}, {}): name another folder, or remove this one",
                there.dataset, there.squaring
            );
            return Err(Error::file(&layout.0, reason));
        }
        return create(&layout.shards());
    }
    if !atomic::is_empty(&layout.0)? {
        let reason = "is not empty and holds no store: name another folder";
        return Err(Error::file(&layout.0, reason));
    }
    // First: what has no plan is not taken for a preparation that was killed.
    atomic::write_json(&path, &plan)?;
    create(&layout.shards())
}

fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))
}

fn films_digest(records: &[Record]) -> Result<String> {
    let mut digest = BufWriter::new(blake3::Hasher::new());
    serde_json::to_writer(&mut digest, records)
        .map_err(|e| Error::Data(format!("records cannot be written: {e}")))?;
    let digest = digest
        .into_inner()
        .map_err(|e| Error::Data(format!("records cannot be written: {e}")))?;
    Ok(digest.finalize().to_hex().to_string())
}

/// Makes one shard, unless it is there, and says what is in it.
fn shard(
    layout: &StoreFiles,
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
    let prepared: Vec<std::result::Result<(Known, Greys), Bad>> = records
        .par_iter()
        .map(|record| {
            let prepared = prepare_film(record, options);
            progress.inc(1);
            prepared
        })
        .collect();
    let (mut films, mut squares, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    for film in prepared {
        match film {
            Ok((known, square)) => {
                films.push(known);
                squares.push(square);
            }
            Err(reason) => bad.push(reason),
        }
    }
    let file = layout.shard(number);
    write_shard(&file, &squares, options.squaring)?;
    let shard = Shard {
        films: films.len(),
        blake3: digest::file(&file)?,
    };
    let content = Content { shard, films, bad };
    // Last: with it, the shard is done.
    atomic::write_json(&content_file, &content)?;
    Ok(content)
}

fn prepare_film(record: &Record, options: &Options) -> std::result::Result<(Known, Greys), Bad> {
    read_film(record, options).map_err(|e| Bad {
        film: record.film.clone(),
        reason: e.to_string(),
    })
}

fn read_film(record: &Record, options: &Options) -> Result<(Known, Greys)> {
    let squared = options.squaring.read(&record.path, &options.limits)?;
    let (width, height) = (squared.width, squared.height);
    let size = [width, height];
    let refused = |reason| Error::file(&record.path, reason);
    // Readers check boxes and masks, too, but cannot measure a DICOM film.
    check_boxes(&record.boxes, size.into()).map_err(refused)?;
    let mask = match &record.mask {
        Some(file @ Mask::File { .. }) => Some(mask::to_runs(file, width, height)?),
        Some(Mask::Runs { width, height, .. }) if [*width, *height] != size => {
            let reason = mask::size_mismatch((*width, *height), size.into());
            return Err(refused(reason));
        }
        _ => None,
    };
    Ok((Known { size, mask }, squared.greys))
}

fn write_shard(path: &Path, films: &[Greys], squaring: Squaring) -> Result<()> {
    let side = u64::from(squaring.side);
    let shape = [films.len() as u64, 1, side, side];
    let write = |file: &mut dyn Write| {
        // npyz writes element by element: the header is its, the bytes go in film by film.
        file.write_all(&match squaring.depth {
            Depth::Eight => npy_header::<u8>(&shape)?,
            Depth::Sixteen => npy_header::<u16>(&shape)?,
        })?;
        films.iter().try_for_each(|film| match film {
            Greys::Eight(greys) => file.write_all(greys),
            Greys::Sixteen(greys) => file.write_all(bytemuck::cast_slice(greys)),
        })
    };
    Ok(atomic::write(path, write)?)
}

fn npy_header<T: npyz::AutoSerialize>(shape: &[u64]) -> std::io::Result<Vec<u8>> {
    use npyz::WriterBuilder;
    let mut header = Vec::new();
    npyz::WriteOptions::<T>::new()
        .default_dtype()
        .shape(shape)
        .writer(&mut header)
        .begin_nd()?;
    Ok(header)
}

/// Writes what all shards together hold, `store.json` last.
fn finish(
    layout: &StoreFiles,
    dataset: &Dataset,
    options: &Options,
    done: &[Content],
) -> Result<()> {
    let bad: Vec<&Bad> = done.iter().flat_map(|c| &c.bad).collect();
    let names: BTreeSet<&str> = bad.iter().map(|b| b.film.as_str()).collect();
    let decoded = dataset
        .records
        .iter()
        .filter(|r| !names.contains(r.film.as_str()));
    let known = done.iter().flat_map(|content| &content.films);
    let with_known = |(record, known): (&Record, &Known)| Record {
        size: Some(known.size),
        mask: known.mask.clone().or_else(|| record.mask.clone()),
        ..record.clone()
    };
    // Made anew for each line: a million records twice in memory would be gigabytes.
    let good = decoded.zip(known);
    let films = done.iter().map(|content| content.shard.films).sum();
    let rows = bad.iter().map(|b| [b.film.clone(), b.reason.clone()]);
    mflag_core::table::write_csv(&layout.bad(), ["film", "reason"], rows)?;
    if films == 0 {
        // Reasons name films, whose names may be those of patients.
        return Err(Error::Data(format!(
            "not one of {} films of {} could be prepared; {} says of each why",
            dataset.records.len(),
            dataset.name,
            layout.bad().display()
        )));
    }
    atomic::write(&layout.films(), |file| {
        good.map(with_known).try_for_each(|record| {
            serde_json::to_writer(&mut *file, &record)?;
            file.write_all(b"\n")
        })
    })?;
    let meta = StoreMeta {
        format: STORE_FORMAT,
        dataset: dataset.name.clone(),
        labels: dataset.labels.clone(),
        squaring: options.squaring,
        films,
        bad: bad.len(),
        shards: done.iter().map(|c| c.shard.clone()).collect(),
    };
    Ok(atomic::write_json(&layout.meta(), &meta)?)
}
