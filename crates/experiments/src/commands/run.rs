//! `run`: runs what is missing, and prints the tables.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use mflag_core::output::Output;
use mflag_core::progress::clock;
use mflag_core::signals::exit_code;
use mflag_experiments::config::Experiment;
use mflag_experiments::{Claim, Job, JobOutcome, JobState, Plan, Runner};

use super::plan::print_cost;
use super::table::print_and_write;

/// Runs the pre-trainings, then the cells, and prints the tables.
pub(crate) fn run(experiment: &Experiment, out: &mut Output) -> Result<ExitCode> {
    let mut plan = Plan::new(experiment)?;
    print_cost(experiment, &plan, out)?;
    if !plan.problems.is_empty() {
        let list = plan.problems.join("\n  - ");
        bail!("nothing was run, because something is missing:\n  - {list}");
    }
    plan.check_unchanged()?;
    let runner = Runner::new()?;
    runner.check(plan.jobs())?;
    let refusals = runner.refusals(&plan.jobs().collect::<Vec<_>>())?;
    if !refusals.is_empty() {
        let list = refusals.join("\n  - ");
        bail!("nothing was run, because some runs cannot begin:\n  - {list}");
    }
    match run_missing(&runner, plan.encoders.iter_mut().collect(), out)? {
        Ran::Interrupted(code) => return Ok(code),
        Ran::All { failed } if !failed.is_empty() => {
            let list = failed.join("; ");
            bail!("the cells cannot be run, because their encoder failed: {list}");
        }
        Ran::All { .. } => {}
    }
    if !plan.encoders.is_empty() {
        // The encoders that the cells read exist now.
        plan = Plan::new(experiment)?;
        plan.check_unchanged()?;
    }
    let cells = plan.cells.iter_mut().map(|cell| &mut cell.job);
    let failed = match run_missing(&runner, cells.collect(), out)? {
        Ran::Interrupted(code) => return Ok(code),
        Ran::All { failed } => failed,
    };
    print_and_write(experiment, &plan, out)?;
    if !failed.is_empty() {
        let (number, list) = (failed.len(), failed.join("\n  - "));
        bail!("cells that failed ({number}):\n  - {list}");
    }
    Ok(ExitCode::SUCCESS)
}

/// How a list of jobs ended.
enum Ran {
    /// All jobs were run. `failed` names those that failed, with their logs.
    All { failed: Vec<String> },
    /// A signal arrived; the program exits with this code.
    Interrupted(ExitCode),
}

/// How often this process looks whether another one has ended its run.
const PAUSE: Duration = Duration::from_secs(2);

/// Runs the jobs that are not done. Jobs that another process works on are left to it; if it ends
/// without finishing them, this process continues them.
fn run_missing(runner: &Runner, jobs: Vec<&mut Job>, out: &Output) -> Result<Ran> {
    let all = jobs.len();
    let mut failed = Vec::new();
    let mut open: Vec<(usize, &mut Job)> = jobs.into_iter().enumerate().collect();
    let mut is_told = false;
    loop {
        let mut elsewhere = Vec::new();
        for (index, job) in open {
            let known = job.failure();
            let Some(claim) = job.claim()? else {
                elsewhere.push((index, job));
                continue;
            };
            if matches!(job.state()?, JobState::Done(_)) {
                continue;
            }
            job.check_unchanged()?;
            if let (None, Some(code)) = (known, job.failure()) {
                // It failed in another process since this one has begun.
                failed.push(failure(job, code));
                continue;
            }
            out.remark(format!("{} of {all}: {}\n", index + 1, job.spec.name));
            match run_one(runner, job, claim, out)? {
                JobOutcome::Finished => {}
                JobOutcome::Failed(code) => failed.push(failure(job, code)),
                JobOutcome::Interrupted(signal) => return Ok(interrupted(signal, out)),
            }
        }
        if elsewhere.is_empty() {
            return Ok(Ran::All { failed });
        }
        if !is_told {
            let number = elsewhere.len();
            out.remark(format!("waiting for other processes: {number} runs\n"));
            is_told = true;
        }
        if let Some(signal) = runner.pause(PAUSE) {
            return Ok(interrupted(signal, out));
        }
        open = elsewhere;
    }
}

/// Runs a job, and says how it ended.
fn run_one(runner: &Runner, job: &mut Job, claim: Claim, out: &Output) -> Result<JobOutcome> {
    let outcome = runner.run(job, claim)?;
    match outcome {
        JobOutcome::Finished => {
            if let JobState::Done(seconds) = job.state()? {
                out.remark(format!("  done in {}\n", clock(seconds.ceil() as u64)));
            }
        }
        JobOutcome::Failed(_) => out.remark(format!("  failed: {}\n", job.log().display())),
        JobOutcome::Interrupted(_) => {}
    }
    Ok(outcome)
}

fn interrupted(signal: i32, out: &Output) -> Ran {
    out.remark("interrupted; run the same command again to continue\n");
    Ran::Interrupted(exit_code(signal).into())
}

fn failure(job: &Job, code: i32) -> String {
    let (name, log) = (&job.spec.name, job.log());
    format!("{name} (exit code {code}): {}", log.display())
}
