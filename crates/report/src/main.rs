//! `mflag-report`: runs and experiments as one HTML file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use mflag_cli::{Common, Completions, OutputArgs, parse, with_examples};
use mflag_core::output::Output;
use mflag_report::{Options, REPORT};

/// Write one HTML file of runs, evaluations and experiments, to read, compare and share
#[derive(Debug, Parser)]
#[command(name = "mflag-report", version)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    output: OutputArgs,
    /// Folders of runs, evaluations (`eval --out`) and experiments; runs are compared with the
    /// first
    #[arg(required = true, value_name = "RUN")]
    folders: Vec<PathBuf>,
    /// HTML file to write
    #[arg(short, long, value_name = "FILE", default_value = REPORT)]
    out: PathBuf,
    /// Show the names of films, which may identify patients, instead of their lines in the store
    #[arg(long)]
    show_names: bool,
    #[command(subcommand)]
    completions: Option<Completions>,
}

const EXAMPLES: &str = "Examples:
  mflag-report runs/paper
  mflag-report runs/siim runs/siim-random --out comparison.html
  mflag-report runs/paper runs/tables --out all.html

A run may still be running. The file loads nothing and needs no network.";

fn main() -> ExitCode {
    let cli: Cli = parse(EXAMPLES);
    cli.common.init();
    cli.output.run(|out| match cli.completions {
        Some(completions) => {
            completions.run(with_examples(Cli::command(), EXAMPLES))?;
            Ok(ExitCode::SUCCESS)
        }
        None => report(&cli.folders, cli.show_names, &cli.out, out),
    })
}

fn report(
    folders: &[PathBuf],
    show_names: bool,
    file: &Path,
    out: &mut Output,
) -> Result<ExitCode> {
    mflag_report::write(folders, Options { show_names }, file)?;
    out.say("report", file, format!("report: {}\n", file.display()));
    Ok(ExitCode::SUCCESS)
}
