//! The command line of a head's program: the same for all of them.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use mflag_cli::{Common, Completions, DeviceArgs, OutputArgs, TrainArgs, after_help};
use mflag_core::output::Output;
use mflag_core::run::{LAST, RunFolder};
use mflag_core::table::write_csv;
use mflag_core::{Named, atomic};
use mflag_metrics::bootstrap::Bootstrap;
use mflag_store::{Split, Store};
use mflag_train::lifecycle::{self, RunKind};
use mflag_train::{TaskResult, TrainerConfig};
use tch::Device;

use crate::config::HeadConfig;
use crate::files;
use crate::head::{Head, Purpose, Writer};
use crate::model::{MODEL, Model};
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
        Command::Train(args) => train::<H>(program, &args, out),
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

/// A run of a head.
struct HeadRun<H> {
    program: &'static str,
    head: PhantomData<H>,
}

impl<H: Head> RunKind for HeadRun<H> {
    type Config = HeadConfig<H::Settings>;
    type Inputs = Arc<Store>;
    type Task = Training<H>;

    fn program(&self) -> &str {
        self.program
    }

    fn trainer<'a>(&self, config: &'a Self::Config) -> &'a TrainerConfig {
        &config.train
    }

    fn initial_weights<'a>(&self, config: &'a Self::Config) -> Option<&'a Path> {
        config.encoder.weights.as_deref()
    }

    fn open(&self, config: &Self::Config, _device: Device) -> TaskResult<Arc<Store>> {
        Ok(Arc::new(Store::open(&config.data.store)?))
    }

    fn digests(&self, store: &Arc<Store>) -> TaskResult<Vec<(&'static str, String)>> {
        Ok(vec![("store", store.digest()?)])
    }

    fn task(
        &self,
        config: &Self::Config,
        store: Arc<Store>,
        device: Device,
    ) -> TaskResult<Training<H>> {
        Ok(Training::new(config.clone(), &store, device)?)
    }

    fn complete(&self, _config: Self::Config, task: &Training<H>) -> Self::Config {
        task.config().clone()
    }

    fn finish(
        &self,
        task: Training<H>,
        _config: &Self::Config,
        run: &RunFolder,
        device: Device,
        out: &mut Output,
    ) -> TaskResult<()> {
        task.write_model(run.path())
            .context("the best checkpoint could not be exported")?;
        let store = task.store().clone();
        // Frees the memory of the network in training.
        drop(task);
        Ok(report_model::<H>(&store, run, device, out)?)
    }

    /// An experiment's cells, for instance, keep their model and no checkpoint.
    fn finish_again(
        &self,
        run: &RunFolder,
        store: &Arc<Store>,
        device: Device,
        out: &mut Output,
    ) -> TaskResult<bool> {
        let is_trained = run.file(MODEL).exists() && !run.file(LAST).exists();
        if is_trained {
            report_model::<H>(store, run, device, out)?;
        }
        Ok(is_trained)
    }
}

fn train<H: Head>(program: &Program, args: &TrainArgs, out: &mut Output) -> Result<ExitCode> {
    let kind = HeadRun::<H> {
        program: program.name,
        head: PhantomData,
    };
    let code = if args.resume {
        lifecycle::resume(&kind, &args.run, out)?
    } else {
        lifecycle::begin(&kind, args.config.load()?.config, &args.run, out)?
    };
    if let Some(report) = mflag_report::write_beside(&args.run) {
        out.say("report", &report, format!("report: {}\n", report.display()));
    }
    Ok(code)
}

/// Prints where the model of a trained run is, and evaluates it on the test split, if the store has
/// one.
fn report_model<H: Head>(
    store: &Arc<Store>,
    run: &RunFolder,
    device: Device,
    out: &mut Output,
) -> Result<()> {
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
    Ok(())
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
    out.say("evaluation", &evaluation, evaluation.table());
    evaluation.write(folder)?;
    out.remark(format!("{}: {}\n", evaluation.sample(), folder.display()));
    Ok(())
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
