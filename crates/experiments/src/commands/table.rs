//! `table`: the tables of what is done.

use std::process::ExitCode;

use anyhow::Result;
use mflag_core::output::Output;
use mflag_core::{Error, atomic};
use mflag_experiments::config::Experiment;
use mflag_experiments::{Plan, Results};

/// Prints and writes the tables, without running anything.
pub(crate) fn run(experiment: &Experiment, out: &mut Output) -> Result<ExitCode> {
    let plan = Plan::new(experiment)?;
    plan.check_unchanged()?;
    print_and_write(experiment, &plan, out)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the tables, and writes them with a report into the experiment's folder.
pub(super) fn print_and_write(
    experiment: &Experiment,
    plan: &Plan,
    out: &mut Output,
) -> Result<()> {
    let results = Results::read(experiment, plan)?;
    // Printed first, so that the tables are not lost if the disk is full.
    let tables = format!("\n{}", results.render(false)?);
    out.say("results", results.cells()?, tables);
    let folder = &experiment.runs;
    std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    // Several processes may work on one experiment.
    let _lock = atomic::lock_in_turn(folder)?;
    let file = results.write(folder)?;
    out.remark(format!("\ntables: {}\n", file.display()));
    if let Some(report) = mflag_report::write_beside(folder) {
        out.say("report", &report, format!("report: {}\n", report.display()));
    }
    Ok(())
}
