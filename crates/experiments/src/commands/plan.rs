//! `plan`: what is done, and what the rest will cost.

use std::process::ExitCode;

use anyhow::Result;
use mflag_core::output::Output;
use mflag_experiments::config::Experiment;
use mflag_experiments::{Plan, Runner};

/// Prints the plan, and exits with a failure if an input is missing or a run cannot begin.
pub(crate) fn run(experiment: &Experiment, out: &mut Output) -> Result<ExitCode> {
    let plan = Plan::new(experiment)?;
    print_cost(experiment, &plan, out)?;
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

/// Prints the title of an experiment and the cost of its plan.
pub(super) fn print_cost(experiment: &Experiment, plan: &Plan, out: &mut Output) -> Result<()> {
    let cost = plan.cost(experiment)?;
    out.say("plan", &cost, format!("{}\n\n{cost}\n", experiment.title));
    Ok(())
}
