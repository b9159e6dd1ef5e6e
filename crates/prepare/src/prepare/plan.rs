//! The plan of a preparation, which is written first and decides whether a folder can be continued.

use std::io::BufWriter;

use mflag_core::atomic;
use mflag_film::Squaring;
use mflag_store::{Dataset, Error, Record, Result, STORE_FORMAT, StoreFiles, read_json};
use serde::{Deserialize, Serialize};

use super::{Options, create, films_in_shard};

/// What determines the bytes of a store. A preparation continues an earlier one only if both have
/// the same plan.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    format: u32,
    dataset: String,
    #[serde(flatten)]
    squaring: Squaring,
    pub(super) films_in_shard: usize,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    chest_only: bool,
    /// Digest of all records, in order.
    films: String,
}

impl Plan {
    pub(super) fn new(dataset: &Dataset, options: &Options) -> Result<Plan> {
        Ok(Plan {
            format: STORE_FORMAT,
            dataset: dataset.name.clone(),
            squaring: options.squaring,
            films_in_shard: films_in_shard(options.squaring),
            chest_only: options.chest_only,
            films: digest(&dataset.records)?,
        })
    }

    /// Writes the plan into an empty folder, or compares it with the plan of an earlier
    /// preparation.
    pub(super) fn begin(&self, files: &StoreFiles) -> Result<()> {
        let path = files.plan();
        if path.exists() {
            let earlier: Plan = read_json(&path)?;
            if earlier != *self {
                let reason = format!(
                    "holds a store of other films or settings ({}, {}): choose another folder, or \
                     remove this one",
                    earlier.dataset, earlier.squaring
                );
                return Err(Error::file(&files.0, reason));
            }
        } else {
            if !atomic::is_empty(&files.0)? {
                let reason = "is not empty and holds no store: choose another folder";
                return Err(Error::file(&files.0, reason));
            }
            // The plan is the first file: a folder without it is not an interrupted preparation.
            atomic::write_json(&path, self)?;
        }
        create(&files.shards())
    }
}

/// Digest of the records as JSON.
fn digest(records: &[Record]) -> Result<String> {
    let error = |e: &dyn std::fmt::Display| Error::Data(format!("cannot write the records: {e}"));
    let mut digest = BufWriter::new(blake3::Hasher::new());
    serde_json::to_writer(&mut digest, records).map_err(|e| error(&e))?;
    let digest = digest.into_inner().map_err(|e| error(&e))?;
    Ok(digest.finalize().to_hex().to_string())
}
