//! Runs jobs, one after the other, by the programs that they name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::IsTerminal;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mflag_core::signals::{Signals, exit_code};
use mflag_core::{Error, config};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::job::{Job, Wanted};

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All is done.
    Finished,
    /// The program refused or failed: its exit code.
    Failed(i32),
    /// A signal of this number came to this process, and was passed on; the job can go on later.
    Interrupted(i32),
}

/// Runs programs that lie beside this one.
#[derive(Debug)]
pub struct Runner {
    signals: Signals,
    programs: PathBuf,
}

impl Runner {
    /// A runner that listens to signals.
    ///
    /// # Errors
    /// If they cannot be listened to, or this program's folder is unknown.
    pub fn new() -> Result<Runner> {
        let own = std::env::current_exe().context("the folder of this program is unknown")?;
        Ok(Runner {
            signals: Signals::listen()?,
            programs: own.parent().unwrap_or(&own).to_owned(),
        })
    }

    /// Makes sure that the programs understand what they will be asked for: better now than after hours.
    ///
    /// # Errors
    /// The first job whose configuration its program would refuse, or if a program cannot be started.
    pub fn check<'a>(&self, jobs: impl Iterator<Item = &'a Job>) -> Result<()> {
        let mut schemas: BTreeMap<&str, Value> = BTreeMap::new();
        for job in jobs {
            let Wanted {
                name,
                program,
                config,
                sets,
                ..
            } = &job.wanted;
            if !schemas.contains_key(program) {
                schemas.insert(program, self.schema(program)?);
            }
            config::check_stated(&schemas[program], config, sets).with_context(|| name.clone())?;
        }
        Ok(())
    }

    /// The JSON schema of a program's configuration.
    fn schema(&self, program: &str) -> Result<Value> {
        let path = self.programs.join(program);
        let said = Command::new(&path).arg("schema").output();
        let said = said.with_context(|| cannot_start(&path))?;
        serde_json::from_slice(&said.stdout).with_context(|| {
            format!(
                "{} printed no schema; build all of the programs",
                path.display()
            )
        })
    }

    /// Runs a job to its end, or to a signal's.
    ///
    /// # Errors
    /// If the program cannot be started, or its log not be written.
    pub fn run(&self, job: &mut Job) -> Result<Ended> {
        job.note(0.0, false)?;
        let begin = Instant::now();
        let ended = self.wait(self.start(job)?)?;
        let finished = ended == Ended::Finished;
        job.note(begin.elapsed().as_secs_f64(), finished)?;
        if finished {
            job.remove_checkpoints()?;
        }
        Ok(ended)
    }

    fn start(&self, job: &Job) -> Result<Child> {
        let path = job.log();
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(|e| Error::io("write", &path, e))?;
        // Bars are for people; where nobody watches, what went wrong is for the log.
        let stderr = if std::io::stderr().is_terminal() {
            Stdio::inherit()
        } else {
            log.try_clone()
                .map_err(|e| Error::io("write", &path, e))?
                .into()
        };
        let program = self.programs.join(job.wanted.program);
        Command::new(&program)
            .args(job.arguments())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(stderr)
            // Of its own group, so that Ctrl-C reaches it once, by us: a second one would end it without a checkpoint.
            .process_group(0)
            .spawn()
            .with_context(|| cannot_start(&program))
    }

    fn wait(&self, mut child: Child) -> Result<Ended> {
        let mut passed_on = None;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(ended(status, passed_on));
            }
            if passed_on.is_none()
                && let Some(signal) = self.signals.received()
            {
                passed_on = Some(signal);
                let name = Signal::from_named_raw(signal).unwrap_or(Signal::TERM);
                // It may have ended by itself meanwhile.
                let _ = kill_process(Pid::from_child(&child), name);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn cannot_start(program: &Path) -> String {
    format!(
        "cannot start {}; build all of the programs",
        program.display()
    )
}

fn ended(status: ExitStatus, passed_on: Option<i32>) -> Ended {
    match (passed_on, status.code()) {
        (_, Some(0)) => Ended::Finished,
        (Some(signal), _) => Ended::Interrupted(signal),
        (None, code) => Ended::Failed(
            code.or(status.signal().map(|s| exit_code(s).into()))
                .unwrap_or(1),
        ),
    }
}
