//! Runs jobs one after the other, each by its program.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use mflag_core::progress::Progress;
use mflag_core::run::RunFolder;
use mflag_core::signals::{PARENT, Signals, exit_code};
use mflag_core::{Error, config};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::job::{Claim, Job, JobSpec, JobState};

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOutcome {
    /// The run has finished.
    Finished,
    /// The program failed with this exit code.
    Failed(i32),
    /// This process received the signal with this number, and forwarded it. The job can be resumed.
    Interrupted(i32),
}

/// Runs the programs in the folder of this program.
#[derive(Debug)]
pub struct Runner {
    signals: Signals,
    programs: PathBuf,
}

impl Runner {
    /// A runner that forwards signals to the program it runs.
    ///
    /// # Errors
    /// If signal handlers cannot be installed, or the folder of this program is unknown.
    pub fn new() -> Result<Runner> {
        let own = std::env::current_exe().context("the folder of this program is unknown")?;
        Ok(Runner {
            signals: Signals::listen()?,
            programs: own.parent().unwrap_or(&own).to_owned(),
        })
    }

    /// Asks the programs whether the jobs that have not begun can begin, several at a time. Returns
    /// each reason against it, with the names of the jobs that it stops.
    ///
    /// # Errors
    /// If a program cannot be started.
    pub fn refusals(&self, jobs: &[&Job]) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for job in jobs {
            if job.state()? == JobState::Missing {
                missing.push(*job);
            }
        }
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let progress = Progress::new("check runs", missing.len() as u64, "runs");
        let threads = available_parallelism().map_or(1, usize::from);
        let mut refused: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for chunk in missing.chunks(threads) {
            let checks: Vec<Result<Option<String>>> = std::thread::scope(|scope| {
                let started: Vec<_> = chunk
                    .iter()
                    .map(|job| scope.spawn(|| self.refusal(job)))
                    .collect();
                let failed = |_| Err(anyhow!("a check has failed"));
                let ended = started.into_iter();
                ended
                    .map(|check| check.join().unwrap_or_else(failed))
                    .collect()
            });
            for (job, check) in chunk.iter().zip(checks) {
                if let Some(reason) = check? {
                    refused.entry(reason).or_default().push(&job.spec.name);
                }
            }
            progress.inc(chunk.len() as u64);
        }
        progress.finish();
        let line =
            |(reason, names): (String, Vec<&str>)| format!("{}: {reason}", shortened(&names));
        Ok(refused.into_iter().map(line).collect())
    }

    /// Why a job cannot begin; `None` if nothing stands against it.
    fn refusal(&self, job: &Job) -> Result<Option<String>> {
        let program = self.programs.join(job.spec.program);
        let output = Command::new(&program)
            .args(job.dry_run())
            .stdin(Stdio::null())
            .output()
            .with_context(|| cannot_start(&program))?;
        // Another process may have begun the run in the meantime.
        if output.status.success() || RunFolder::exists(&job.spec.folder) {
            return Ok(None);
        }
        let printed = String::from_utf8_lossy(&output.stderr);
        let reason = printed
            .rsplit_once("error: ")
            .map_or(&*printed, |(_, reason)| reason);
        Ok(Some(reason.trim().to_owned()))
    }

    /// Checks all configurations against the schemas of their programs, before the first run
    /// starts.
    ///
    /// # Errors
    /// If a configuration does not fit its schema, or a program cannot be started. Names the first
    /// such job.
    pub fn check<'a>(&self, jobs: impl Iterator<Item = &'a Job>) -> Result<()> {
        let mut schemas: BTreeMap<&str, Value> = BTreeMap::new();
        for job in jobs {
            let JobSpec {
                name,
                program,
                config,
                sets,
                ..
            } = &job.spec;
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
        let output = Command::new(&path).arg("schema").output();
        let output = output.with_context(|| cannot_start(&path))?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{} printed no schema; build all programs", path.display()))
    }

    /// Runs a job that this process has claimed, until it ends or a signal arrives.
    ///
    /// # Errors
    /// If the program cannot be started, or the log or the record cannot be written.
    pub fn run(&self, job: &mut Job, claim: Claim) -> Result<JobOutcome> {
        job.write_record(0.0, None)?;
        let start = Instant::now();
        let outcome = self.wait(self.start(job, claim)?)?;
        let exit_code = match outcome {
            JobOutcome::Finished => Some(0),
            JobOutcome::Failed(code) => Some(code),
            JobOutcome::Interrupted(_) => None,
        };
        job.write_record(start.elapsed().as_secs_f64(), exit_code)?;
        if outcome == JobOutcome::Finished {
            job.remove_checkpoints()?;
        }
        Ok(outcome)
    }

    /// Waits for other processes, at most `time`. Returns the signal if one arrives.
    pub fn pause(&self, time: Duration) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < time {
            if let Some(signal) = self.signals.received() {
                return Some(signal);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }

    /// Starts the program. Until it ends, it keeps the claim, as it writes the log.
    fn start(&self, job: &Job, Claim { log }: Claim) -> Result<Child> {
        // Progress bars belong on a terminal. Without one, errors belong in the log.
        let stderr = if std::io::stderr().is_terminal() {
            Stdio::inherit()
        } else {
            log.try_clone()
                .map_err(|e| Error::io("write", job.log(), e))?
                .into()
        };
        let program = self.programs.join(job.spec.program);
        Command::new(&program)
            .args(job.arguments())
            .env(PARENT, std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(stderr)
            // The program gets its own process group, so that Ctrl-C reaches it only once, through
            // this process. A second signal would end it without a checkpoint.
            .process_group(0)
            .spawn()
            .with_context(|| cannot_start(&program))
    }

    /// Waits for a program, and forwards the first signal to it.
    fn wait(&self, mut child: Child) -> Result<JobOutcome> {
        let mut forwarded = None;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(outcome(status, forwarded));
            }
            if forwarded.is_none()
                && let Some(signal) = self.signals.received()
            {
                forwarded = Some(signal);
                let name = Signal::from_named_raw(signal).unwrap_or(Signal::TERM);
                // Fails if the program has already ended, which is fine.
                let _ = kill_process(Pid::from_child(&child), name);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The first names, and the number of all.
fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    match names.len().saturating_sub(SHOWN) {
        0 => names.join("; "),
        more => format!("{}; and {more} more", names[..SHOWN].join("; ")),
    }
}

fn cannot_start(program: &Path) -> String {
    format!("cannot start {}; build all programs", program.display())
}

fn outcome(status: ExitStatus, forwarded: Option<i32>) -> JobOutcome {
    match (forwarded, status.code()) {
        (_, Some(0)) => JobOutcome::Finished,
        (Some(signal), _) => JobOutcome::Interrupted(signal),
        (None, code) => JobOutcome::Failed(
            code.or(status.signal().map(|s| exit_code(s).into()))
                .unwrap_or(1),
        ),
    }
}
