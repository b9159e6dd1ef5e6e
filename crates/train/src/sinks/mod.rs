//! The metric files: `metrics.jsonl` and TensorBoard events.

mod tensorboard;

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use mflag_core::run::METRICS;
use serde_json::{Map, Value, json};

use crate::error::Result;
use tensorboard::Events;

/// The open metric files. A `Sinks::default()` has no files and ignores what is written.
#[derive(Debug, Default)]
pub(crate) struct Sinks {
    files: Option<Files>,
}

#[derive(Debug)]
struct Files {
    path: PathBuf,
    lines: File,
    bytes: u64,
    events: Events,
}

/// The complete lines within the first `keep` bytes. In a file that was truncated, they are shorter
/// than `keep`, and writing continues after the last complete line.
fn whole_lines(lines: &mut File, keep: u64) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    lines.take(keep).read_to_end(&mut kept)?;
    let end = kept.iter().rposition(|byte| *byte == b'\n');
    kept.truncate(end.map_or(0, |end| end + 1));
    Ok(kept)
}

/// Warns that `path` has lost lines since the checkpoint after `step` steps: it has only `kept`.
fn tell_lost_lines(path: &Path, kept: &[u8], step: u64) {
    let last = kept
        .split(|byte| *byte == b'\n')
        .rfind(|line| !line.is_empty());
    let last = last.and_then(|line| serde_json::from_slice::<Value>(line).ok());
    let after = last.map_or("are all lost".to_owned(), |line| {
        format!("after step {} are lost", line["step"])
    });
    tracing::warn!(
        "{}: the file was cut, and its lines {after}, up to step {step} of the checkpoint. The \
         training goes on unharmed, but charts and tables have a gap; if you have a copy of the \
         file, stop now, restore it and resume again",
        path.display()
    );
}

impl Sinks {
    /// Opens the files in `folder` after `step` steps. Removes the lines after the first `keep`
    /// bytes: a run that was killed wrote them after its last checkpoint.
    pub(crate) fn open(folder: &Path, keep: u64, step: u64) -> Result<Sinks> {
        let path = folder.join(METRICS);
        let open = || {
            if path.exists() {
                mflag_input::check(&path)?;
            }
            let mut lines = OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path)?;
            let kept = whole_lines(&mut lines, keep)?;
            let bytes = kept.len() as u64;
            if bytes < keep {
                tell_lost_lines(&path, &kept, step);
            }
            lines.set_len(bytes)?;
            lines.seek(SeekFrom::Start(bytes))?;
            Ok((lines, bytes))
        };
        let (lines, bytes) = open().map_err(|e| mflag_core::Error::io("write", &path, e))?;
        let events = Events::create(folder, step)?;
        Ok(Sinks {
            files: Some(Files {
                path,
                lines,
                bytes,
                events,
            }),
        })
    }

    /// Writes one line with the metrics and with the curves `series`, and one event with the
    /// metrics. Returns the new length of `metrics.jsonl`.
    pub(crate) fn write(
        &mut self,
        kind: &str,
        step: u64,
        epoch: usize,
        metrics: &[(String, f64)],
        series: &[(String, Vec<[f64; 2]>)],
    ) -> Result<u64> {
        let Some(files) = &mut self.files else {
            return Ok(0);
        };
        let mut object = Map::from_iter([
            ("kind".to_owned(), json!(kind)),
            ("step".to_owned(), json!(step)),
        ]);
        object.insert("epoch".to_owned(), json!(epoch));
        for (name, value) in metrics {
            object.insert(name.clone(), json!(value));
        }
        for (name, points) in series {
            object.insert(name.clone(), json!(points));
        }
        let line = format!("{}\n", Value::Object(object));
        let written = files.lines.write_all(line.as_bytes());
        written.map_err(|e| mflag_core::Error::io("write", &files.path, e))?;
        files.bytes += line.len() as u64;
        files.events.scalars(kind, step, metrics)?;
        Ok(files.bytes)
    }

    /// Flushes `metrics.jsonl` to disk.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if let Some(files) = &mut self.files {
            let synced = files.lines.sync_data();
            synced.map_err(|e| mflag_core::Error::io("write", &files.path, e))?;
        }
        Ok(())
    }
}
