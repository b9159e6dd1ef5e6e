//! The command line that all heads share. The program of a head is one call of [`main`].

mod commands;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use mflag_cli::{Common, Completions, OutputArgs, TrainArgs, with_examples};
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
    /// Examples of every subcommand, shown below the help.
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
    let (command, cli) = parse(program, H::HAS_BOXES);
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

/// Refuses the flags of `predict` that choose boxes, and hides them from its help.
fn without_flags_of_boxes(command: clap::Command) -> clap::Command {
    fn refuse<T>(_: &str) -> Result<T, String> {
        Err("this program predicts no boxes; leave the flag out".to_owned())
    }
    command.mut_subcommand("predict", |predict| {
        predict
            .mut_arg("confidence", |arg| {
                arg.hide(true).value_parser(refuse::<f64>)
            })
            .mut_arg("top", |arg| arg.hide(true).value_parser(refuse::<usize>))
    })
}

/// Parses the command line; ends the process with a message if it cannot be parsed. Also returns
/// the command, from which completions are made.
fn parse(program: &Program, has_boxes: bool) -> (clap::Command, Cli) {
    let command = Cli::command()
        .name(program.name)
        .version(program.version)
        .about(program.about);
    let command = if has_boxes {
        command
    } else {
        without_flags_of_boxes(command)
    };
    let command = with_examples(command, program.examples);
    match Cli::from_arg_matches(&command.clone().get_matches()) {
        Ok(cli) => (command, cli),
        Err(error) => error.exit(),
    }
}
