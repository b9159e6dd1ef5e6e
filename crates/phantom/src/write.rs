//! Writes a phantom: marks the folder as its own, draws the films in parallel, then writes the
//! tables.

use std::io;
use std::path::Path;

use mflag_core::atomic;
use mflag_core::progress::Progress;
use mflag_input::JSON;
use mflag_store::{Error, Result};
use rayon::prelude::*;
use serde::Serialize;

use crate::case::Case;
use crate::entry::{Entry, Summary};
use crate::layouts::Layout;
use crate::options::Options;

/// The file that says which phantom the folder holds. It is written first.
const MARKER: &str = "phantom.json";
/// The file with the findings of each film. It is written last, so a folder that has it is
/// complete.
const FINDINGS: &str = "phantom.jsonl";
/// Version of the phantoms' bytes. Raise it with every change to them.
const FORMAT: u32 = 1;

/// Writes the phantom into `out`, on rayon's current thread pool: films and tables in the data
/// set's layout, and `phantom.jsonl` with one line per film that lists its findings.
///
/// If a run was killed, the same call completes its folder. A complete folder stays as it is.
///
/// # Errors
/// If an option is out of range, if `out` holds anything other than this phantom, or if a file
/// cannot be written.
pub fn write(out: &Path, options: &Options) -> Result<Summary> {
    options.check()?;
    let summary = Summary::new(options);
    claim(out, options)?;
    if out.join(FINDINGS).exists() {
        tracing::info!("{}: this phantom is already complete", out.display());
    } else {
        options.layout.write(out, options)?;
    }
    Ok(summary)
}

/// Writes the films, then the tables, then `phantom.jsonl`.
///
/// Films are not written atomically. This is safe: a reader finds no film without the tables, and a
/// run that continues writes all films again.
///
/// # Errors
/// If a film or a table cannot be written.
pub fn write_films<L: Layout>(layout: &L, out: &Path, options: &Options) -> Result<()> {
    let progress = Progress::new("phantom", options.films as u64, "films");
    let entry = |index| {
        let case = Case::new(layout, options.seed, index, options.side);
        let written = layout.film(out, options, &case)?;
        progress.inc(1);
        Ok(Entry::new(index, case, written))
    };
    let indices = (0..options.films as u64).into_par_iter();
    let entries: Vec<Entry<L::Written>> = indices.map(entry).collect::<Result<_>>()?;
    layout.tables(out, &entries)?;
    atomic::write(&out.join(FINDINGS), |file| {
        for entry in &entries {
            serde_json::to_writer(&mut *file, entry)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })?;
    progress.finish();
    Ok(())
}

#[derive(Serialize)]
struct Marker<'a> {
    format: u32,
    #[serde(flatten)]
    options: &'a Options,
}

/// Creates `out` and its marker. If the folder exists, it must be empty or hold this phantom.
fn claim(out: &Path, options: &Options) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|e| Error::io("create", out, e))?;
    let path = out.join(MARKER);
    let marker = serde_json::to_string_pretty(&Marker {
        format: FORMAT,
        options,
    })
    .map_err(|e| Error::file(&path, e.to_string()))?;
    match mflag_input::read_text(&path, &JSON) {
        Ok(found) if found.trim_end() == marker => return Ok(()),
        Ok(found) => {
            let reason = format!(
                "the folder holds another phantom, {}; choose another folder or remove this one",
                found.split_whitespace().collect::<Vec<_>>().join(" ")
            );
            return Err(Error::file(out, reason));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(Error::io("read", &path, e)),
    }
    if has_files(out)? {
        return Err(Error::file(
            out,
            "the folder is not empty and holds no phantom; choose another folder",
        ));
    }
    Ok(atomic::write(&path, |f| writeln!(f, "{marker}"))?)
}

/// Whether a folder has files. Hidden files do not count: a run that is killed while it writes the
/// marker leaves one.
fn has_files(folder: &Path) -> Result<bool> {
    let files = std::fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))?;
    let is_visible = |name: &std::ffi::OsStr| !name.as_encoded_bytes().starts_with(b".");
    Ok(files.flatten().any(|file| is_visible(&file.file_name())))
}
