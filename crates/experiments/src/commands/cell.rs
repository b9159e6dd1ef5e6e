//! `cell`: runs one run of an experiment, as a job of a cluster.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use mflag_core::output::Output;
use mflag_core::progress::clock;
use mflag_core::signals::exit_code;
use mflag_experiments::{JobOutcome, JobState, Plan, Runner};

use super::ExperimentArgs;

/// Arguments of `cell`.
#[derive(Debug, Args)]
pub(crate) struct CellArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    /// Identifier of the run, as `plan --json` lists it: chexpert/m-flag/1-seed-0
    #[arg(value_name = "ID")]
    id: String,
}

/// Runs a pre-training or a cell. Nothing happens if it is done.
pub(crate) fn run(args: &CellArgs, out: &mut Output) -> Result<ExitCode> {
    let experiment = args.experiment.load()?;
    let plan = Plan::new(&experiment)?;
    let (job, needed) = plan.find(&experiment, &args.id)?;
    if let Some(needed) = needed
        && !matches!(needed.state()?, JobState::Done(_))
    {
        let (id, needed) = (&args.id, &needed.spec.id);
        bail!("{id} needs an encoder that is not trained yet: run the cell {needed} first");
    }
    let mut job = job.clone();
    job.check_unchanged()?;
    let Some(claim) = job.claim()? else {
        bail!("{}: another process works on this run", args.id);
    };
    if let JobState::Done(seconds) = job.state()? {
        let text = format!("{} was done before\n", args.id);
        out.say("seconds", seconds, text);
        return Ok(ExitCode::SUCCESS);
    }
    let runner = Runner::new()?;
    runner.check(std::iter::once(&job))?;
    match runner.run(&mut job, claim)? {
        JobOutcome::Finished => {
            if let JobState::Done(seconds) = job.state()? {
                let time = clock(seconds.ceil() as u64);
                out.say("seconds", seconds, format!("{} done in {time}\n", args.id));
            }
            Ok(ExitCode::SUCCESS)
        }
        JobOutcome::Failed(code) => {
            bail!(
                "{} failed (exit code {code}): {}",
                args.id,
                job.log().display()
            )
        }
        JobOutcome::Interrupted(signal) => {
            out.remark("interrupted; run the same command again to continue\n");
            Ok(exit_code(signal).into())
        }
    }
}
