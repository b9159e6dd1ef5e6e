//! The life of a run, from its configuration to its end: the same for pre-training and for a head.

use std::path::Path;
use std::process::ExitCode;

use mflag_core::config::{self, Config, dotted_keys};
use mflag_core::output::Output;
use mflag_core::run::{Difference, LAST, MODEL, Provenance, RunFolder, Session};
use mflag_core::{digest, resume};
use tch::Device;

use crate::checkpoint::Checkpoint;
use crate::config::TrainerConfig;
use crate::error::{Error, Result, TaskResult, all};
use crate::print::{print_result, print_resume_command};
use crate::setup::setup_rank;
use crate::task::Task;
use crate::world::{Facts, World};
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

    /// The commit from which the program was built; `None` if it was built outside a checkout.
    fn commit(&self) -> Option<&str>;

    /// The processes that train the run together. By default: this one alone.
    fn world(&self) -> Option<&World> {
        None
    }

    /// Whether a run may be resumed by another number of processes than before. By default it may
    /// not.
    fn accepts_other_world_size(&self) -> bool {
        false
    }

    /// The settings of the training loop.
    fn trainer<'a>(&self, config: &'a Self::Config) -> &'a TrainerConfig;

    /// The file of the encoder's initial weights. `None` if the weights are random, or if the file
    /// need not be read.
    fn initial_weights<'a>(&self, config: &'a Self::Config) -> Option<&'a Path>;

    /// Opens the inputs of the run.
    ///
    /// # Errors
    /// If an input cannot be opened. The message names every such input; see [`all`].
    fn open(&self, config: &Self::Config, device: Device) -> TaskResult<Self::Inputs>;

    /// The digest of each input, by a name such as `store`. A resumed run must find the same
    /// digests.
    ///
    /// # Errors
    /// If an input cannot be read.
    fn digests(&self, inputs: &Self::Inputs) -> TaskResult<Vec<(&'static str, String)>>;

    /// Checks what [`RunKind::task`] would refuse, as far as that can be known before films are
    /// read and reports encoded.
    ///
    /// # Errors
    /// If a run cannot be trained with this configuration and these inputs.
    fn check(&self, config: &Self::Config, inputs: &Self::Inputs) -> TaskResult<()>;

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
    let device = setup_process(kind, &config)?;
    let (inputs, weights) = all(kind.open(&config, device), weights_digest(kind, &config))?;
    let mut digests = kind.digests(&inputs)?;
    digests.extend(weights.map(|digest| (ENCODER, digest)));
    agree(kind, &config, &digests, device)?;
    let task = kind.task(&config, inputs, device)?;
    let config = kind.complete(config, &task);
    let libraries = [("libtorch", shim::libtorch_version())];
    let provenance = Provenance {
        view: Some(kind.view(&task)),
        world_size: kind.world().map(World::size),
        ..Provenance::collect(kind.commit(), &libraries, &digests)
    };
    let run = match is_main(kind) {
        true => RunFolder::create(folder, &config, &provenance)?,
        false => RunFolder::of_another(folder),
    };
    train(kind, task, &config, device, &run, out)
}

/// Checks that a run can begin in `folder`, and writes nothing.
///
/// # Errors
/// As [`begin`], up to the first film.
pub fn check<K: RunKind>(kind: &K, config: &K::Config, folder: &Path) -> Result<()> {
    RunFolder::check_free(folder)?;
    let device = setup_process(kind, config)?;
    let (inputs, _) = all(kind.open(config, device), weights_digest(kind, config))?;
    kind.check(config, &inputs)?;
    Ok(())
}

/// Prepares this process for training. Returns the device.
fn setup_process<K: RunKind>(kind: &K, config: &K::Config) -> Result<Device> {
    match kind.world() {
        None => setup(kind.trainer(config)),
        Some(world) => setup_rank(kind.trainer(config), world),
    }
}

/// Whether this process writes the run and prints its results.
pub fn is_main<K: RunKind>(kind: &K) -> bool {
    kind.world().is_none_or(World::is_main)
}

/// Checks that all processes of the run have the same program, configuration and inputs.
fn agree<K: RunKind>(
    kind: &K,
    config: &K::Config,
    digests: &[(&'static str, String)],
    device: Device,
) -> Result<()> {
    let Some(world) = kind.world() else {
        return Ok(());
    };
    let json = serde_json::to_value(config).map_err(|e| Error::Config(e.to_string()))?;
    let values = dotted_keys(&json).into_iter();
    let mut facts: Facts = values.map(|(key, value)| (key, value.clone())).collect();
    let precision = kind.trainer(config).precision.resolve(device)?;
    facts.extend([
        ("the precision".to_owned(), format!("{precision:?}").into()),
        ("mflag".to_owned(), env!("CARGO_PKG_VERSION").into()),
        ("the commit of mflag".to_owned(), kind.commit().into()),
        ("libtorch".to_owned(), shim::libtorch_version().into()),
    ]);
    let digests = digests.iter();
    facts.extend(digests.map(|(role, d)| (format!("the digest of the {role}"), d.clone().into())));
    world.agree(&facts)
}

/// The digest of the encoder's initial weights, if they come from a file.
fn weights_digest<K: RunKind>(kind: &K, config: &K::Config) -> TaskResult<Option<String>> {
    let weights = kind.initial_weights(config);
    Ok(weights.map(digest::weights).transpose()?)
}

/// Resumes the run in `folder` by its own configuration, from its last checkpoint if there is one.
/// The overrides `sets` (`a.b=value`) may change the settings of [`mflag_core::resume`].
///
/// # Errors
/// If `folder` holds no run, `sets` change another setting, `config.yaml` was edited, the number of
/// processes is another one and [`RunKind::accepts_other_world_size`] is false, an input differs
/// from what the run began with, or building, training or finishing the task fails.
pub fn resume<K: RunKind>(
    kind: &K,
    folder: &Path,
    sets: &[String],
    out: &mut Output,
) -> Result<ExitCode> {
    let (run, stored) = match is_main(kind) {
        true => RunFolder::resume::<K::Config>(folder)?,
        false => RunFolder::open(folder)?,
    };
    check_world_size(kind, &run)?;
    let moved = resume::moved_paths(folder, &stored, sets)?;
    let sets = [sets, &moved].concat();
    let config: K::Config = run.config(&sets)?;
    let trained = trained_config(&run)?.unwrap_or(stored);
    let changes = resume::changes(folder, &trained, &config, &sets)?;
    refuse_longer_without_checkpoint(&run, &changes)?;
    let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();

    let mut adapted = config.clone();
    if run.file(LAST).exists() {
        kind.adapt_to_checkpoint(&mut adapted);
    }
    let device = setup_process(kind, &config)?;
    let weights = match has_lost_checkpoints(&run) {
        true => Ok(None),
        false => weights_digest(kind, &adapted),
    };
    let opened = all(kind.open(&adapted, device), weights);
    let (inputs, weights) = opened.map_err(|error| where_to_look(&error))?;
    let digests = kind.digests(&inputs)?;
    for (role, digest) in &digests {
        run.same_digest(role, digest)?;
    }
    agree(kind, &config, &digests, device)?;
    if kind.finish_again(&run, &inputs, device, out)? {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(digest) = weights {
        run.same_digest(ENCODER, &digest)?;
    }
    let task = kind.task(&adapted, inputs, device)?;
    for change in &changes {
        tracing::info!("changed: {change}");
    }
    if is_main(kind) {
        let session = Session {
            world_size: kind.world().map(World::size),
            ..Session::begin(kind.commit(), changes)
        };
        run.begin_session(session, &config)?;
    }
    train(kind, task, &config, device, &run, out)
}

/// Fails if another number of processes has trained the run so far, unless the user accepts it.
fn check_world_size<K: RunKind>(kind: &K, run: &RunFolder) -> Result<()> {
    let file = run.file(LAST);
    if !file.exists() {
        return Ok(());
    }
    let before = Checkpoint::read_state(&file)?.world_size.unwrap_or(1);
    let now = kind.world().map_or(1, World::size);
    if before == now {
        return Ok(());
    }
    if !kind.accepts_other_world_size() {
        return Err(Error::Launch(format!(
            "{}: {before} processes have trained this run, and now there are {now}. Start {before}, or \
             add --other-world-size: the sums of a step then have another order, so that the result is \
             not the same bit for bit",
            run.path().display()
        )));
    }
    tracing::warn!("resuming with {now} processes; before, there were {before}");
    Ok(())
}

/// Checks that `config`, the content of the run's `config.yaml`, still describes the model in its
/// last checkpoint.
///
/// # Errors
/// If the file was edited, or the checkpoint cannot be read.
pub fn check_unedited<T: Config>(run: &RunFolder, config: &T) -> Result<()> {
    if let Some(trained) = trained_config(run)? {
        resume::check_unedited(run.path(), &trained, config)?;
    }
    Ok(())
}

/// The configuration that the run's last checkpoint was trained with. `None` without a checkpoint,
/// and for checkpoints of older versions, which do not hold it.
fn trained_config<T: Config>(run: &RunFolder) -> Result<Option<T>> {
    let file = run.file(LAST);
    if !file.exists() {
        return Ok(None);
    }
    let text = Checkpoint::read_config(&file)?;
    let config = text.map(|text| config::from_yaml(&text, &file));
    Ok(config.transpose()?)
}

/// Whether the run has finished and its checkpoints were removed.
fn has_lost_checkpoints(run: &RunFolder) -> bool {
    run.file(MODEL).exists() && !run.file(LAST).exists()
}

/// Fails if the changes make a run longer whose checkpoints were removed when it had finished, as
/// experiments do.
fn refuse_longer_without_checkpoint(run: &RunFolder, changes: &[Difference]) -> Result<()> {
    if has_lost_checkpoints(run)
        && changes
            .iter()
            .any(|change| change.key.starts_with("train."))
    {
        let reason = "was removed after the run had finished, so the run cannot be extended: start a \
                      new run";
        return Err(Error::checkpoint(&run.file(LAST), reason));
    }
    Ok(())
}

/// Adds to an error about the inputs of a resumed run how to name their place.
fn where_to_look(error: &Error) -> Error {
    Error::Config(format!(
        "{error}\n(if it has moved, name its place: --resume --set data.store=DIR, text.model=DIR or \
         encoder.weights=FILE)"
    ))
}

fn train<K: RunKind>(
    kind: &K,
    mut task: K::Task,
    config: &K::Config,
    device: Device,
    run: &RunFolder,
    out: &mut Output,
) -> Result<ExitCode> {
    if let Some(world) = kind.world() {
        // Reading the inputs may take some ranks much longer than others.
        world.barrier()?;
    }
    let result = fit(&mut task, kind.trainer(config), device, run.path())?;
    if !is_main(kind) {
        return Ok(ExitCode::from(result.exit_code()));
    }
    print_result(run.path(), &result, out)?;
    if result.ended.is_end() {
        kind.finish(task, config, run, device, out)?;
    } else {
        print_resume_command(kind.program(), run.path(), out);
    }
    Ok(ExitCode::from(result.exit_code()))
}
