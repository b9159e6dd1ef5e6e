//! The command line that all heads share. The program of a head is one call of [`main`].

mod commands;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use mflag_cli::{Common, Completions, OutputArgs, TrainArgs, after_help};
use mflag_head::Head;

use commands::eval::EvalArgs;
use commands::predict::PredictArgs;
use commands::{eval, predict, schema, train};

/// The name, version and texts of a head's program.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Name of the binary.
    pub name: &'static str,
    /// Version of the binary.
    pub version: &'static str,
    /// Commit that the binary was built from: `option_env!("MFLAG_COMMIT")` in a package whose
    /// build script is that of `crates/classify`. `None` if it is not known.
    pub commit: Option<&'static str>,
    /// One line on what it does.
    pub about: &'static str,
    /// Examples, shown below the help.
    pub examples: &'static str,
}

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train on labelled films, validate after each epoch, evaluate the best epoch on the test
    /// split
    Train(TrainArgs),
    /// Evaluate a trained head on a split of a store
    Eval(EvalArgs),
    /// Predict on film files (JPEG, PNG, DICOM)
    Predict(PredictArgs),
    /// Print the JSON schema of the configuration
    Schema,
    #[command(flatten)]
    Completions(Completions),
}

/// Runs the program of a head.
pub fn main<H: Head>(program: &Program) -> ExitCode {
    let (command, cli) = parse(program);
    cli.common.init();
    cli.output.run(|out| match &cli.command {
        Command::Train(args) => train::run::<H>(program, args, out),
        Command::Eval(args) => eval::run::<H>(args, out),
        Command::Predict(args) => predict::run::<H>(args, out),
        Command::Schema => schema::run::<H>(),
        Command::Completions(completions) => {
            completions.run(command)?;
            Ok(ExitCode::SUCCESS)
        }
    })
}

/// Parses the command line; ends the process with a message if it cannot be parsed. Also returns
/// the command, from which completions are made.
fn parse(program: &Program) -> (clap::Command, Cli) {
    let command = Cli::command()
        .name(program.name)
        .version(program.version)
        .about(program.about)
        .after_help(after_help(program.examples));
    match Cli::from_arg_matches(&command.clone().get_matches()) {
        Ok(cli) => (command, cli),
        Err(error) => error.exit(),
    }
}
