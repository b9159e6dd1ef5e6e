//! `plan`: what is done, and what the rest will cost.

use std::process::ExitCode;

use anyhow::Result;
use mflag_core::output::Output;
use mflag_experiments::Plan;
use mflag_experiments::config::Experiment;

/// Prints the plan, and exits with a failure if an input is missing.
pub(crate) fn run(experiment: &Experiment, out: &mut Output) -> Result<ExitCode> {
    let plan = Plan::new(experiment)?;
    print_cost(experiment, &plan, out)?;
    plan.check_unchanged()?;
    if plan.problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let list = plan.problems.join("\n  - ");
    out.say("missing", &plan.problems, format!("missing:\n  - {list}\n"));
    Ok(ExitCode::FAILURE)
}

/// Prints the title of an experiment and the cost of its plan.
pub(super) fn print_cost(experiment: &Experiment, plan: &Plan, out: &mut Output) -> Result<()> {
    let cost = plan.cost(experiment)?;
    out.say("plan", &cost, format!("{}\n\n{cost}\n", experiment.title));
    Ok(())
}
