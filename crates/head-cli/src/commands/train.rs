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
use mflag_store::{Split, Store};
use mflag_train::lifecycle::{self, RunKind};
use mflag_train::{TaskResult, TrainerConfig};
use tch::Device;

use super::eval::evaluate;

/// Begins or resumes a run of the program `program`.
pub(crate) fn run<H: Head>(
    program: &'static str,
    args: &TrainArgs,
    out: &mut Output,
) -> Result<ExitCode> {
    let kind = HeadRun::<H> {
        program,
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
        config.encoder.network.weights.as_deref()
    }

    fn open(&self, config: &Self::Config, _device: Device) -> TaskResult<Arc<Store>> {
        Ok(Arc::new(Store::open(&config.data.films.store)?))
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
    let folder = run.file(Split::Test.name());
    let bootstrap = Bootstrap::default();
    evaluate(&model, store, Split::Test, bootstrap, &folder, out)
}
