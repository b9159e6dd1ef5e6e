//! The run folder, which holds everything about one training run.
//!
//! ```text
//! <run>/config.yaml         the effective configuration, defaults included
//! <run>/provenance.json     versions, commits, command lines, digests of what was read
//! <run>/metrics.jsonl       metrics of training and validation (also as TensorBoard events)
//! <run>/last.safetensors    the checkpoint to resume from
//! <run>/best.safetensors    the best model
//! <run>/model.safetensors   the trained model of a head
//! ```
//!
//! `config.yaml` and `provenance.json` are written before training begins. They change only when
//! the run is resumed: `provenance.json` then lists one more session, and `config.yaml` gets the
//! changes that the session asked for ([`crate::resume`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mflag_input::{CONFIGURATION, JSON};
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
    /// Commit of mflag's checkout from which the program was built, with `-dirty` if its sources
    /// differed. `None` if it was built outside a checkout; `mflag` then says all that is known.
    pub git: Option<String>,
    /// Commit of the checkout that holds the folder in which the program was started, with `-dirty`
    /// if files differed. `None` outside a checkout.
    pub working_dir_git: Option<String>,
    /// The command line.
    pub command: Vec<String>,
    /// When the program was started, in seconds since 1970 (UTC).
    pub started: u64,
    /// Number of processors of the machine.
    pub processors: usize,
    /// Number of processes that began the run together. `None` for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world_size: Option<usize>,
    /// What the network sees of the films, in words. `None` in runs of older versions.
    #[serde(default)]
    pub view: Option<String>,
    /// BLAKE3 digests of the files that the run reads, by their role, such as `store`.
    pub digests: BTreeMap<String, String>,
    /// The later sessions, each begun by `--resume`.
    #[serde(default)]
    pub resumed: Vec<Session>,
}

/// A session that resumed a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// As [`Provenance::mflag`].
    pub mflag: String,
    /// As [`Provenance::git`].
    pub git: Option<String>,
    /// The command line.
    pub command: Vec<String>,
    /// When the program was started, in seconds since 1970 (UTC).
    pub started: u64,
    /// As [`Provenance::world_size`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world_size: Option<usize>,
    /// The changes of the configuration, each as `key: old → new`.
    pub changes: Vec<String>,
}

impl Session {
    /// A session that this process, built from the commit `git`, begins now.
    pub fn begin(git: Option<&str>, changes: Vec<String>) -> Session {
        Session {
            mflag: VERSION.to_owned(),
            git: git.map(str::to_owned),
            command: command_line(),
            started: seconds_since_1970(),
            world_size: None,
            changes,
        }
    }
}

impl Provenance {
    /// The provenance of a run that this process begins now. `git` is the commit from which the
    /// program was built.
    pub fn collect(
        git: Option<&str>,
        libraries: &[(&str, String)],
        digests: &[(&str, String)],
    ) -> Provenance {
        let owned = |pairs: &[(&str, String)]| {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.clone()))
                .collect()
        };
        Provenance {
            mflag: VERSION.to_owned(),
            libraries: owned(libraries),
            git: git.map(str::to_owned),
            working_dir_git: working_dir_git(),
            command: command_line(),
            started: seconds_since_1970(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            world_size: None,
            view: None,
            digests: owned(digests),
            resumed: Vec::new(),
        }
    }

    /// Reads the provenance of the run in the folder `path`. Versions of mflag that did not know
    /// their own commit wrote that of the working folder as `git`; it is read as what it is.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub fn read(path: &Path) -> Result<Provenance> {
        let file = path.join(PROVENANCE);
        let text = mflag_input::read_text(&file, &JSON).map_err(|e| Error::io("read", &file, e))?;
        let parse = || {
            let mut value: Value = serde_json::from_str(&text)?;
            if let Some(map) = value.as_object_mut()
                && !map.contains_key(WORKING_DIR_GIT)
            {
                let git = map.insert("git".to_owned(), Value::Null);
                map.insert(WORKING_DIR_GIT.to_owned(), git.unwrap_or_default());
            }
            serde_json::from_value(value)
        };
        parse().map_err(|e: serde_json::Error| Error::Run {
            path: file,
            reason: format!("is damaged ({e}); restore it from a copy, or start a new run"),
        })
    }
}

/// The key of [`Provenance::working_dir_git`].
const WORKING_DIR_GIT: &str = "working_dir_git";

/// The version of mflag.
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn command_line() -> Vec<String> {
    std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect()
}

fn seconds_since_1970() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

fn working_dir_git() -> Option<String> {
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
        // The run exists once this file exists, so it is written last.
        run.write_config(config)?;
        Ok(run)
    }

    fn write_config<T: Serialize>(&self, config: &T) -> Result<()> {
        let yaml = config::to_yaml(config)?;
        atomic::write(&self.file(CONFIG), |f| f.write_all(yaml.as_bytes()))
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

    /// Records `session` in the provenance and, if it changes the configuration, keeps `config` as
    /// the run's configuration.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn begin_session<T: Serialize>(&self, session: Session, config: &T) -> Result<()> {
        let changed = !session.changes.is_empty();
        let mut provenance = self.provenance()?;
        provenance.resumed.push(session);
        atomic::write_json(&self.file(PROVENANCE), &provenance)?;
        if changed {
            self.write_config(config)?;
        }
        Ok(())
    }

    /// The folder of a run that another process writes. Nothing is read or locked.
    pub fn of_another(path: &Path) -> RunFolder {
        RunFolder {
            path: path.to_owned(),
            _lock: None,
        }
    }

    /// Opens the run in the folder `path` to read it. Returns the folder and the configuration.
    ///
    /// # Errors
    /// If the folder holds no run, or its configuration cannot be read.
    pub fn open<T: Config>(path: &Path) -> Result<(RunFolder, T)> {
        let run = RunFolder::of_another(path);
        if !RunFolder::exists(path) {
            let reason = "holds no run (it has no config.yaml): check the path".into();
            return Err(Error::Run {
                path: path.to_owned(),
                reason,
            });
        }
        let config = run.config(&[])?;
        Ok((run, config))
    }

    /// The run's configuration, with the overrides `sets` (`a.b=value`).
    ///
    /// # Errors
    /// If the configuration cannot be read, or has errors.
    pub fn config<T: Config>(&self, sets: &[String]) -> Result<T> {
        let file = self.file(CONFIG);
        let text = RunFolder::config_text(&self.path)?;
        if text.trim().is_empty() {
            return Err(Error::Run {
                path: file,
                reason: "is empty: restore it from a copy, or start a new run".into(),
            });
        }
        config::from_yaml_with(&text, &file, sets)
    }

    /// The text of the configuration of the run in the folder `path`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn config_text(path: &Path) -> Result<String> {
        let file = path.join(CONFIG);
        mflag_input::read_text(&file, &CONFIGURATION).map_err(|e| Error::io("read", &file, e))
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
                "the {role} is not the one that the run began with: restore the original; if it \
                 lies elsewhere, name its place by --resume --set {}=PLACE; or start a new run",
                place_of(role)
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

/// The key of the configuration that names the place of an input.
fn place_of(role: &str) -> &'static str {
    match role {
        "store" => "data.store",
        "encoder" => "encoder.weights",
        _ => "text.model",
    }
}

/// A key whose value differs between two configurations. Shown as `key: old → new`.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The key, such as `train.epochs`.
    pub key: String,
    /// The old value; null if the key is absent.
    pub old: Value,
    /// The new value; null if the key is absent.
    pub new: Value,
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} → {}", self.key, self.old, self.new)
    }
}

/// The keys whose values differ between two configurations.
///
/// # Errors
/// If a configuration has no JSON form.
pub fn differences<T: Serialize>(old: &T, new: &T) -> Result<Vec<Difference>> {
    let json = |v: &T| serde_json::to_value(v).map_err(|e| Error::Internal(e.to_string()));
    let (old, new) = (json(old)?, json(new)?);
    let (old, new) = (config::dotted_keys(&old), config::dotted_keys(&new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let difference = |key: &String| {
        let value = |config: &BTreeMap<String, &Value>| {
            config.get(key).map_or(Value::Null, |v| (*v).clone())
        };
        let (old, new) = (value(&old), value(&new));
        (old != new).then(|| Difference {
            key: key.clone(),
            old,
            new,
        })
    };
    Ok(keys.into_iter().filter_map(difference).collect())
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
        let libraries = [("libtorch", "2".into())];
        let provenance = Provenance::collect(Some("c1"), &libraries, &[("store", "abc".into())]);
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
            changed.to_string().contains("the store is not the one")
                && changed.to_string().contains("--set data.store=PLACE"),
            "{changed}"
        );
        let unknown = run.same_digest("encoder", "abc").unwrap_err();
        assert!(unknown.to_string().contains("no digest"), "{unknown}");
        let none = RunFolder::open::<Toy>(dir.path()).unwrap_err();
        assert!(none.to_string().contains("holds no run"), "{none}");
    }

    #[test]
    fn each_session_is_recorded_and_may_change_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let provenance = Provenance::collect(Some("c1"), &[], &[]);
        let run = RunFolder::create(&path, &Toy { epochs: 3, seed: 1 }, &provenance).unwrap();
        let longer = run.config::<Toy>(&["epochs=5".to_owned()]).unwrap();
        assert_eq!((longer.epochs, longer.seed), (5, 1));
        let changes = vec!["epochs: 3 → 5".to_owned()];
        run.begin_session(Session::begin(Some("c2"), changes.clone()), &longer)
            .unwrap();
        run.begin_session(Session::begin(Some("c3"), vec![]), &Toy::default())
            .unwrap();
        assert_eq!(run.config::<Toy>(&[]).unwrap().epochs, 5);
        let provenance = run.provenance().unwrap();
        assert_eq!(provenance.git.as_deref(), Some("c1"));
        let commits = provenance.resumed.iter().map(|s| s.git.as_deref());
        assert_eq!(commits.collect::<Vec<_>>(), [Some("c2"), Some("c3")]);
        assert_eq!(provenance.resumed[0].changes, changes);
    }

    #[test]
    fn an_old_provenance_names_the_working_folder() {
        let dir = tempfile::tempdir().unwrap();
        let old = r#"{"mflag": "0.1.0", "libraries": {}, "git": "f00-dirty", "command": [],
            "started": 1, "processors": 2, "digests": {}}"#;
        std::fs::write(dir.path().join(PROVENANCE), old).unwrap();
        let read = Provenance::read(dir.path()).unwrap();
        assert_eq!(read.git, None, "the commit of the build is unknown");
        assert_eq!(read.working_dir_git.as_deref(), Some("f00-dirty"));
    }

    #[test]
    fn differences_are_named() {
        let differences = |old: &Value, new: &Value| -> Vec<String> {
            let found = super::differences(old, new).unwrap();
            found.iter().map(ToString::to_string).collect()
        };
        let toy = |epochs| serde_json::to_value(Toy { epochs, seed: 1 }).unwrap();
        let lines = differences(&toy(3), &toy(4));
        assert_eq!(lines, ["epochs: 3 → 4"]);
        let old = serde_json::json!({"a": {"b": 1, "c": {}}, "d": null});
        let new = serde_json::json!({"a": {"b": 1}, "e": {"f": "x"}});
        let lines = differences(&old, &new);
        assert_eq!(lines, ["a.c: {} → null", "e.f: null → \"x\""]);
    }
}
