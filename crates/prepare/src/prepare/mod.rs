//! Prepares a data set: decodes each film, turns it into a square, and writes the squares into the
//! shards (files of many squares) of a store.
//!
//! An interrupted preparation continues where it stopped, and ends with the same bytes. A film that
//! cannot be prepared is listed in `bad.csv`; the other films are prepared.

mod film;
mod masks;
mod plan;
mod shard;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mflag_core::atomic;
use mflag_core::progress::Progress;
use mflag_film::{Fit, Limits, Squaring};
use mflag_store::{
    Dataset, Error, Record, Result, STORE_FORMAT, Store, StoreFiles, StoreMeta, film_bytes,
};

use film::{BadFilm, PreparedFilm};
use masks::OddMasks;
use plan::Plan;
use shard::ShardContent;

/// The most bytes of a shard. A preparation needs about this much memory, for any number of films.
const SHARD_BYTES: usize = 64 << 20;

/// How films are prepared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// How a film becomes a square.
    pub squaring: Squaring,
    /// The largest film that is decoded.
    pub limits: Limits,
    /// Whether films are refused whose DICOM file says that they are no chest films.
    pub chest_only: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            squaring: Squaring::new(256, Fit::Pad),
            limits: Limits::default(),
            chest_only: false,
        }
    }
}

/// Prepares `dataset` in the folder `out`, and opens the store.
///
/// # Errors
/// If no film can be prepared, if `out` holds other files or a store of other films or settings, or
/// if a file in `out` cannot be written. After an error, complete shards stay in `out`, and the
/// next preparation uses them.
pub fn prepare(dataset: &Dataset, out: &Path, options: &Options) -> Result<Store> {
    let files = StoreFiles(out.to_owned());
    create(&files.0)?;
    let _lock = atomic::lock(&files.0)?;
    let plan = Plan::new(dataset, options)?;
    plan.begin(&files)?;
    // An interrupted preparation may leave partial files.
    for folder in [&files.0, &files.shards()] {
        atomic::sweep(folder)?;
    }
    if !files.meta().exists() {
        let progress = Progress::new("prepare", dataset.records.len() as u64, "films");
        let mut shards = Vec::new();
        for (number, records) in dataset.records.chunks(plan.films_in_shard).enumerate() {
            let shard = shard::prepare(&files, number, records, options, &progress)?;
            shards.push(shard);
        }
        progress.finish();
        finish(&files, dataset, options, &shards)?;
    }
    open(dataset, out)
}

/// Opens the store, which an earlier preparation may have written.
fn open(dataset: &Dataset, out: &Path) -> Result<Store> {
    let store = Store::open(out)?;
    if store.meta().labels != dataset.labels {
        let reason = format!(
            "holds a store of these films with other names of labels ({}): choose another folder, \
             or remove this one",
            store.meta().labels.join(", ")
        );
        return Err(Error::file(out, reason));
    }
    Ok(store)
}

fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))
}

/// How many films a shard holds.
fn films_in_shard(squaring: Squaring) -> usize {
    (SHARD_BYTES / film_bytes(squaring)).clamp(16, 4096)
}

/// Writes the files that describe all shards. `store.json` comes last, because it marks the store
/// as complete.
fn finish(
    files: &StoreFiles,
    dataset: &Dataset,
    options: &Options,
    shards: &[ShardContent],
) -> Result<()> {
    let films: usize = shards.iter().map(|content| content.shard.films).sum();
    let bad: Vec<&BadFilm> = shards.iter().flat_map(|content| &content.bad).collect();
    let rows = bad.iter().map(|b| [b.film.clone(), b.reason.clone()]);
    mflag_core::table::write_csv(&files.bad(), ["film", "reason"], rows)?;
    if films == 0 {
        // The message has no reasons: they contain names of files, which may identify patients.
        return Err(Error::Data(format!(
            "none of the {} films of {} could be prepared; {} lists the reason for each",
            dataset.records.len(),
            dataset.name,
            files.bad().display()
        )));
    }
    write_records(files, dataset, shards, &bad)?;
    let warnings = write_warnings(files, dataset, shards, &bad)?;
    let meta = StoreMeta {
        format: STORE_FORMAT,
        dataset: dataset.name.clone(),
        labels: dataset.labels.clone(),
        squaring: options.squaring,
        films,
        bad: bad.len(),
        warnings,
        records_blake3: Some(mflag_core::digest::file(&files.films())?),
        shards: shards.iter().map(|content| content.shard.clone()).collect(),
    };
    Ok(atomic::write_json(&files.meta(), &meta)?)
}

/// Lists the films whose files are unusual in `warnings.csv`, if there are any. Returns how many
/// films each kind of remark concerns.
fn write_warnings(
    files: &StoreFiles,
    dataset: &Dataset,
    shards: &[ShardContent],
    bad: &[&BadFilm],
) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    let mut rows = Vec::new();
    for (record, prepared) in prepared_films(dataset, shards, bad) {
        for remark in &prepared.remarks {
            *counts.entry(remark.kind().to_owned()).or_default() += 1;
            rows.push([record.film.clone(), remark.to_string()]);
        }
    }
    if rows.is_empty() {
        atomic::remove(&files.warnings())?;
    } else {
        mflag_core::table::write_csv(&files.warnings(), ["film", "warning"], rows)?;
    }
    Ok(counts)
}

/// Writes the records of the prepared films, in the order of the shards.
fn write_records(
    files: &StoreFiles,
    dataset: &Dataset,
    shards: &[ShardContent],
    bad: &[&BadFilm],
) -> Result<()> {
    let complete = |(record, prepared): (&Record, &PreparedFilm)| Record {
        size: Some(prepared.size),
        mask: prepared.mask.clone().or_else(|| record.mask.clone()),
        ..record.clone()
    };
    // One record at a time: a copy of a million records would take gigabytes.
    let mut odd = OddMasks::default();
    let mut records = prepared_films(dataset, shards, bad).map(|(record, prepared)| {
        let record = complete((record, prepared));
        odd.count(&record, prepared.soft_mask);
        record
    });
    atomic::write(&files.films(), |file| {
        records.try_for_each(|record| {
            serde_json::to_writer(&mut *file, &record)?;
            file.write_all(b"\n")
        })
    })?;
    odd.tell();
    Ok(())
}

/// The records of the prepared films with what the preparation learned about them, in the order of
/// the shards.
fn prepared_films<'a>(
    dataset: &'a Dataset,
    shards: &'a [ShardContent],
    bad: &[&'a BadFilm],
) -> impl Iterator<Item = (&'a Record, &'a PreparedFilm)> {
    let bad: BTreeSet<&str> = bad.iter().map(|b| b.film.as_str()).collect();
    let records = dataset.records.iter();
    let records = records.filter(move |record| !bad.contains(record.film.as_str()));
    records.zip(shards.iter().flat_map(|content| &content.films))
}
