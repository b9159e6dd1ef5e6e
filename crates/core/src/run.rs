//! The run folder: all that a run was. What it depends on is written before its first step.
//!
//! ```text
//! <run>/config.yaml        the effective configuration
//! <run>/provenance.json    versions, git state, command line, data digests
//! <run>/metrics.jsonl, events.out.tfevents.*, last.safetensors, …    by the program
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{self, Config};
use crate::{Error, Result, atomic};

const CONFIG: &str = "config.yaml";
const PROVENANCE: &str = "provenance.json";
/// The file of all metrics, one JSON object a line: `kind` (`train` or `validation`), `step`, `epoch`, and the values, of which some may
/// be lists; a value that is not finite is `null`.
pub const METRICS: &str = "metrics.jsonl";

/// The newest state of a run, which a resumed run goes on from.
pub const LAST: &str = "last.safetensors";
/// The model as it was at the best value of the monitored metric: the `model` part alone.
pub const BEST: &str = "best.safetensors";
/// What a run of a head leaves at its end: all that judging and prediction need.
pub const MODEL: &str = "model.safetensors";

/// Where a run came from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of mflag.
    pub mflag: String,
    /// Versions of the libraries that numbers depend on, such as libtorch.
    pub libraries: BTreeMap<String, String>,
    /// Commit of the checkout the program was started in, with `-dirty` where files differ; absent elsewhere.
    pub git: Option<String>,
    /// The command line.
    pub command: Vec<String>,
    /// Seconds since 1970, UTC.
    pub started: u64,
    /// Processors of the machine.
    pub processors: usize,
    /// BLAKE3 of what was read, by role, such as `store`.
    pub digests: BTreeMap<String, String>,
}

impl Provenance {
    /// Of this process, now.
    pub fn collect(libraries: &[(&str, String)], digests: &[(&str, String)]) -> Provenance {
        let owned = |pairs: &[(&str, String)]| {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.clone()))
                .collect()
        };
        Provenance {
            mflag: env!("CARGO_PKG_VERSION").to_owned(),
            libraries: owned(libraries),
            git: git_state(),
            command: std::env::args_os()
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect(),
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| d.as_secs()),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            digests: owned(digests),
        }
    }

    /// That of the run in `path`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: &Path) -> Result<Provenance> {
        let file = path.join(PROVENANCE);
        let text = std::fs::read_to_string(&file).map_err(|e| Error::io("read", &file, e))?;
        serde_json::from_str(&text).map_err(|e| Error::Run {
            path: file,
            reason: format!("is damaged ({e}); bring it back from a copy, or start a new run"),
        })
    }
}

fn git_state() -> Option<String> {
    let args = [
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ];
    let output = Command::new("git")
        .args(args)
        .output()
        .ok()
        .filter(|o| o.status.success())?;
    String::from_utf8(output.stdout)
        .ok()
        .map(|s| s.trim().to_owned())
}

/// A folder that holds one run.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
    /// Of a run that is at work.
    _lock: Option<Arc<File>>,
}

impl RunFolder {
    /// Whether there is a run in `path`.
    pub fn exists(path: &Path) -> bool {
        path.join(CONFIG).exists()
    }

    /// Makes sure that a new run may be made in `path`.
    ///
    /// # Errors
    /// If a run is there already.
    pub fn check_free(path: &Path) -> Result<()> {
        if !RunFolder::exists(path) {
            return Ok(());
        }
        let reason = "holds a run already: go on with it by --resume, or name another folder";
        Err(Error::Run {
            path: path.to_owned(),
            reason: reason.into(),
        })
    }

    /// A new run in `path`, with its configuration and provenance written; no other program trains there while it lives.
    ///
    /// # Errors
    /// If a run is there already, another program is at work in the folder, or it cannot be written.
    pub fn create<T: Serialize>(
        path: &Path,
        config: &T,
        provenance: &Provenance,
    ) -> Result<RunFolder> {
        std::fs::create_dir_all(path).map_err(|e| Error::io("create", path, e))?;
        let run = RunFolder {
            path: path.to_owned(),
            _lock: Some(Arc::new(atomic::lock(path)?)),
        };
        RunFolder::check_free(path)?;
        atomic::write_json(&run.file(PROVENANCE), provenance)?;
        let yaml = config::to_yaml(config)?;
        // Last: with it, the run exists.
        atomic::write(&run.file(CONFIG), |f| f.write_all(yaml.as_bytes()))?;
        Ok(run)
    }

    /// As [`RunFolder::open`], to go on with the run: no other program trains there while it lives.
    ///
    /// # Errors
    /// Those of [`RunFolder::open`], or if another program is at work in the folder.
    pub fn resume<T: Config>(path: &Path) -> Result<(RunFolder, T)> {
        let (mut run, config) = RunFolder::open(path)?;
        run._lock = Some(Arc::new(atomic::lock(path)?));
        Ok((run, config))
    }

    /// The run in `path` and its configuration, to read.
    ///
    /// # Errors
    /// If there is none, or its configuration cannot be read.
    pub fn open<T: Config>(path: &Path) -> Result<(RunFolder, T)> {
        let run = RunFolder {
            path: path.to_owned(),
            _lock: None,
        };
        if !RunFolder::exists(path) {
            let reason = "holds no run (it has no config.yaml): check the path".into();
            return Err(Error::Run {
                path: path.to_owned(),
                reason,
            });
        }
        let file = run.file(CONFIG);
        let text = std::fs::read_to_string(&file).map_err(|e| Error::io("read", &file, e))?;
        if text.trim().is_empty() {
            return Err(Error::Run {
                path: file,
                reason: "is empty: bring it back from a copy, or start a new run".into(),
            });
        }
        let config = config::from_yaml(&text, &file)?;
        Ok((run, config))
    }

    /// The configuration of the run in `path`, unchecked: what a program reads that knows no head.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn stated(path: &Path) -> Result<Value> {
        config::stated(&path.join(CONFIG), &[])
    }

    /// Makes sure that what the run reads is what it read when it began.
    ///
    /// # Errors
    /// If the digest in the run's provenance is another, or the provenance cannot be read.
    pub fn same_digest(&self, role: &str, digest: &str) -> Result<()> {
        let reason = match self.provenance()?.digests.get(role) {
            Some(began) if began == digest => return Ok(()),
            Some(_) => format!(
                "the {role} is not the one that the run began with: bring that back, or start a new run"
            ),
            None => format!(
                "{PROVENANCE} has no digest of the {role}, as of an older version, so that nobody knows whether it is the same: start a new run"
            ),
        };
        Err(Error::Run {
            path: self.path.clone(),
            reason,
        })
    }

    /// Where the run came from.
    ///
    /// # Errors
    /// Those of [`Provenance::read`].
    pub fn provenance(&self) -> Result<Provenance> {
        Provenance::read(&self.path)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// The keys whose values differ between two configurations, as `key: old → new`.
///
/// # Errors
/// If a configuration cannot be written as JSON.
pub fn differences<T: Serialize>(old: &T, new: &T) -> Result<Vec<String>> {
    let json = |v: &T| serde_json::to_value(v).map_err(|e| Error::config(e.to_string()));
    let (old, new) = (json(old)?, json(new)?);
    let (old, new) = (config::dotted_keys(&old), config::dotted_keys(&new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let line = |key: &String| {
        let value = |config: &BTreeMap<String, &Value>| {
            config.get(key).map_or(Value::Null, |v| (*v).clone())
        };
        let (old, new) = (value(&old), value(&new));
        (old != new).then(|| format!("{key}: {old} → {new}"))
    };
    Ok(keys.into_iter().filter_map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;

    #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Toy {
        epochs: u32,
        seed: u64,
    }
    impl Config for Toy {}

    #[test]
    fn a_run_is_created_once_and_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runs/one");
        let provenance =
            Provenance::collect(&[("libtorch", "2".into())], &[("store", "abc".into())]);
        RunFolder::create(&path, &Toy { epochs: 3, seed: 1 }, &provenance).unwrap();
        let again = RunFolder::create(&path, &Toy::default(), &provenance).unwrap_err();
        assert!(again.to_string().contains("--resume"), "{again}");
        let (at_work, _) = RunFolder::resume::<Toy>(&path).unwrap();
        let second = RunFolder::resume::<Toy>(&path).unwrap_err();
        assert!(second.to_string().contains("at work"), "{second}");
        drop(at_work);
        let (run, toy) = RunFolder::open::<Toy>(&path).unwrap();
        assert_eq!((run.path(), toy.epochs), (path.as_path(), 3));
        run.same_digest("store", "abc").unwrap();
        let changed = run.same_digest("store", "abd").unwrap_err();
        assert!(
            changed.to_string().contains("the store is not the one"),
            "{changed}"
        );
        let unknown = run.same_digest("encoder", "abc").unwrap_err();
        assert!(unknown.to_string().contains("no digest"), "{unknown}");
        let none = RunFolder::open::<Toy>(dir.path()).unwrap_err();
        assert!(none.to_string().contains("holds no run"), "{none}");
    }

    #[test]
    fn differences_are_named() {
        let lines = differences(&Toy { epochs: 3, seed: 1 }, &Toy { epochs: 4, seed: 1 }).unwrap();
        assert_eq!(lines, ["epochs: 3 → 4"]);
        let old = serde_json::json!({"a": {"b": 1, "c": {}}, "d": null});
        let new = serde_json::json!({"a": {"b": 1}, "e": {"f": "x"}});
        let lines = differences(&old, &new).unwrap();
        assert_eq!(lines, ["a.c: {} → null", "e.f: null → \"x\""]);
    }
}
