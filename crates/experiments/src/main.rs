//! `mflag-experiments`: the runs of an experiment, and its tables.

mod commands;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use commands::ExperimentArgs;
use commands::cell::CellArgs;
use mflag_cli::{Common, Completions, OutputArgs, parse, with_examples};

/// Run an experiment (task × encoder × fraction of the labels × seed) and collect its tables
#[derive(Debug, Parser)]
#[command(name = "mflag-experiments", version)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  mflag-experiments plan configs/experiments/paper-segmentation.yaml
  mflag-experiments run configs/experiments/paper-segmentation.yaml --set seeds=[0]
  mflag-experiments plan configs/experiments/paper-segmentation.yaml --json
  mflag-experiments cell configs/experiments/paper-segmentation.yaml siim/m-flag/1-seed-0
  mflag-experiments table configs/experiments/paper-segmentation.yaml

Repeat a `run` to resume it: finished runs are kept, and interrupted runs continue. Several `run`s of
one experiment share its runs, each of which only one process works on.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Print what is done, and what the rest will cost
    Plan(ExperimentArgs),
    /// Print the cost, run what is missing, and print the tables
    Run(ExperimentArgs),
    /// Run one run of the experiment, such as a job of a cluster does
    Cell(CellArgs),
    /// Print the tables of what is done, and write them with a report into the folder `runs`
    Table(ExperimentArgs),
    /// Print the JSON schema of an experiment
    Schema,
    #[command(flatten)]
    Completions(Completions),
}

fn main() -> ExitCode {
    let cli: Cli = parse(EXAMPLES);
    cli.common.init();
    cli.output.run(|out| match cli.command {
        Command::Plan(args) => commands::plan::run(&args, out),
        Command::Run(args) => commands::run::run(&args.load()?, out),
        Command::Cell(args) => commands::cell::run(&args, out),
        Command::Table(args) => commands::table::run(&args.load()?, out),
        Command::Schema => commands::schema::run(),
        Command::Completions(completions) => {
            completions.run(with_examples(Cli::command(), EXAMPLES))?;
            Ok(ExitCode::SUCCESS)
        }
    })
}
