//! A run of a program, and what is known of it. Beside the run's folder lie what it was asked for, and what it said:
//!
//! ```text
//! <folder>/           the run folder, by the program
//! <folder>.job.json   configuration, digests of its inputs, seconds so far, whether it has finished
//! <folder>.log        what the program printed
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mflag_core::run::{BEST, LAST, MODEL, RunFolder, differences};
use mflag_core::{Error, Result, atomic};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Sets;

/// The ending of the file with what is known of a run.
const RECORD: &str = "job.json";

/// A run as an experiment asks for it.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What it is, in words.
    pub name: String,
    /// The program's binary.
    pub program: &'static str,
    /// The program's configuration.
    pub config: PathBuf,
    /// What differs from it, each `key=value`.
    pub sets: Vec<String>,
    /// The run folder.
    pub folder: PathBuf,
}

/// A run that an experiment needs.
#[derive(Debug, Clone)]
pub struct Job {
    /// What is asked for.
    pub wanted: Wanted,
    /// Films times epochs, at most; `None` where the store is not there or no number of epochs is stated.
    pub passes: Option<u64>,
    asked: Asked,
    known: Option<Known>,
}

/// What a run is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Asked {
    /// The values that its configuration states.
    config: Value,
    /// Digests of what it reads, by role. What is not there yet has none.
    inputs: BTreeMap<String, String>,
}

/// What is known of a run that was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    #[serde(flatten)]
    asked: Asked,
    /// Wall time so far.
    seconds: f64,
    finished: bool,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Not begun.
    Missing,
    /// Begun, not finished: it goes on where it stopped.
    Begun,
    /// Finished, after so many seconds in all.
    Done(f64),
    /// Begun or finished as another run than is asked for now: what differs.
    Changed(Vec<String>),
}

impl Job {
    /// A job whose configuration states `config`, with what lies in its folder.
    ///
    /// # Errors
    /// If the file beside the folder cannot be understood.
    pub fn new(
        wanted: Wanted,
        config: Value,
        inputs: BTreeMap<String, String>,
        passes: Option<u64>,
    ) -> Result<Job> {
        Ok(Job {
            known: Known::read(&wanted.beside(RECORD))?,
            wanted,
            passes,
            asked: Asked { config, inputs },
        })
    }

    /// How far it is.
    ///
    /// # Errors
    /// None that is known: configurations can be compared.
    pub fn state(&self) -> Result<State> {
        let Some(known) = &self.known else {
            return Ok(State::Missing);
        };
        let mut changed = differences(&known.asked.config, &self.asked.config)?;
        for (role, digest) in &self.asked.inputs {
            if known.asked.inputs.get(role).is_some_and(|d| d != digest) {
                changed.push(format!("the {role} has other content"));
            }
        }
        Ok(match known {
            _ if !changed.is_empty() => State::Changed(changed),
            known if known.finished => State::Done(known.seconds),
            _ => State::Begun,
        })
    }

    /// The program's arguments: to begin, or to go on where there is a run to go on with.
    pub fn arguments(&self) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let Wanted {
            config,
            sets,
            folder,
            ..
        } = &self.wanted;
        let mut arguments = vec!["train".into(), "--run".into(), path(folder)];
        if RunFolder::exists(folder) {
            arguments.push("--resume".into());
            return arguments;
        }
        arguments.extend(["--config".into(), path(config)]);
        for set in sets {
            arguments.extend(["--set".into(), set.clone()]);
        }
        arguments
    }

    /// The file with what the program printed.
    pub fn log(&self) -> PathBuf {
        self.wanted.beside("log")
    }

    /// Notes that it was at work for `seconds` more, 0 where it begins, and whether it has finished.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn note(&mut self, seconds: f64, finished: bool) -> Result<()> {
        let before = self.known.as_ref().map_or(0.0, |k| k.seconds);
        let known = Known {
            asked: self.asked.clone(),
            seconds: before + seconds,
            finished,
        };
        let file = self.wanted.beside(RECORD);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        }
        atomic::write_json(&file, &known)?;
        self.known = Some(known);
        Ok(())
    }

    /// Removes the checkpoints of a run that has left its model: nobody goes on with it. Those of pre-training stay for zero-shot and
    /// export, as do those of a run that stopped before its end.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn remove_checkpoints(&self) -> Result<()> {
        if !self.wanted.folder.join(MODEL).exists() {
            return Ok(());
        }
        for name in [LAST, BEST] {
            atomic::remove(&self.wanted.folder.join(name))?;
        }
        Ok(())
    }
}

impl Known {
    fn read(file: &Path) -> Result<Option<Known>> {
        if !file.exists() {
            return Ok(None);
        }
        let bytes = std::fs::read(file).map_err(|e| Error::io("read", file, e))?;
        let known = serde_json::from_slice(&bytes).map_err(|e| Error::Run {
            path: file.to_owned(),
            reason: format!(
                "is damaged ({e}); remove it with the folder beside it, and the run is made again"
            ),
        })?;
        Ok(Some(known))
    }
}

impl Wanted {
    /// Folders may have dots in their names, so that an ending is added and none replaced.
    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.folder.clone().into_os_string();
        name.push(".");
        name.push(ending);
        name.into()
    }
}

/// Values of a configuration as a program's flags say them.
pub(crate) fn flags(sets: &Sets) -> impl Iterator<Item = String> {
    // JSON is YAML.
    sets.iter().map(|(key, value)| format!("{key}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_knows_how_far_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("c.yaml");
        std::fs::write(&config, "train: { epochs: 3 }\n").unwrap();
        let folder = dir.path().join("cells/0.1");
        let job = |sets: &[&str], store: &str| {
            let wanted = Wanted {
                name: "cell".into(),
                program: "mflag-segment",
                config: config.clone(),
                sets: sets.iter().map(|s| (*s).to_owned()).collect(),
                folder: folder.clone(),
            };
            let stated = mflag_core::config::stated(&config, &wanted.sets)?;
            let inputs = BTreeMap::from([("store".to_owned(), store.to_owned())]);
            Job::new(wanted, stated, inputs, None)
        };
        let mut first = job(&[], "a").unwrap();
        assert_eq!(first.state().unwrap(), State::Missing);
        assert!(first.arguments().contains(&"--config".to_owned()));
        first.note(0.0, false).unwrap();
        first.note(2.0, false).unwrap();
        let mut again = job(&[], "a").unwrap();
        assert_eq!(again.state().unwrap(), State::Begun);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.yaml"), "").unwrap();
        assert_eq!(again.arguments().last().unwrap(), "--resume");
        let last = folder.join(LAST);
        std::fs::write(&last, "").unwrap();
        again.note(1.5, true).unwrap();
        again.remove_checkpoints().unwrap();
        assert!(last.exists(), "a run without its model may go on");
        std::fs::write(folder.join(MODEL), "").unwrap();
        again.remove_checkpoints().unwrap();
        assert!(!last.exists(), "a run that is done needs none");
        assert_eq!(job(&[], "a").unwrap().state().unwrap(), State::Done(3.5));
        let changed = job(&["train.epochs=4"], "b").unwrap().state().unwrap();
        let told = ["train.epochs: 3 → 4", "the store has other content"].map(String::from);
        assert_eq!(changed, State::Changed(told.to_vec()));
        std::fs::write(dir.path().join("cells/0.1.job.json"), "{").unwrap();
        let told = job(&[], "a");
        assert!(told.unwrap_err().to_string().contains("is damaged"));
    }
}
