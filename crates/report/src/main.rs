//! `mflag-report`: runs and experiments as one HTML file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use mflag_cli::{Common, Completions, OutputArgs, after_help};
use mflag_report::{Options, REPORT};

/// Write one HTML file of runs, evaluations and experiments, to read, compare and share
#[derive(Debug, Parser)]
#[command(name = "mflag-report", version, after_help = after_help(EXAMPLES))]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    output: OutputArgs,
    /// Folders of runs, of evaluations (`eval --out`) and of experiments; several runs are compared, the first with each other
    #[arg(required = true, value_name = "RUN")]
    folders: Vec<PathBuf>,
    /// The file to write
    #[arg(short, long, value_name = "FILE", default_value = REPORT)]
    out: PathBuf,
    /// Call films by their names, which may identify patients; by default they are called by their line in the store
    #[arg(long)]
    show_names: bool,
    #[command(subcommand)]
    completions: Option<Completions>,
}

const EXAMPLES: &str = "Examples:
  mflag-report runs/paper
  mflag-report runs/siim runs/siim-random --out comparison.html
  mflag-report runs/paper runs/tables --out all.html

A run may be at work: the report has what is there. The file loads nothing and needs no network.";

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.common.init();
    cli.output.run(|out| -> Result<ExitCode> {
        if let Some(completions) = cli.completions {
            completions.run(Cli::command())?;
            return Ok(ExitCode::SUCCESS);
        }
        let options = Options {
            show_names: cli.show_names,
        };
        mflag_report::write(&cli.folders, options, &cli.out)?;
        let words = format!("report: {}\n", cli.out.display());
        out.say("report", &cli.out, words);
        Ok(ExitCode::SUCCESS)
    })
}
