//! The run folder, which holds everything about one training run.
//!
//! ```text
//! <run>/config.yaml         the effective configuration, defaults included
//! <run>/provenance.json     versions, git state, command line, digests of what was read
//! <run>/metrics.jsonl       metrics of training and validation (also as TensorBoard events)
//! <run>/last.safetensors    the checkpoint to resume from
//! <run>/best.safetensors    the best model
//! <run>/model.safetensors   the trained model of a head
//! ```
//!
//! `config.yaml` and `provenance.json` are written before training begins and never change.

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
/// The file of all metrics, one JSON object per line: `kind` (`train` or `validation`), `step`,
/// `epoch` and the values. Values can be lists; values that are not finite are `null`.
pub const METRICS: &str = "metrics.jsonl";

/// The latest checkpoint of a run, from which it resumes.
pub const LAST: &str = "last.safetensors";
/// The model at the best value of the monitored metric: a checkpoint with only the `model` part.
pub const BEST: &str = "best.safetensors";
/// The trained model of a head, with all that evaluation and prediction need.
pub const MODEL: &str = "model.safetensors";

/// The provenance of a run: what its results depend on besides the configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of mflag.
    pub mflag: String,
    /// Versions of the libraries that results depend on, such as libtorch.
    pub libraries: BTreeMap<String, String>,
    /// Commit of the git checkout in which the program was started, with `-dirty` if files differ.
    /// `None` outside a checkout.
    pub git: Option<String>,
    /// The command line.
    pub command: Vec<String>,
    /// When the program was started, in seconds since 1970 (UTC).
    pub started: u64,
    /// Number of processors of the machine.
    pub processors: usize,
    /// What the network sees of the films, in words. `None` in runs of older versions.
    #[serde(default)]
    pub view: Option<String>,
    /// BLAKE3 digests of the files that the run reads, by their role, such as `store`.
    pub digests: BTreeMap<String, String>,
}

impl Provenance {
    /// The provenance of a run that this process begins now.
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
            view: None,
            digests: owned(digests),
        }
    }

    /// Reads the provenance of the run in the folder `path`.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub fn read(path: &Path) -> Result<Provenance> {
        let file = path.join(PROVENANCE);
        let text = std::fs::read_to_string(&file).map_err(|e| Error::io("read", &file, e))?;
        serde_json::from_str(&text).map_err(|e| Error::Run {
            path: file,
            reason: format!("is damaged ({e}); restore it from a copy, or start a new run"),
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

/// The folder of a run.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
    /// Keeps other programs from training in the folder.
    _lock: Option<Arc<File>>,
}

impl RunFolder {
    /// Whether the folder `path` holds a run.
    pub fn exists(path: &Path) -> bool {
        path.join(CONFIG).exists()
    }

    /// Checks that a new run can be created in the folder `path`.
    ///
    /// # Errors
    /// If the folder holds a run.
    pub fn check_free(path: &Path) -> Result<()> {
        if !RunFolder::exists(path) {
            return Ok(());
        }
        let reason = "already holds a run: resume it with --resume, or choose another folder";
        Err(Error::Run {
            path: path.to_owned(),
            reason: reason.into(),
        })
    }

    /// Creates a run in the folder `path`: writes its configuration and provenance. No other
    /// program can train in the folder until the returned value is dropped.
    ///
    /// # Errors
    /// If the folder holds a run, is in use by another program, or cannot be written.
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
        // The run exists once this file exists, so it is written last.
        atomic::write(&run.file(CONFIG), |f| f.write_all(yaml.as_bytes()))?;
        Ok(run)
    }

    /// Opens the run in the folder `path` to resume it. No other program can train in the folder
    /// until the returned value is dropped.
    ///
    /// # Errors
    /// As [`RunFolder::open`], or if the folder is in use by another program.
    pub fn resume<T: Config>(path: &Path) -> Result<(RunFolder, T)> {
        let (mut run, config) = RunFolder::open(path)?;
        run._lock = Some(Arc::new(atomic::lock(path)?));
        Ok((run, config))
    }

    /// Opens the run in the folder `path` to read it. Returns the folder and the configuration.
    ///
    /// # Errors
    /// If the folder holds no run, or its configuration cannot be read.
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
                reason: "is empty: restore it from a copy, or start a new run".into(),
            });
        }
        let config = config::from_yaml(&text, &file)?;
        Ok((run, config))
    }

    /// The configuration of the run in the folder `path`, unchecked, for a program that does not
    /// know the kind of run.
    ///
    /// # Errors
    /// If the configuration cannot be read.
    pub fn stated(path: &Path) -> Result<Value> {
        config::stated(&path.join(CONFIG), &[])
    }

    /// Checks that an input of the run has not changed since the run began.
    ///
    /// # Errors
    /// If `digest` differs from the digest of `role` in the run's provenance, or the provenance has
    /// none, or cannot be read.
    pub fn same_digest(&self, role: &str, digest: &str) -> Result<()> {
        let reason = match self.provenance()?.digests.get(role) {
            Some(recorded) if recorded == digest => return Ok(()),
            Some(_) => format!(
                "the {role} is not the one that the run began with: restore the original, or \
                 start a new run"
            ),
            None => format!(
                "{PROVENANCE} has no digest of the {role} (an older version wrote it), so it \
                 cannot be compared: start a new run"
            ),
        };
        Err(Error::Run {
            path: self.path.clone(),
            reason,
        })
    }

    /// The provenance of the run.
    ///
    /// # Errors
    /// As [`Provenance::read`].
    pub fn provenance(&self) -> Result<Provenance> {
        Provenance::read(&self.path)
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the file `name` in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// The keys whose values differ between two configurations, as `key: old → new`.
///
/// # Errors
/// If a configuration has no JSON form.
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
    fn a_run_is_created_once_and_then_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runs/one");
        let provenance =
            Provenance::collect(&[("libtorch", "2".into())], &[("store", "abc".into())]);
        RunFolder::create(&path, &Toy { epochs: 3, seed: 1 }, &provenance).unwrap();
        let again = RunFolder::create(&path, &Toy::default(), &provenance).unwrap_err();
        assert!(again.to_string().contains("--resume"), "{again}");
        let (in_use, _) = RunFolder::resume::<Toy>(&path).unwrap();
        let second = RunFolder::resume::<Toy>(&path).unwrap_err();
        assert!(second.to_string().contains("in use"), "{second}");
        drop(in_use);
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
