//! `mflag-pretrain`: pre-trains a film encoder on films and reports.

mod ask;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand};
use mflag_cli::{Common, Completions, ConfigArgs, OutputArgs, TrainArgs, after_help};
use mflag_core::digest;
use mflag_core::output::Output;
use mflag_core::run::{LAST, Provenance, RunFolder};
use mflag_core::table::Table;
use mflag_encoder::text::TextEncoder;
use mflag_pretrain::config::PretrainConfig;
use mflag_pretrain::export::{ENCODER, ExportArgs, Kept, export_encoder};
use mflag_pretrain::pairs::{Chosen, LANGUAGE_MODEL, Pairs, encode_texts};
use mflag_pretrain::task::Pretraining;
use mflag_store::Store;
use mflag_train::shim::libtorch_version;
use mflag_train::{device, fit, summary};
use tch::Device;

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
        Command::Train(args) if args.resume => resume(&args.run, out),
        Command::Train(args) => begin(&args.config, &args.run, out),
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

fn begin(args: &ConfigArgs, folder: &Path, out: &mut Output) -> Result<ExitCode> {
    let config: PretrainConfig = args.load()?.config;
    RunFolder::check_free(folder)?;
    let store = Arc::new(Store::open(&config.data.store)?);
    let device = device::setup(&config.train)?;
    let text = config.text.encoder(device)?;
    let libraries = [("libtorch", libtorch_version())];
    let mut digests = vec![
        ("store", store.digest()?),
        (LANGUAGE_MODEL, text.fingerprint()),
    ];
    if let Some(weights) = &config.encoder.weights {
        digests.push(("encoder", digest::file(weights)?));
    }
    // Before there is a run: what cannot be trained leaves none behind.
    let task = pretraining(config.clone(), store, text, device)?;
    let provenance = Provenance::collect(&libraries, &digests);
    let run = RunFolder::create(folder, &config, &provenance)?;
    train(&config, task, device, &run, out)
}

fn resume(folder: &Path, out: &mut Output) -> Result<ExitCode> {
    let (run, config) = RunFolder::resume::<PretrainConfig>(folder)?;
    let store = Arc::new(Store::open(&config.data.store)?);
    run.same_digest("store", &store.digest()?)?;
    let device = device::setup(&config.train)?;
    let text = config.text.encoder(device)?;
    run.same_digest(LANGUAGE_MODEL, &text.fingerprint())?;
    let mut settings = config.clone();
    if run.file(LAST).exists() {
        // It has the encoder's weights; those of the start may be gone.
        settings.encoder.weights = None;
    }
    let task = pretraining(settings, store, text, device)?;
    train(&config, task, device, &run, out)
}

/// The job: pairs chosen, reports encoded, a model with the weights of the start.
fn pretraining(
    config: PretrainConfig,
    store: Arc<Store>,
    text: TextEncoder,
    device: Device,
) -> Result<Pretraining> {
    let chosen = Chosen::of(&store, &config.data, config.train.batch_size)?;
    tracing::info!(
        "{} training pairs, {} validation pairs, {}, {device:?}",
        chosen.train.len(),
        chosen.validation.len(),
        config.encoder.arch.name()
    );
    let (cache, _) = encode_texts(&text, &config.text.cache, &chosen.texts(&store))?;
    // Its weights are needed no more.
    drop(text);
    let pairs = Pairs::new(store, &chosen, cache, &config)?;
    Ok(Pretraining::new(config, pairs, device)?)
}

fn train(
    config: &PretrainConfig,
    mut task: Pretraining,
    device: Device,
    run: &RunFolder,
    out: &mut Output,
) -> Result<ExitCode> {
    let outcome = fit(&mut task, &config.train, device, run.path())?;
    let words = summary(run.path(), &outcome)?;
    out.say("training", outcome.json(), words);
    if outcome.ended.is_end() {
        let encoder = run.file(ENCODER);
        export_encoder(run, Kept::Best, config, task.preprocess(), &encoder)
            .context("the best checkpoint could not be exported")?;
        let words = format!("encoder of the best epoch: {}\n", encoder.display());
        out.say("encoder", &encoder, words);
    } else {
        let folder = run.path().display();
        out.remark(format!(
            "not finished; go on: mflag-pretrain train --resume --run {folder}\n"
        ));
    }
    mflag_report::write_beside(run.path(), out);
    Ok(ExitCode::from(outcome.exit_code()))
}
