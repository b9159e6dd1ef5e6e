//! The command line of a head's program: the same for all of them.

use mflag_core::Named;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use mflag_cli::{Common, Completions, ConfigArgs, DeviceArgs, OutputArgs, TrainArgs, after_help};
use mflag_core::output::Output;
use mflag_core::run::{LAST, Provenance, RunFolder};
use mflag_core::table::write_csv;
use mflag_core::{atomic, digest};
use mflag_metrics::bootstrap::Bootstrap;
use mflag_store::{Split, Store};
use mflag_train::device;
use mflag_train::fit;
use mflag_train::shim::libtorch_version;
use tch::Device;

use crate::config::HeadConfig;
use crate::files;
use crate::head::{Head, Purpose, Writer};
use crate::model::{MODEL, Model};
use crate::task::Training;

/// Role of the encoder's weights in a run's provenance.
const ENCODER: &str = "encoder";

/// What a program says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Name of the binary.
    pub name: &'static str,
    /// One line.
    pub about: &'static str,
    /// Below the help.
    pub examples: &'static str,
    /// Its version.
    pub version: &'static str,
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
    /// Train on labelled films, measure on held-out ones after each epoch, judge the best on the test split
    Train(TrainArgs),
    /// Judge a trained head on a split of a store
    Eval(EvalArgs),
    /// Predict on film files (JPEG, PNG, DICOM)
    Predict(PredictArgs),
    /// Print the JSON schema of the configuration
    Schema,
    #[command(flatten)]
    Completions(Completions),
}

#[derive(Debug, Args)]
struct EvalArgs {
    /// Run folder, or its model.safetensors
    #[arg(short, long, value_name = "RUN")]
    model: PathBuf,
    /// Prepared store; that of training when absent
    #[arg(short, long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Which films
    #[arg(long, default_value = "test", value_parser = mflag_cli::named::<Split>())]
    split: Split,
    /// Resamples of the patients behind the 95 % intervals
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    resamples: u32,
    #[command(flatten)]
    on: DeviceArgs,
    /// Folder for the results
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct PredictArgs {
    /// Run folder, or its model.safetensors
    #[arg(short, long, value_name = "RUN")]
    model: PathBuf,
    /// Folder for the predictions
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Draw what is predicted over each film, into the folder overlays of the predictions
    #[arg(long)]
    overlays: bool,
    #[command(flatten)]
    on: DeviceArgs,
    /// Films, folders of them, or patterns in quotes, such as 'films/*.dcm'
    #[arg(required = true, value_name = "FILM")]
    films: Vec<PathBuf>,
}

/// Runs the program of a head.
pub fn main<H: Head>(program: &Program) -> ExitCode {
    let command = Cli::command()
        .name(program.name)
        .version(program.version)
        .about(program.about)
        .after_help(after_help(program.examples));
    let cli = match Cli::from_arg_matches(&command.clone().get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    cli.common.init();
    cli.output.run(|out| match cli.command {
        Command::Train(args) if args.resume => resume::<H>(program, &args.run, out),
        Command::Train(args) => begin::<H>(program, &args.config, &args.run, out),
        Command::Eval(args) => evaluate::<H>(&args, out),
        Command::Predict(args) => predict_films::<H>(&args, out),
        Command::Completions(completions) => {
            completions.run(command)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Schema => {
            let schema = mflag_core::config::schema::<HeadConfig<H::Settings>>();
            println!("{}", serde_json::to_string_pretty(&schema)?);
            Ok(ExitCode::SUCCESS)
        }
    })
}

fn begin<H: Head>(
    program: &Program,
    args: &ConfigArgs,
    folder: &Path,
    out: &mut Output,
) -> Result<ExitCode> {
    let config: HeadConfig<H::Settings> = args.load()?.config;
    RunFolder::check_free(folder)?;
    let store = Arc::new(Store::open(&config.data.store)?);
    let libraries = [("libtorch", libtorch_version())];
    let mut digests = vec![("store", store.digest()?)];
    if let Some(weights) = &config.encoder.weights {
        digests.push((ENCODER, digest::file(weights)?));
    }
    let device = device::setup(&config.train)?;
    // Before there is a run: what cannot be trained leaves none behind.
    let task = Training::<H>::new(config, &store, device)?;
    let provenance = Provenance::collect(&libraries, &digests);
    let run = RunFolder::create(folder, task.config(), &provenance)?;
    train(program, task, &store, device, &run, out)
}

fn resume<H: Head>(program: &Program, folder: &Path, out: &mut Output) -> Result<ExitCode> {
    let (run, config) = RunFolder::resume::<HeadConfig<H::Settings>>(folder)?;
    let store = Arc::new(Store::open(&config.data.store)?);
    run.same_digest("store", &store.digest()?)?;
    let device = device::setup(&config.train)?;
    if run.file(MODEL).exists() && !run.file(LAST).exists() {
        // Trained to its end, and its checkpoints are gone, as those of an experiment's cells.
        return finish::<H>(&store, &run, device, out);
    }
    if let Some(weights) = &config.encoder.weights {
        run.same_digest(ENCODER, &digest::file(weights)?)?;
    }
    let task = Training::<H>::new(config, &store, device)?;
    train(program, task, &store, device, &run, out)
}

fn train<H: Head>(
    program: &Program,
    mut task: Training<H>,
    store: &Arc<Store>,
    device: Device,
    run: &RunFolder,
    out: &mut Output,
) -> Result<ExitCode> {
    let settings = task.config().train.clone();
    let outcome = fit(&mut task, &settings, device, run.path())?;
    let words = mflag_train::summary(run.path(), &outcome)?;
    out.say("training", outcome.json(), words);
    if !outcome.ended.is_end() {
        let (name, folder) = (program.name, run.path().display());
        out.remark(format!(
            "not finished; go on: {name} train --resume --run {folder}\n"
        ));
        mflag_report::write_beside(run.path(), out);
        return Ok(ExitCode::from(outcome.exit_code()));
    }
    task.write_model(run.path())
        .context("the best checkpoint could not be exported")?;
    drop(task);
    finish::<H>(store, run, device, out)
}

/// Judges the model of a finished run on the test split, if the store has one, and writes the run's report.
fn finish<H: Head>(
    store: &Arc<Store>,
    run: &RunFolder,
    device: Device,
    out: &mut Output,
) -> Result<ExitCode> {
    let model = run.file(MODEL);
    let words = format!("model of the best epoch: {}\n", model.display());
    out.say("model", &model, words);
    if store.split(Split::Test).is_empty() {
        out.remark("the store has no test split\n");
    } else {
        let model = Model::<H>::open(&model, device)?;
        let folder = run.file(Split::Test.name());
        let bootstrap = Bootstrap::default();
        write_evaluation(&model, store, Split::Test, bootstrap, &folder, out)?;
    }
    mflag_report::write_beside(run.path(), out);
    Ok(ExitCode::SUCCESS)
}

fn evaluate<H: Head>(args: &EvalArgs, out: &mut Output) -> Result<ExitCode> {
    let model = Model::<H>::open_on(&args.model, args.on.into())?;
    let store = args.store.as_ref().unwrap_or(&model.config.data.store);
    let store = Arc::new(Store::open(store)?);
    let bootstrap = Bootstrap {
        resamples: args.resamples as usize,
        ..Bootstrap::default()
    };
    write_evaluation(&model, &store, args.split, bootstrap, &args.out, out)?;
    Ok(ExitCode::SUCCESS)
}

/// Judges, and writes the [figures](mflag_metrics::evaluation) and the predictions into `folder`.
fn write_evaluation<H: Head>(
    model: &Model<H>,
    store: &Arc<Store>,
    split: Split,
    bootstrap: Bootstrap,
    folder: &Path,
    out: &mut Output,
) -> Result<()> {
    create(folder)?;
    let evaluation = model.evaluate(store, split, bootstrap, Some(folder))?;
    Ok(evaluation.report(folder, out)?)
}

fn predict_films<H: Head>(args: &PredictArgs, out: &mut Output) -> Result<ExitCode> {
    let files = files::find(&args.films)?;
    let model = Model::<H>::open_on(&args.model, args.on.into())?;
    create(&args.out)?;
    let overlays = args.overlays.then(|| args.out.join("overlays"));
    if let Some(folder) = &overlays {
        create(folder)?;
    }
    let mut writer = H::writer(&model.facts, &args.out, Purpose::Prediction)?;
    let bad = model.predict(&files, &mut writer, overlays.as_deref())?;
    writer.finish()?;
    let good = files.len() - bad.len();
    let words = format!("{good} films: {}\n", args.out.display());
    out.say("predicted", good, words);
    let list = args.out.join("bad.csv");
    if bad.is_empty() {
        // Of an earlier prediction.
        atomic::remove(&list)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = bad
        .iter()
        .map(|b| [b.file.display().to_string(), b.reason.clone()]);
    write_csv(&list, ["file", "reason"], rows)?;
    let words = format!(
        "could not be read: {} of {}, see {}\n",
        bad.len(),
        files.len(),
        list.display()
    );
    out.say("bad", bad.len(), words);
    if good == 0 {
        bail!(
            "not one film could be read; {} says of each why",
            list.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn create(out: &Path) -> Result<()> {
    Ok(std::fs::create_dir_all(out).map_err(|e| mflag_core::Error::io("create", out, e))?)
}
