//! The life of a run, from its configuration to its end: the same for pre-training and for a head.

use std::path::Path;
use std::process::ExitCode;

use mflag_core::config::Config;
use mflag_core::digest;
use mflag_core::output::Output;
use mflag_core::run::{LAST, Provenance, RunFolder};
use tch::Device;

use crate::config::TrainerConfig;
use crate::error::{Result, TaskResult};
use crate::print::{print_result, print_resume_command};
use crate::task::Task;
use crate::{fit, setup, shim};

/// The name of the encoder's initial weights among the digests of a run's inputs.
const ENCODER: &str = "encoder";

/// A kind of run: pre-training, or one of the heads.
pub trait RunKind {
    /// The configuration of a run.
    type Config: Config + Clone;
    /// The opened inputs of a run: the store, and in pre-training the language model.
    type Inputs;
    /// The training job.
    type Task: Task;

    /// The name of the program, as users type it.
    fn program(&self) -> &str;

    /// The settings of the training loop.
    fn trainer<'a>(&self, config: &'a Self::Config) -> &'a TrainerConfig;

    /// The file of the encoder's initial weights. `None` if the weights are random, or if the file
    /// need not be read.
    fn initial_weights<'a>(&self, config: &'a Self::Config) -> Option<&'a Path>;

    /// Opens the inputs of the run.
    ///
    /// # Errors
    /// If an input cannot be opened.
    fn open(&self, config: &Self::Config, device: Device) -> TaskResult<Self::Inputs>;

    /// The digest of each input, by a name such as `store`. A resumed run must find the same
    /// digests.
    ///
    /// # Errors
    /// If an input cannot be read.
    fn digests(&self, inputs: &Self::Inputs) -> TaskResult<Vec<(&'static str, String)>>;

    /// Changes the configuration of a run that is resumed from a checkpoint. By default nothing
    /// changes.
    fn adapt_to_checkpoint(&self, _config: &mut Self::Config) {}

    /// Builds the training job.
    ///
    /// # Errors
    /// If the job cannot be trained with this configuration and these inputs.
    fn task(
        &self,
        config: &Self::Config,
        inputs: Self::Inputs,
        device: Device,
    ) -> TaskResult<Self::Task>;

    /// The configuration to keep in the run folder: `config`, with the values filled in that the
    /// task has found in the data. By default, `config` is kept as it is.
    fn complete(&self, config: Self::Config, _task: &Self::Task) -> Self::Config {
        config
    }

    /// What the network sees of the films, in words.
    fn view(&self, task: &Self::Task) -> String;

    /// Writes the results of a trained run, such as the best model, and prints where they are.
    ///
    /// # Errors
    /// If the best checkpoint cannot be read, or a file cannot be written.
    fn finish(
        &self,
        task: Self::Task,
        config: &Self::Config,
        run: &RunFolder,
        device: Device,
        out: &mut Output,
    ) -> TaskResult<()>;

    /// Repeats the part of [`RunKind::finish`] that needs no checkpoint, for a trained run whose
    /// checkpoints were removed. Returns whether `run` is such a run; by default it is not.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    fn finish_again(
        &self,
        _run: &RunFolder,
        _inputs: &Self::Inputs,
        _device: Device,
        _out: &mut Output,
    ) -> TaskResult<bool> {
        Ok(false)
    }
}

/// Begins a run in `folder` and trains it. The folder is created only once the task is built, so
/// that a run which cannot be trained leaves nothing behind.
///
/// # Errors
/// If `folder` holds a run, an input cannot be opened, or building, training or finishing the task
/// fails.
pub fn begin<K: RunKind>(
    kind: &K,
    config: K::Config,
    folder: &Path,
    out: &mut Output,
) -> Result<ExitCode> {
    RunFolder::check_free(folder)?;
    let device = setup(kind.trainer(&config))?;
    let inputs = kind.open(&config, device)?;
    let mut digests = kind.digests(&inputs)?;
    if let Some(weights) = kind.initial_weights(&config) {
        digests.push((ENCODER, digest::file(weights)?));
    }
    let task = kind.task(&config, inputs, device)?;
    let config = kind.complete(config, &task);
    let libraries = [("libtorch", shim::libtorch_version())];
    let provenance = Provenance {
        view: Some(kind.view(&task)),
        ..Provenance::collect(&libraries, &digests)
    };
    let run = RunFolder::create(folder, &config, &provenance)?;
    train(kind, task, &config, device, &run, out)
}

/// Resumes the run in `folder` by its own configuration, from its last checkpoint if there is one.
///
/// # Errors
/// If `folder` holds no run, an input differs from what the run began with, or building, training
/// or finishing the task fails.
pub fn resume<K: RunKind>(kind: &K, folder: &Path, out: &mut Output) -> Result<ExitCode> {
    let (run, config) = RunFolder::resume::<K::Config>(folder)?;
    let mut adapted = config.clone();
    if run.file(LAST).exists() {
        kind.adapt_to_checkpoint(&mut adapted);
    }
    let device = setup(kind.trainer(&config))?;
    let inputs = kind.open(&adapted, device)?;
    for (role, digest) in kind.digests(&inputs)? {
        run.same_digest(role, &digest)?;
    }
    if kind.finish_again(&run, &inputs, device, out)? {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(weights) = kind.initial_weights(&adapted) {
        run.same_digest(ENCODER, &digest::file(weights)?)?;
    }
    let task = kind.task(&adapted, inputs, device)?;
    train(kind, task, &config, device, &run, out)
}

fn train<K: RunKind>(
    kind: &K,
    mut task: K::Task,
    config: &K::Config,
    device: Device,
    run: &RunFolder,
    out: &mut Output,
) -> Result<ExitCode> {
    let result = fit(&mut task, kind.trainer(config), device, run.path())?;
    print_result(run.path(), &result, out)?;
    if result.ended.is_end() {
        kind.finish(task, config, run, device, out)?;
    } else {
        print_resume_command(kind.program(), run.path(), out);
    }
    Ok(ExitCode::from(result.exit_code()))
}
