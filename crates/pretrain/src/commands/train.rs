//! `mflag-pretrain train`.

use std::process::ExitCode;

use anyhow::Result;
use mflag_cli::TrainArgs;
use mflag_core::output::Output;
use mflag_pretrain::run::PretrainRun;
use mflag_train::lifecycle;

pub(crate) fn run(args: &TrainArgs, out: &mut Output) -> Result<ExitCode> {
    if args.dry_run {
        let config = args.config.load()?.config;
        lifecycle::check(&PretrainRun, &config, &args.run)?;
        out.say("ready", true, "nothing stands against this run\n");
        return Ok(ExitCode::SUCCESS);
    }
    let code = if args.resume {
        lifecycle::resume(&PretrainRun, &args.run, &args.config.sets, out)?
    } else {
        let config = args.config.load()?.config;
        lifecycle::begin(&PretrainRun, config, &args.run, out)?
    };
    if let Some(report) = mflag_report::write_beside(&args.run) {
        out.say("report", &report, format!("report: {}\n", report.display()));
    }
    Ok(code)
}
