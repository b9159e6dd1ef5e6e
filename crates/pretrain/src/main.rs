//! `mflag-pretrain`: pre-trains a film encoder on films and reports.

mod ask;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand};
use mflag_core::cli::{Common, ConfigArgs, after_help, run_main};
use mflag_core::generate::Generate;
use mflag_core::run::{Provenance, RunFolder};
use mflag_core::table::Table;
use mflag_data::store::Store;
use mflag_pretrain::config::PretrainConfig;
use mflag_pretrain::export::{ENCODER, ExportArgs, Kept, export_encoder};
use mflag_pretrain::pairs::{Chosen, Pairs, encode_texts};
use mflag_pretrain::task::Pretraining;
use mflag_train::shim::libtorch_version;
use mflag_train::{Ended, device, fit, summary};

/// Pre-train a film encoder on chest films and their reports (M-FLAG, MICCAI 2023)
#[derive(Debug, Parser)]
#[command(version, after_help = after_help(EXAMPLES))]
struct Cli {
    #[command(flatten)]
    common: Common,
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
    Train {
        #[command(flatten)]
        config: ConfigArgs,
        /// Folder of the run: configuration, metrics, checkpoints, encoder
        #[arg(short, long, value_name = "DIR")]
        run: PathBuf,
        /// Go on with the run in that folder, by its own configuration
        #[arg(long, conflicts_with_all = ["config", "sets"])]
        resume: bool,
    },
    /// Judge findings without any training: films against sentences, AUROC by the labels of a store
    ZeroShot(ask::ZeroShot),
    /// Find films by a sentence, or reports by a film
    Retrieve(ask::Retrieve),
    /// Write the encoder for other programs (safetensors, TorchScript, ONNX), with a model card to fill in
    Export(ExportArgs),
    /// Print the JSON schema of the configuration
    Schema,
    #[command(flatten)]
    Generate(Generate),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.common.init();
    run_main(|| match cli.command {
        Command::EncodeText { config } => encode(&config.load()?.config),
        Command::Train {
            config,
            run,
            resume: false,
        } => begin(&config, &run),
        Command::Train {
            run, resume: true, ..
        } => resume(&run),
        Command::ZeroShot(zero_shot) => {
            zero_shot.run()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Retrieve(retrieve) => {
            retrieve.run()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Export(export) => {
            print!("{}", export.run()?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Generate(generate) => {
            generate.run(Cli::command())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Schema => {
            let schema = mflag_core::config::schema::<PretrainConfig>();
            println!("{}", serde_json::to_string_pretty(&schema)?);
            Ok(ExitCode::SUCCESS)
        }
    })
}

fn encode(config: &PretrainConfig) -> Result<ExitCode> {
    let device = device::setup(&config.train)?;
    let store = Store::open(&config.data.store)?;
    let chosen = Chosen::of(&store, &config.data, config.train.batch_size)?;
    let texts = chosen.texts(&store);
    let begin = Instant::now();
    let (cache, filled) = encode_texts(&config.text, &texts, device)?;
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
    print!("{table}");
    Ok(ExitCode::SUCCESS)
}

fn begin(args: &ConfigArgs, folder: &Path) -> Result<ExitCode> {
    let config: PretrainConfig = args.load()?.config;
    let store = Arc::new(Store::open(&config.data.store)?);
    let libraries = [("libtorch", libtorch_version())];
    let provenance = Provenance::collect(&libraries, &[("store", store.digest()?)]);
    let run = RunFolder::create(folder, &config, &provenance)?;
    train(&config, store, &run)
}

fn resume(folder: &Path) -> Result<ExitCode> {
    let (run, config) = RunFolder::open::<PretrainConfig>(folder)?;
    let store = Arc::new(Store::open(&config.data.store)?);
    run.same_digest("store", &store.digest()?)?;
    train(&config, store, &run)
}

fn train(config: &PretrainConfig, store: Arc<Store>, run: &RunFolder) -> Result<ExitCode> {
    let device = device::setup(&config.train)?;
    let chosen = Chosen::of(&store, &config.data, config.train.batch_size)?;
    tracing::info!(
        "{} training pairs, {} validation pairs, {}, {device:?}",
        chosen.train.len(),
        chosen.validation.len(),
        config.encoder.arch.name()
    );
    let (cache, _) = encode_texts(&config.text, &chosen.texts(&store), device)?;
    let pairs = Pairs::new(store, &chosen, cache, config)?;
    let mut task = Pretraining::new(config.clone(), pairs, device)?;
    let outcome = fit(&mut task, &config.train, device, run.path())?;
    let encoder = run.file(ENCODER);
    export_encoder(run, Kept::Best, config, task.preprocess(), &encoder)
        .context("the best checkpoint could not be exported")?;
    print!("{}", summary(run.path(), &outcome)?);
    println!("encoder of the best epoch: {}", encoder.display());
    if matches!(outcome.ended, Ended::Interrupted(_) | Ended::StepLimit) {
        let folder = run.path().display();
        println!("not finished; go on: mflag-pretrain train --resume --run {folder}");
    }
    mflag_report::write_beside(run.path());
    Ok(ExitCode::from(outcome.exit_code()))
}
