//! Prepares the films of one shard.

use std::io::Write;
use std::path::Path;

use mflag_core::progress::Progress;
use mflag_core::{atomic, digest, npy};
use mflag_film::{Depth, Greys, Squaring};
use mflag_store::{Record, Result, Shard, StoreFiles, read_json};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Options;
use super::film::{self, BadFilm, PreparedFilm};

/// What a shard contains. The preparation writes this into a file of its own after the shard; the
/// file marks the shard as complete.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ShardContent {
    pub(super) shard: Shard,
    /// The films in the shard.
    pub(super) films: Vec<PreparedFilm>,
    /// The films that could not be prepared.
    pub(super) bad: Vec<BadFilm>,
}

/// Prepares `records` as the shard `number`, unless an earlier preparation has completed the shard.
pub(super) fn prepare(
    files: &StoreFiles,
    number: usize,
    records: &[Record],
    options: &Options,
    progress: &Progress,
) -> Result<ShardContent> {
    let content_file = files.shard_content(number);
    if content_file.exists() {
        progress.resume_at(records.len() as u64);
        return read_json(&content_file);
    }
    let prepared: Vec<_> = records
        .par_iter()
        .map(|record| {
            let prepared = film::prepare(record, options);
            progress.inc(1);
            prepared
        })
        .collect();
    let (mut films, mut squares, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    for film in prepared {
        match film {
            Ok((film, square)) => {
                films.push(film);
                squares.push(square);
            }
            Err(film) => bad.push(film),
        }
    }
    let file = files.shard(number);
    write(&file, &squares, options.squaring)?;
    let shard = Shard {
        films: films.len(),
        blake3: digest::file(&file)?,
    };
    let content = ShardContent { shard, films, bad };
    atomic::write_json(&content_file, &content)?;
    Ok(content)
}

/// Writes the squares as an npy file.
fn write(path: &Path, squares: &[Greys], squaring: Squaring) -> Result<()> {
    let side = u64::from(squaring.side);
    let header = npy::Header {
        values: match squaring.depth {
            Depth::Eight => npy::Values::U8,
            Depth::Sixteen => npy::Values::U16,
        },
        shape: vec![squares.len() as u64, 1, side, side],
    };
    let write = |file: &mut dyn Write| {
        file.write_all(&header.bytes())?;
        squares.iter().try_for_each(|square| match square {
            Greys::Eight(greys) => file.write_all(greys),
            Greys::Sixteen(greys) => file.write_all(bytemuck::cast_slice(greys)),
        })
    };
    Ok(atomic::write(path, write)?)
}
