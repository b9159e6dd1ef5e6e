//! `run`: runs what is missing, and prints the tables.

use std::process::ExitCode;

use anyhow::{Result, bail};
use mflag_core::output::Output;
use mflag_core::progress::clock;
use mflag_core::signals::exit_code;
use mflag_core::{Error, atomic};
use mflag_experiments::config::Experiment;
use mflag_experiments::{Job, JobOutcome, JobState, Plan, Runner};

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
    std::fs::create_dir_all(&experiment.runs)
        .map_err(|e| Error::io("create", &experiment.runs, e))?;
    let _lock = atomic::lock(&experiment.runs)?;
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

/// Runs the jobs that are not done.
fn run_missing(runner: &Runner, jobs: Vec<&mut Job>, out: &Output) -> Result<Ran> {
    let all = jobs.len();
    let mut failed = Vec::new();
    for (index, job) in jobs.into_iter().enumerate() {
        if matches!(job.state()?, JobState::Done(_)) {
            continue;
        }
        out.remark(format!("{} of {all}: {}\n", index + 1, job.spec.name));
        match runner.run(job)? {
            JobOutcome::Finished => {
                if let JobState::Done(seconds) = job.state()? {
                    out.remark(format!("  done in {}\n", clock(seconds.ceil() as u64)));
                }
            }
            JobOutcome::Failed(code) => {
                let (name, log) = (&job.spec.name, job.log());
                failed.push(format!("{name} (exit code {code}): {}", log.display()));
                out.remark(format!("  failed: {}\n", log.display()));
            }
            JobOutcome::Interrupted(signal) => {
                out.remark("interrupted; run the same command again to continue\n");
                return Ok(Ran::Interrupted(exit_code(signal).into()));
            }
        }
    }
    Ok(Ran::All { failed })
}
