//! `mflag-pretrain`: pre-trains a film encoder on films and reports.

mod commands;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use mflag_cli::{Common, Completions, OutputArgs, parse, with_examples};
use mflag_core::launch::Launch;

use commands::encode_text::EncodeTextArgs;
use commands::export::ExportArgs;
use commands::retrieve::RetrieveArgs;
use commands::train::PretrainArgs;
use commands::zero_shot::ZeroShotArgs;

/// Pre-train a film encoder on chest films and their reports (M-FLAG, MICCAI 2023)
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  mflag-pretrain train --config configs/pretrain/paper.yaml --run runs/paper
  mflag-pretrain train --config configs/pretrain/paper.yaml --set train.epochs=5 --run runs/short
  mflag-pretrain train --resume --run runs/paper
  torchrun --no-python --nproc-per-node 4 \\
      mflag-pretrain train --config configs/pretrain/paper.yaml --run runs/paper
  mflag-pretrain encode-text --config configs/pretrain/paper.yaml
  mflag-pretrain zero-shot --run runs/paper --store data/chexpert/store-256 \\
      --prompts configs/zero-shot/chexpert.yaml --out zero-shot
  mflag-pretrain retrieve --run runs/paper --store data/mimic-cxr/store-256 --split test \\
      --text \"Large left pleural effusion.\"
  mflag-pretrain export --run runs/paper --out paper-encoder
  mflag-pretrain export --run runs/paper --format onnx --fold-batch-norm --out paper-encoder";

#[derive(Debug, Subcommand)]
enum Command {
    /// Encode the reports of the store into the text cache (train also does this)
    EncodeText(EncodeTextArgs),
    /// Train, validate after each epoch, and keep the best encoder
    Train(PretrainArgs),
    /// Classify findings without training, by comparing films with sentences; AUROC against the
    /// store's labels
    ZeroShot(ZeroShotArgs),
    /// Find films by a sentence, or reports by a film
    Retrieve(RetrieveArgs),
    /// Write the encoder for other programs (safetensors, TorchScript, ONNX), with a model card
    Export(ExportArgs),
    /// Print the JSON schema of the configuration
    Schema,
    #[command(flatten)]
    Completions(Completions),
}

impl Command {
    /// Whether rank 0 logs and prints for this process, too.
    fn is_secondary(&self) -> bool {
        let launch = Launch::from_environment().ok().flatten();
        matches!(self, Command::Train(_)) && launch.is_some_and(|launch| launch.rank > 0)
    }
}

fn main() -> ExitCode {
    let cli: Cli = parse(EXAMPLES);
    cli.common.init_unless(cli.command.is_secondary());
    cli.output.run(|out| {
        match &cli.command {
            Command::EncodeText(args) => commands::encode_text::run(args, out)?,
            Command::Train(args) => return commands::train::run(args, out),
            Command::ZeroShot(args) => commands::zero_shot::run(args, out)?,
            Command::Retrieve(args) => commands::retrieve::run(args, out)?,
            Command::Export(args) => commands::export::run(args, out)?,
            Command::Schema => commands::schema::run()?,
            Command::Completions(completions) => {
                completions.run(with_examples(Cli::command(), EXAMPLES))?;
            }
        }
        Ok::<_, anyhow::Error>(ExitCode::SUCCESS)
    })
}
