//! `mflag-pretrain train`.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use mflag_cli::{TrainArgs, chain};
use mflag_core::output::Output;
use mflag_core::run::RunFolder;
use mflag_pretrain::run::PretrainRun;
use mflag_train::{World, lifecycle};

#[derive(Debug, clap::Args)]
pub(crate) struct PretrainArgs {
    #[command(flatten)]
    train: TrainArgs,
    /// Resume with another number of processes than before. The result is then not the same bit for
    /// bit, because sums have another order
    #[arg(long, requires = "resume")]
    other_world_size: bool,
}

/// Trains in this process, or together with those that a launcher has started with it.
pub(crate) fn run(args: &PretrainArgs, out: &mut Output) -> Result<ExitCode> {
    let world = World::join()?;
    let kind = PretrainRun {
        world: world.clone(),
        other_world_size: args.other_world_size,
    };
    let Some(world) = world else {
        return train(&kind, &args.train, out);
    };
    if !world.is_main() {
        out.mute();
    }
    train(&kind, &args.train, out).or_else(|error| {
        let words = world.last_words(&chain(error.as_ref()));
        words.map_or(Ok(ExitCode::FAILURE), |words| Err(anyhow!(words)))
    })
}

/// Whether torchrun has started this command before, and its processes failed.
fn has_restarted(kind: &PretrainRun) -> bool {
    kind.world
        .as_ref()
        .is_some_and(|world| world.launch().restart > 0)
}

fn train(kind: &PretrainRun, args: &TrainArgs, out: &mut Output) -> Result<ExitCode> {
    if args.dry_run {
        let config = args.config.load()?.config;
        lifecycle::check(kind, &config, &args.run)?;
        out.say("ready", true, "nothing stands against this run\n");
        return Ok(ExitCode::SUCCESS);
    }
    let code = if args.resume {
        lifecycle::resume(kind, &args.run, &args.config.sets, out)?
    } else if has_restarted(kind) && RunFolder::exists(&args.run) {
        // The run has the changes of --set already.
        lifecycle::resume(kind, &args.run, &[], out)?
    } else {
        let config = args.config.load()?.config;
        lifecycle::begin(kind, config, &args.run, out)?
    };
    if lifecycle::is_main(kind)
        && let Some(report) = mflag_report::write_beside(&args.run)
    {
        out.say("report", &report, format!("report: {}\n", report.display()));
    }
    Ok(code)
}
