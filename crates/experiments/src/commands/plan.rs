//! `plan`: what is done, and what the rest will cost.

use std::process::ExitCode;

use anyhow::Result;
use mflag_core::output::Output;
use mflag_experiments::config::Experiment;
use mflag_experiments::{Job, JobState, Plan, Runner};
use serde::Serialize;

use super::ExperimentArgs;

/// A run, for programs that spread the runs over a cluster.
#[derive(Debug, Serialize)]
struct Run<'a> {
    id: &'a str,
    name: &'a str,
    state: &'static str,
    /// The identifiers of the runs that must be done before.
    needs: Vec<&'a str>,
    /// The command that runs it.
    command: Vec<String>,
    log: String,
}

/// Prints the plan, and exits with a failure if an input is missing or a run cannot begin.
pub(crate) fn run(args: &ExperimentArgs, out: &mut Output) -> Result<ExitCode> {
    let experiment = &args.load()?;
    let plan = Plan::new(experiment)?;
    print_cost(experiment, &plan, out)?;
    out.say("runs", runs(args, experiment, &plan)?, "");
    plan.check_unchanged()?;
    if !plan.problems.is_empty() {
        let list = plan.problems.join("\n  - ");
        out.say("missing", &plan.problems, format!("missing:\n  - {list}\n"));
        return Ok(ExitCode::FAILURE);
    }
    let refusals = Runner::new()?.refusals(&plan.jobs().collect::<Vec<_>>())?;
    if !refusals.is_empty() {
        let list = refusals.join("\n  - ");
        out.say("refused", &refusals, format!("cannot begin:\n  - {list}\n"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// All runs: pre-trainings first.
fn runs<'a>(
    args: &ExperimentArgs,
    experiment: &Experiment,
    plan: &'a Plan,
) -> Result<Vec<Run<'a>>> {
    let run = |job: &'a Job, needed: Option<&'a Job>| {
        let command = ["mflag-experiments".to_owned(), "cell".to_owned()];
        Ok(Run {
            id: &job.spec.id,
            name: &job.spec.name,
            state: match job.state()? {
                JobState::Missing => "missing",
                JobState::Started => "started",
                JobState::Done(_) => "done",
                JobState::Changed(_) => "changed",
            },
            needs: needed.iter().map(|job| job.spec.id.as_str()).collect(),
            command: command
                .into_iter()
                .chain(args.repeated())
                .chain([job.spec.id.clone()])
                .collect(),
            log: job.log().display().to_string(),
        })
    };
    let encoders = plan.encoders.iter().map(|job| run(job, None));
    let cells = plan.cells.iter();
    let cells = cells.map(|cell| run(&cell.job, plan.needed_by(experiment, cell)));
    encoders.chain(cells).collect()
}

/// Prints the title of an experiment and the cost of its plan.
pub(super) fn print_cost(experiment: &Experiment, plan: &Plan, out: &mut Output) -> Result<()> {
    let cost = plan.cost(experiment)?;
    out.say("plan", &cost, format!("{}\n\n{cost}\n", experiment.title));
    Ok(())
}
