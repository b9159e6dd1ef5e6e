//! A run of a program, and its record. The record and the log lie beside the run folder:
//!
//! ```text
//! <folder>/           the run folder, written by the program
//! <folder>.job.json   configuration, digests of the inputs, seconds so far, whether it is finished
//! <folder>.log        what the program printed; locked while the run is claimed
//! ```

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use mflag_core::config::{self, dotted_keys};
use mflag_core::run::{BEST, Difference, LAST, MODEL, RunFolder, differences};
use mflag_core::{Error, Result, atomic};
use mflag_input::JSON;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Overrides;

/// Extension of the record.
const RECORD: &str = "job.json";
/// Version of the record. Older ones were written when views were cut out of the stored square.
const FORMAT: u32 = 1;

/// A run, as an experiment specifies it.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// The run folder, relative to the folder of the experiment's runs, such as
    /// `chexpert/m-flag/1-seed-0`.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// The program's binary.
    pub program: &'static str,
    /// The program's configuration.
    pub config: PathBuf,
    /// Values that replace those of the configuration, each `key=value`.
    pub sets: Vec<String>,
    /// The run folder.
    pub folder: PathBuf,
}

/// A run that an experiment needs.
#[derive(Debug, Clone)]
pub struct Job {
    /// The run.
    pub spec: JobSpec,
    /// Film passes: training films times epochs. A run that stops early has fewer. `None` if the
    /// store is missing, or the configuration states no number of epochs.
    pub passes: Option<u64>,
    stored: StoredSpec,
    record: Option<JobRecord>,
}

/// The part of a specification that a record keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StoredSpec {
    /// The values that the configuration states.
    config: Value,
    /// Digests of the inputs by role, without those that are missing.
    inputs: BTreeMap<String, String>,
}

/// The record of a run that was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct JobRecord {
    /// [`FORMAT`]; 0 in records of older versions.
    #[serde(default)]
    format: u32,
    /// The specification at the start.
    #[serde(flatten)]
    spec: StoredSpec,
    /// Wall time so far.
    seconds: f64,
    finished: bool,
    /// The exit code, if the program failed when it ran last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<i32>,
}

/// A run that this process alone may work on. It ends when this value is dropped and the program
/// that writes the log has ended, also if they are killed.
#[derive(Debug)]
pub struct Claim {
    /// The log, locked.
    pub(crate) log: File,
}

/// The keys of inputs that may lie elsewhere than at the start, with the roles of their digests.
const PLACES: [(&str, &str); 2] = [("data.store", "store"), ("encoder.weights", "encoder")];

/// The state of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobState {
    /// Not begun: never started, or refused before there was a run.
    Missing,
    /// Started but not finished. It can be resumed.
    Started,
    /// Finished after this many seconds.
    Done(f64),
    /// Started or finished with another specification. Lists the differences.
    Changed(Vec<String>),
}

impl Job {
    /// A job whose configuration states the values `config`. Reads its record.
    ///
    /// # Errors
    /// If the record is damaged.
    pub fn new(
        spec: JobSpec,
        config: Value,
        inputs: BTreeMap<String, String>,
        passes: Option<u64>,
    ) -> Result<Job> {
        Ok(Job {
            record: JobRecord::read(&spec.beside(RECORD))?,
            spec,
            passes,
            stored: StoredSpec { config, inputs },
        })
    }

    /// The state of the job.
    ///
    /// # Errors
    /// If a configuration cannot be written as JSON.
    pub fn state(&self) -> Result<JobState> {
        let begun = |record: &&JobRecord| record.finished || RunFolder::exists(&self.spec.folder);
        let Some(record) = self.record.as_ref().filter(begun) else {
            return Ok(JobState::Missing);
        };
        let changes = differences(&record.spec.config, &self.stored.config)?;
        let changes = changes
            .iter()
            .filter(|change| !self.has_moved(change, record));
        let mut changes: Vec<String> = changes.map(ToString::to_string).collect();
        for (role, digest) in &self.stored.inputs {
            if record.spec.inputs.get(role).is_some_and(|d| d != digest) {
                changes.push(format!("the {role} has other content"));
            }
        }
        Ok(match record {
            _ if !changes.is_empty() => JobState::Changed(changes),
            record if record.finished => JobState::Done(record.seconds),
            _ => JobState::Started,
        })
    }

    /// Fails if the run was started with another configuration or other inputs.
    ///
    /// # Errors
    /// Names the differences.
    pub fn check_unchanged(&self) -> Result<()> {
        let JobState::Changed(changes) = self.state()? else {
            return Ok(());
        };
        Err(Error::Run {
            path: self.spec.folder.clone(),
            reason: format!(
                "was run with other settings ({}); undo the change, or remove this folder and the \
                 .job.json beside it, or choose another folder by --set runs=FOLDER",
                changes.join(", ")
            ),
        })
    }

    /// Claims the job, so that several processes can work on one experiment, and reads what other
    /// processes have recorded. `None` if another process works on the job.
    ///
    /// # Errors
    /// If the log cannot be opened, or the record is damaged.
    pub fn claim(&mut self) -> Result<Option<Claim>> {
        let path = self.log();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        }
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(|e| Error::io("write", &path, e))?;
        // As in `atomic::lock`: on a file system without locks, every claim succeeds.
        if let Err(TryLockError::WouldBlock) = log.try_lock() {
            return Ok(None);
        }
        self.record = JobRecord::read(&self.spec.beside(RECORD))?;
        Ok(Some(Claim { log }))
    }

    /// The exit code of the program, if it failed when it ran last.
    pub fn failure(&self) -> Option<i32> {
        self.record.as_ref().and_then(|record| record.failed)
    }

    /// Whether a difference from the start is only that an input lies elsewhere, with the same
    /// content.
    fn has_moved(&self, change: &Difference, record: &JobRecord) -> bool {
        let place = PLACES.iter().find(|(key, _)| *key == change.key);
        place.is_some_and(|(_, role)| {
            let digest = record.spec.inputs.get(*role);
            digest.is_some() && digest == self.stored.inputs.get(*role)
        })
    }

    /// The program's arguments. They resume the run if its folder exists, with the present places
    /// of its inputs, and else start it.
    pub fn arguments(&self) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let spec = &self.spec;
        let mut arguments = vec!["train".into(), "--run".into(), path(&spec.folder)];
        if RunFolder::exists(&spec.folder) {
            arguments.push("--resume".into());
            for (key, _) in PLACES {
                if let Some(place) = dotted_keys(&self.stored.config).get(key) {
                    arguments.extend(["--set".into(), format!("{key}={place}")]);
                }
            }
            return arguments;
        }
        arguments.extend(self.configuration());
        arguments
    }

    /// The program's arguments that check whether the run can begin. Weights that a pre-training of
    /// the experiment has still to make are left out.
    pub fn dry_run(&self) -> Vec<String> {
        let folder = self.spec.folder.display().to_string();
        let mut arguments = ["train", "--dry-run", "--quiet", "--run", &folder]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(self.configuration());
        let weights = self.stored.config["encoder"]["weights"].as_str();
        if weights.is_some_and(|file| !Path::new(file).exists()) {
            arguments.extend(["--set", "encoder.weights=null"].map(str::to_owned));
        }
        arguments
    }

    /// The arguments that name the configuration.
    fn configuration(&self) -> Vec<String> {
        let config = self.spec.config.display().to_string();
        let sets = self
            .spec
            .sets
            .iter()
            .flat_map(|set| ["--set".to_owned(), set.clone()]);
        ["--config".to_owned(), config]
            .into_iter()
            .chain(sets)
            .collect()
    }

    /// The file with what the program printed.
    pub fn log(&self) -> PathBuf {
        self.spec.beside("log")
    }

    /// Adds `seconds` of work (0 at the start) to the record, and how the program ended; `None` at
    /// the start, and after an interruption.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub fn write_record(&mut self, seconds: f64, exit_code: Option<i32>) -> Result<()> {
        let before = self.record.as_ref().map_or(0.0, |record| record.seconds);
        let record = JobRecord {
            format: FORMAT,
            spec: self.stored.clone(),
            seconds: before + seconds,
            finished: exit_code == Some(0),
            failed: exit_code.filter(|code| *code != 0),
        };
        let file = self.spec.beside(RECORD);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        }
        atomic::write_json(&file, &record)?;
        self.record = Some(record);
        Ok(())
    }

    /// Removes the checkpoints of a run that has written its model, as it will not be resumed. Runs
    /// without a model keep theirs: zero-shot and export need those of pre-trainings, and a stopped
    /// run is resumed from its own.
    ///
    /// # Errors
    /// If a checkpoint cannot be removed.
    pub fn remove_checkpoints(&self) -> Result<()> {
        if !self.spec.folder.join(MODEL).exists() {
            return Ok(());
        }
        for name in [LAST, BEST] {
            atomic::remove(&self.spec.folder.join(name))?;
        }
        Ok(())
    }
}

impl JobRecord {
    /// Reads a record; `None` if the file is absent.
    fn read(file: &Path) -> Result<Option<JobRecord>> {
        if !file.exists() {
            return Ok(None);
        }
        let bytes = mflag_input::read(file, &JSON).map_err(|e| Error::io("read", file, e))?;
        let mut record: JobRecord = serde_json::from_slice(&bytes).map_err(|e| Error::Run {
            path: file.to_owned(),
            reason: format!(
                "is damaged ({e}); remove it and the folder beside it to repeat the run"
            ),
        })?;
        if record.format < FORMAT {
            config::update_stored(&mut record.spec.config);
        }
        Ok(Some(record))
    }
}

impl JobSpec {
    /// The path of the folder with an extension appended. `Path::with_extension` would replace the
    /// part of a folder's name after a dot.
    fn beside(&self, extension: &str) -> PathBuf {
        let mut name = self.folder.clone().into_os_string();
        name.push(".");
        name.push(extension);
        name.into()
    }
}

/// Overrides as the values of `--set` arguments. Values are written as JSON, which is valid YAML.
pub(crate) fn set_arguments(overrides: &Overrides) -> impl Iterator<Item = String> {
    overrides
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes jobs of one run folder below `root`.
    fn job(root: &Path, sets: &[&str], store: &str) -> Result<Job> {
        let config = root.join("c.yaml");
        std::fs::write(&config, "train: { epochs: 3 }\n").unwrap();
        let spec = JobSpec {
            id: "cells/0.1".into(),
            name: "cell".into(),
            program: "mflag-segment",
            config,
            sets: sets.iter().map(|s| (*s).to_owned()).collect(),
            folder: root.join("cells/0.1"),
        };
        let stated = mflag_core::config::stated(&spec.config, &spec.sets)?;
        let inputs = BTreeMap::from([("store".to_owned(), store.to_owned())]);
        Job::new(spec, stated, inputs, None)
    }

    #[test]
    fn a_job_is_started_resumed_and_done() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let mut first = job(root, &[], "a").unwrap();
        assert_eq!(first.state().unwrap(), JobState::Missing);
        assert!(first.arguments().contains(&"--config".to_owned()));
        first.write_record(0.0, None).unwrap();
        first.write_record(2.0, Some(1)).unwrap();
        // The program refused to begin: the settings may be mended.
        let mended = job(root, &["train.epochs=4"], "b").unwrap();
        assert_eq!(mended.state().unwrap(), JobState::Missing);
        assert!(mended.arguments().contains(&"--config".to_owned()));
        let mut again = job(root, &[], "a").unwrap();
        let folder = again.spec.folder.clone();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.yaml"), "").unwrap();
        assert_eq!(again.state().unwrap(), JobState::Started);
        assert_eq!(again.arguments().last().unwrap(), "--resume");
        again.write_record(1.5, Some(0)).unwrap();
        let done = job(root, &[], "a").unwrap();
        assert_eq!(done.state().unwrap(), JobState::Done(3.5));
    }

    /// Views of older versions were cut out of the stored square: the same configuration now has
    /// another meaning, and its cells must not get into one table.
    #[test]
    fn a_job_of_an_older_version_has_its_meaning() {
        let root = tempfile::tempdir().unwrap();
        let job = |sets: &[&str]| job(root.path(), sets, "a").unwrap();
        job(&["data.store=s"]).write_record(1.0, Some(0)).unwrap();
        let file = root.path().join("cells/0.1.job.json");
        let mut record: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        record.as_object_mut().unwrap().remove("format");
        std::fs::write(&file, record.to_string()).unwrap();
        let state = |sets: &[&str]| job(sets).state().unwrap();
        let changed = vec!["data.resize: \"store\" → null".to_owned()];
        assert_eq!(state(&["data.store=s"]), JobState::Changed(changed));
        let same = ["data.store=s", "data.resize=store"];
        assert_eq!(state(&same), JobState::Done(1.0));
    }

    #[test]
    fn one_process_at_a_time_claims_a_job() {
        let root = tempfile::tempdir().unwrap();
        let job = || job(root.path(), &[], "a").unwrap();
        let (mut first, mut second) = (job(), job());
        let claim = first.claim().unwrap().unwrap();
        assert!(second.claim().unwrap().is_none());
        first.write_record(1.0, Some(3)).unwrap();
        assert_eq!(second.failure(), None);
        // A program that writes the log keeps the claim.
        let log = claim.log.try_clone().unwrap();
        drop(claim);
        assert!(second.claim().unwrap().is_none());
        drop(log);
        assert!(second.claim().unwrap().is_some());
        assert_eq!(second.failure(), Some(3), "the record was read again");
    }

    #[test]
    fn a_job_with_a_model_needs_no_checkpoints() {
        let root = tempfile::tempdir().unwrap();
        let job = job(root.path(), &[], "a").unwrap();
        let folder = &job.spec.folder;
        std::fs::create_dir_all(folder).unwrap();
        let last = folder.join(LAST);
        std::fs::write(&last, "").unwrap();
        job.remove_checkpoints().unwrap();
        assert!(last.exists(), "a run without a model may be resumed");
        std::fs::write(folder.join(MODEL), "").unwrap();
        job.remove_checkpoints().unwrap();
        assert!(!last.exists());
    }

    #[test]
    fn an_input_may_lie_elsewhere_but_not_change() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let mut here = job(root, &["data.store=here"], "a").unwrap();
        let folder = here.spec.folder.clone();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.yaml"), "").unwrap();
        here.write_record(1.0, None).unwrap();
        let moved = job(root, &["data.store=there"], "a").unwrap();
        assert_eq!(moved.state().unwrap(), JobState::Started);
        let arguments = moved.arguments().join(" ");
        assert!(
            arguments.ends_with("--resume --set data.store=\"there\""),
            "{arguments}"
        );
        let other = job(root, &["data.store=there"], "b").unwrap();
        assert!(matches!(other.state().unwrap(), JobState::Changed(_)));
    }

    #[test]
    fn changes_and_damage_are_found() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        job(root, &[], "a")
            .unwrap()
            .write_record(1.0, Some(0))
            .unwrap();
        let changed = job(root, &["train.epochs=4"], "b").unwrap();
        let changes = ["train.epochs: 3 → 4", "the store has other content"].map(String::from);
        assert_eq!(
            changed.state().unwrap(),
            JobState::Changed(changes.to_vec())
        );
        std::fs::write(root.join("cells/0.1.job.json"), "{").unwrap();
        let error = job(root, &[], "a").unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{error}");
    }
}
