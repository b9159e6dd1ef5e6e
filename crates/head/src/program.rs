//! The command line of a head's program: the same for all of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use mflag_core::cli::{Common, ConfigArgs, after_help, run_main};
use mflag_core::generate::Generate;
use mflag_core::run::{Provenance, RunFolder};
use mflag_core::table::write_csv;
use mflag_data::Split;
use mflag_data::store::Store;
use mflag_metrics::bootstrap::Bootstrap;
use mflag_train::shim::libtorch_version;
use mflag_train::{Ended, device, fit};
use tch::Device;

use crate::config::HeadConfig;
use crate::head::{Head, Purpose, Writer};
use crate::model::{MODEL, Model};
use crate::predict;
use crate::task::Training;

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
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train on labelled films, measure on held-out ones after each epoch, judge the best on the test split
    Train {
        #[command(flatten)]
        config: ConfigArgs,
        /// Folder of the run: configuration, metrics, checkpoints, model, test results
        #[arg(short, long, value_name = "DIR")]
        run: PathBuf,
        /// Go on with the run in that folder, by its own configuration
        #[arg(long, conflicts_with_all = ["config", "sets"])]
        resume: bool,
    },
    /// Judge a trained head on a split of a store
    Eval(EvalArgs),
    /// Predict on film files (JPEG, PNG, DICOM)
    Predict(PredictArgs),
    /// Print the JSON schema of the configuration
    Schema,
    #[command(flatten)]
    Generate(Generate),
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
    #[arg(long, value_enum, default_value_t = SplitName::Test)]
    split: SplitName,
    /// Resamples of the patients behind the 95 % intervals
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    resamples: u32,
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
    /// Films, folders of them, or patterns in quotes, such as 'films/*.dcm'
    #[arg(required = true, value_name = "FILM")]
    films: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SplitName {
    Train,
    Validate,
    Test,
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
    run_main(|| match cli.command {
        Command::Train {
            config,
            run,
            resume: false,
        } => begin::<H>(program, &config, &run),
        Command::Train {
            run, resume: true, ..
        } => resume::<H>(program, &run),
        Command::Eval(args) => evaluate::<H>(&args),
        Command::Predict(args) => predict_films::<H>(&args),
        Command::Generate(generate) => {
            generate.run(command)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Schema => {
            let schema = mflag_core::config::schema::<HeadConfig<H::Settings>>();
            println!("{}", serde_json::to_string_pretty(&schema)?);
            Ok(ExitCode::SUCCESS)
        }
    })
}

fn begin<H: Head>(program: &Program, args: &ConfigArgs, folder: &Path) -> Result<ExitCode> {
    let config: HeadConfig<H::Settings> = args.load()?.config;
    let store = Arc::new(Store::open(&config.data.store)?);
    let libraries = [("libtorch", libtorch_version())];
    let mut digests = vec![("store", store.digest()?)];
    if let Some(weights) = &config.encoder.weights {
        digests.push(("encoder", mflag_core::digest::file(weights)?));
    }
    let provenance = Provenance::collect(&libraries, &digests);
    let run = RunFolder::create(folder, &config, &provenance)?;
    train::<H>(program, config, &store, &run)
}

fn resume<H: Head>(program: &Program, folder: &Path) -> Result<ExitCode> {
    let (run, config) = RunFolder::open::<HeadConfig<H::Settings>>(folder)?;
    let store = Arc::new(Store::open(&config.data.store)?);
    run.same_digest("store", &store.digest()?)?;
    train::<H>(program, config, &store, &run)
}

fn train<H: Head>(
    program: &Program,
    config: HeadConfig<H::Settings>,
    store: &Arc<Store>,
    run: &RunFolder,
) -> Result<ExitCode> {
    let device = device::setup(&config.train)?;
    let settings = config.train.clone();
    let mut task = Training::<H>::new(config, store, device)?;
    let outcome = fit(&mut task, &settings, device, run.path())?;
    print!("{}", mflag_train::summary(run.path(), &outcome)?);
    if matches!(outcome.ended, Ended::Interrupted(_) | Ended::StepLimit) {
        let (name, folder) = (program.name, run.path().display());
        println!("not finished; go on: {name} train --resume --run {folder}");
        mflag_report::write_beside(run.path());
        return Ok(ExitCode::from(outcome.exit_code()));
    }
    task.write_model(run.path())
        .context("the best checkpoint could not be exported")?;
    drop(task);
    judge::<H>(store, run, device)?;
    mflag_report::write_beside(run.path());
    Ok(ExitCode::SUCCESS)
}

/// Judges the model of a finished run on the test split, if the store has one.
fn judge<H: Head>(store: &Arc<Store>, run: &RunFolder, device: Device) -> Result<()> {
    let model = run.file(MODEL);
    println!("model of the best epoch: {}", model.display());
    if store.split(Split::Test).is_empty() {
        println!("the store has no test split");
        return Ok(());
    }
    let model = Model::<H>::open(&model, device)?;
    let out = run.file(Split::Test.name());
    write_evaluation(&model, store, Split::Test, Bootstrap::default(), &out)
}

fn evaluate<H: Head>(args: &EvalArgs) -> Result<ExitCode> {
    let model = open::<H>(&args.model)?;
    let store = args.store.as_ref().unwrap_or(&model.config.data.store);
    let store = Arc::new(Store::open(store)?);
    let split = match args.split {
        SplitName::Train => Split::Train,
        SplitName::Validate => Split::Validate,
        SplitName::Test => Split::Test,
    };
    let bootstrap = Bootstrap {
        resamples: args.resamples as usize,
        ..Bootstrap::default()
    };
    write_evaluation(&model, &store, split, bootstrap, &args.out)?;
    Ok(ExitCode::SUCCESS)
}

/// Judges, and writes the [figures](mflag_metrics::evaluation) and the predictions into `out`.
fn write_evaluation<H: Head>(
    model: &Model<H>,
    store: &Arc<Store>,
    split: Split,
    bootstrap: Bootstrap,
    out: &Path,
) -> Result<()> {
    create(out)?;
    let evaluation = model.evaluate(store, split, bootstrap, Some(out))?;
    print!("{}", evaluation.table());
    evaluation.write(out)?;
    println!(
        "{} films of {} patients: {}",
        evaluation.films,
        evaluation.patients,
        out.display()
    );
    Ok(())
}

fn predict_films<H: Head>(args: &PredictArgs) -> Result<ExitCode> {
    let files = predict::files(&args.films)?;
    let model = open::<H>(&args.model)?;
    create(&args.out)?;
    let overlays = args.overlays.then(|| args.out.join("overlays"));
    if let Some(folder) = &overlays {
        create(folder)?;
    }
    let mut writer = H::writer(&model.facts, &args.out, Purpose::Prediction)?;
    let bad = model.predict(&files, &mut writer, overlays.as_deref())?;
    writer.finish()?;
    let good = files.len() - bad.len();
    println!("{good} films: {}", args.out.display());
    if bad.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let list = args.out.join("bad.csv");
    let rows = bad
        .iter()
        .map(|b| [b.file.display().to_string(), b.reason.clone()]);
    write_csv(&list, ["file", "reason"], rows)?;
    println!("{} films could not be read: {}", bad.len(), list.display());
    Ok(if good == 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The model, on the device that it was trained for or may be on.
fn open<H: Head>(path: &Path) -> Result<Model<H>> {
    // Device and threads are those of the training configuration, which the file holds.
    let config = Model::<H>::config_of(path)?;
    Ok(Model::open(path, device::setup(&config.train)?)?)
}

fn create(out: &Path) -> Result<()> {
    Ok(std::fs::create_dir_all(out).map_err(|e| mflag_core::Error::io("create", out, e))?)
}
