//! `mflag-data`: writes phantoms, prepares data sets, and verifies and inspects their stores.

mod commands;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use mflag_cli::{Common, Completions, OutputArgs, try_parse, with_examples};

use commands::inspect::InspectArgs;
use commands::phantom::PhantomArgs;
use commands::prepare::{self, PrepareArgs};
use commands::verify::VerifyArgs;

/// Prepare chest-film data sets, write phantoms, inspect stores
#[derive(Debug, Parser)]
#[command(name = "mflag-data", version)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  mflag-data phantom --out data/phantoms --films 1000
  mflag-data phantom --as siim --out data/phantoms-siim --films 200
  mflag-data prepare mimic --root data/phantoms --out data/phantoms-store
  mflag-data prepare siim --root /data/siim-acr --split mgca --balance --out data/siim-mgca-256
  mflag-data verify data/mimic-256 data/siim-256
  mflag-data inspect --store data/mimic-256 --sheet sheet.png --label Pneumothorax";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write synthetic chest films with known findings, in the layout of a data set (default:
    /// MIMIC-CXR-JPG with reports)
    Phantom(PhantomArgs),
    /// Read a data set and write its films as squares of one size into a store; continues an
    /// interrupted preparation
    Prepare(PrepareArgs),
    /// Check that no patient and no film is in two splits, within one store or across several
    Verify(VerifyArgs),
    /// Count what a store holds, check that its files are unchanged, draw a contact sheet (small
    /// pictures of its films)
    Inspect(InspectArgs),
    #[command(flatten)]
    Completions(Completions),
}

fn main() -> ExitCode {
    let cli = parse();
    cli.common.init();
    cli.output.run(|out| {
        match cli.command {
            Command::Phantom(args) => args.run(out),
            Command::Prepare(args) => args.run(out),
            Command::Verify(args) => args.run(out),
            Command::Inspect(args) => args.run(out),
            Command::Completions(completions) => {
                Ok(completions.run(with_examples(Cli::command(), EXAMPLES))?)
            }
        }
        .map(|()| ExitCode::SUCCESS)
    })
}

/// Parses the command line. An error ends the program.
fn parse() -> Cli {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    try_parse(EXAMPLES).unwrap_or_else(|error| match prepare::explain_old_form(words) {
        Some(message) => Cli::command()
            .error(ErrorKind::UnknownArgument, message)
            .exit(),
        None => error.exit(),
    })
}
