//! `mflag-pretrain`: pre-trains a film encoder on films and reports.

mod ask;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use mflag_cli::{Common, Completions, ConfigArgs, OutputArgs, TrainArgs, after_help};
use mflag_core::output::Output;
use mflag_core::table::Table;
use mflag_pretrain::config::PretrainConfig;
use mflag_pretrain::export::ExportArgs;
use mflag_pretrain::pairs::{Chosen, encode_texts};
use mflag_pretrain::run::PretrainRun;
use mflag_store::Store;
use mflag_train::{device, lifecycle};

/// Pre-train a film encoder on chest films and their reports (M-FLAG, MICCAI 2023)
#[derive(Debug, Parser)]
#[command(version, after_help = after_help(EXAMPLES))]
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
  mflag-pretrain encode-text --config configs/pretrain/paper.yaml
  mflag-pretrain zero-shot --run runs/paper --store data/chexpert/store-256 --prompts configs/zero-shot/chexpert.yaml --out zero-shot
  mflag-pretrain retrieve --run runs/paper --store data/mimic-cxr/store-256 --split test --text \"Large left pleural effusion.\"
  mflag-pretrain export --run runs/paper --out paper-encoder
  mflag-pretrain export --run runs/paper --format onnx --fold-batch-norm --out paper-encoder";

#[derive(Debug, Subcommand)]
enum Command {
    /// Encode the reports of the store into the text cache (train does it too, if need be)
    EncodeText {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Train, measure after each epoch, keep the best encoder
    Train(TrainArgs),
    /// Judge findings without any training: films against sentences, AUROC by the labels of a store
    ZeroShot(ask::ZeroShot),
    /// Find films by a sentence, or reports by a film
    Retrieve(ask::Retrieve),
    /// Write the encoder for other programs (safetensors, TorchScript, ONNX), with a model card to fill in
    Export(ExportArgs),
    /// Print the JSON schema of the configuration
    Schema,
    #[command(flatten)]
    Completions(Completions),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.common.init();
    cli.output.run(|out| match cli.command {
        Command::EncodeText { config } => encode(&config.load()?.config, out),
        Command::Train(args) => train(&args, out),
        Command::ZeroShot(zero_shot) => {
            zero_shot.run(out)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Retrieve(retrieve) => {
            retrieve.run(out)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Export(export) => {
            let files = export.run()?;
            out.say("files", &files, &files);
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions(completions) => {
            completions.run(Cli::command())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Schema => {
            let schema = mflag_core::config::schema::<PretrainConfig>();
            println!("{}", serde_json::to_string_pretty(&schema)?);
            Ok(ExitCode::SUCCESS)
        }
    })
}

fn encode(config: &PretrainConfig, out: &mut Output) -> Result<ExitCode> {
    let device = device::setup(&config.train)?;
    let store = Store::open(&config.data.store)?;
    let chosen = Chosen::of(&store, &config.data, config.train.batch_size)?;
    let texts = chosen.texts(&store);
    let begin = Instant::now();
    let encoder = config.text.encoder(device)?;
    let (cache, filled) = encode_texts(&encoder, &config.text.cache, &texts)?;
    let mut table = Table::new(&[
        "reports",
        "distinct",
        "encoded now",
        "in the cache",
        "seconds",
    ]);
    let counts = [texts.len(), filled.distinct, filled.encoded, cache.len()];
    let seconds = format!("{:.1}", begin.elapsed().as_secs_f64());
    table.row(counts.iter().map(ToString::to_string).chain([seconds]));
    out.say("texts", &table, &table);
    Ok(ExitCode::SUCCESS)
}

fn train(args: &TrainArgs, out: &mut Output) -> Result<ExitCode> {
    let code = if args.resume {
        lifecycle::resume(&PretrainRun, &args.run, out)?
    } else {
        lifecycle::begin(&PretrainRun, args.config.load()?.config, &args.run, out)?
    };
    if let Some(report) = mflag_report::write_beside(&args.run) {
        out.say("report", &report, format!("report: {}\n", report.display()));
    }
    Ok(code)
}
