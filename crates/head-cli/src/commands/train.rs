//! `train`: trains a head and evaluates it on the test split.

use std::marker::PhantomData;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use mflag_cli::TrainArgs;
use mflag_core::Named;
use mflag_core::output::Output;
use mflag_core::run::{LAST, RunFolder};
use mflag_head::{Head, HeadConfig, MODEL, Model, Training};
use mflag_metrics::bootstrap::Bootstrap;
use mflag_store::{Split, Store, Verification};
use mflag_train::lifecycle::{self, RunKind};
use mflag_train::{TaskResult, TrainerConfig, World};
use tch::Device;

use super::eval::evaluate;
use crate::Program;

/// Begins or resumes a run of the program `program`.
pub(crate) fn run<H: Head>(
    program: &Program,
    args: &TrainArgs,
    out: &mut Output,
) -> Result<ExitCode> {
    let kind = HeadRun::<H> {
        program: *program,
        head: PhantomData,
    };
    World::refuse(program.name)?;
    if args.dry_run {
        let config = args.config.load()?.config;
        lifecycle::check(&kind, &config, &args.run)?;
        out.say("ready", true, "nothing stands against this run\n");
        return Ok(ExitCode::SUCCESS);
    }
    let code = if args.resume {
        lifecycle::resume(&kind, &args.run, &args.config.sets, out)?
    } else {
        lifecycle::begin(&kind, args.config.load()?.config, &args.run, out)?
    };
    if let Some(report) = mflag_report::write_beside(&args.run) {
        out.say("report", &report, format!("report: {}\n", report.display()));
    }
    Ok(code)
}

/// A run of a head.
struct HeadRun<H> {
    program: Program,
    head: PhantomData<H>,
}

/// What a run of a head reads.
struct Inputs {
    store: Arc<Store>,
    verification: Verification,
}

impl<H: Head> RunKind for HeadRun<H> {
    type Config = HeadConfig<H::Settings>;
    type Inputs = Inputs;
    type Task = Training<H>;

    fn program(&self) -> &str {
        self.program.name
    }

    fn commit(&self) -> Option<&str> {
        self.program.commit
    }

    fn trainer<'a>(&self, config: &'a Self::Config) -> &'a TrainerConfig {
        &config.train
    }

    fn initial_weights<'a>(&self, config: &'a Self::Config) -> Option<&'a Path> {
        config.encoder.network.weights.as_deref()
    }

    fn open(&self, config: &Self::Config, _device: Device) -> TaskResult<Inputs> {
        let store = Arc::new(Store::open(&config.data.films.store)?);
        let verification = store.verify_beside();
        Ok(Inputs {
            store,
            verification,
        })
    }

    fn digests(&self, inputs: &Inputs) -> TaskResult<Vec<(&'static str, String)>> {
        Ok(vec![("store", inputs.store.digest()?)])
    }

    fn check(&self, config: &Self::Config, inputs: &Inputs) -> TaskResult<()> {
        Ok(Training::<H>::check(config.clone(), &inputs.store)?)
    }

    fn task(
        &self,
        config: &Self::Config,
        inputs: Inputs,
        device: Device,
    ) -> TaskResult<Training<H>> {
        let training = Training::new(config.clone(), &inputs.store, device)?;
        inputs.verification.finish()?;
        Ok(training)
    }

    fn complete(&self, _config: Self::Config, task: &Training<H>) -> Self::Config {
        task.config().clone()
    }

    fn view(&self, task: &Training<H>) -> String {
        task.seen().to_string()
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

    /// Evaluates again a run that has its model but no checkpoint, such as a cell of an experiment.
    fn finish_again(
        &self,
        run: &RunFolder,
        inputs: &Inputs,
        device: Device,
        out: &mut Output,
    ) -> TaskResult<bool> {
        let is_trained = run.file(MODEL).exists() && !run.file(LAST).exists();
        if is_trained {
            inputs.store.verify()?;
            report_model::<H>(&inputs.store, run, device, out)?;
        }
        Ok(is_trained)
    }
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
        return Ok(());
    }
    let model = Model::<H>::open(&model, device)?;
    if !model.has_labelled(store, Split::Test)? {
        out.remark("no film of the test split has labels, so there is no evaluation\n");
        return Ok(());
    }
    let folder = run.file(Split::Test.name());
    let bootstrap = Bootstrap::default();
    evaluate(&model, store, Split::Test, bootstrap, &folder, out)
}
