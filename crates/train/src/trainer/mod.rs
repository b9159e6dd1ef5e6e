//! The training loop.

mod checkpointing;
mod clock;
mod finite_check;
mod ranks;
mod step;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use mflag_core::progress::{Progress, clock};
use mflag_core::run::{BEST, LAST, METRICS, RunFolder};
use mflag_core::signals::Signals;
use tch::Device;

use crate::checkpoint::{Best, Number, TrainState};
use crate::config::TrainerConfig;
use crate::error::{Error, Result};
use crate::fit_result::{Ended, FitResult, peak_memory};
use crate::meter::Meter;
use crate::optim::AdamW;
use crate::precision::{GradScaler, Precision};
use crate::shim::{self, c10d::Reducer};
use crate::sinks::Sinks;
use crate::task::Task;
use crate::world::World;
use clock::SessionClock;
use finite_check::FiniteCheck;

/// Trains `task` on `device` and writes metrics.jsonl, TensorBoard events, last.safetensors and
/// best.safetensors into `folder`, a run folder; of several processes, only rank 0 writes. Resumes
/// from last.safetensors if it exists. Each checkpoint holds the values of the folder's
/// config.yaml, if there is one.
///
/// # Errors
/// See [`Error`]. After an error, the last checkpoint written is still valid.
pub fn fit<T: Task>(
    task: &mut T,
    config: &TrainerConfig,
    device: Device,
    folder: &Path,
) -> Result<FitResult> {
    let mut trainer = Trainer::new(task, config, device, folder)?;
    if trainer.decide(folder.join(LAST).exists())? {
        trainer.resume()?;
    } else {
        trainer.begin()?;
    }
    let ended = trainer.train()?;
    trainer.finish(ended)
}

struct Trainer<'a, T> {
    task: &'a mut T,
    config: &'a TrainerConfig,
    device: Device,
    folder: PathBuf,
    /// The text of config.yaml.
    run_config: Option<String>,
    precision: Precision,
    optimiser: AdamW,
    scaler: Option<GradScaler>,
    state: TrainState,
    meter: Meter,
    finite_check: FiniteCheck,
    /// No files are open before [`Trainer::begin`] or [`Trainer::resume`].
    sinks: Sinks,
    signals: Signals,
    /// The processes that train together, and what averages their gradients.
    ranks: Option<(World, Reducer)>,
    /// Whether a rank has received a signal. Only used with several ranks.
    rank_has_signal: bool,
    clock: SessionClock,
    /// The training loss in the latest line of metrics.
    loss: Option<f64>,
}

impl<'a, T: Task> Trainer<'a, T> {
    fn new(
        task: &'a mut T,
        config: &'a TrainerConfig,
        device: Device,
        folder: &Path,
    ) -> Result<Trainer<'a, T>> {
        let precision = config.precision.resolve(device)?;
        if config.channels_last {
            for (_, variable) in task.variables().iter().filter(|(_, v)| v.dim() == 4) {
                shim::channels_last(variable)?;
            }
        }
        let mut optimiser = AdamW::new(task.groups(), &config.optimiser)?;
        // An earlier call that failed within a step may have left gradients on the same task.
        optimiser.zero_grad()?;
        let ranks = ranks::connect(task, &optimiser)?;
        let scaler = match precision {
            Precision::Fp16 => Some(GradScaler::new(device)?),
            _ => None,
        };
        let state = TrainState {
            epochs: config.epochs,
            batches_per_epoch: task.batches_per_epoch(),
            accumulate: config.accumulate,
            world_size: ranks.as_ref().map(|(world, _)| world.size()),
            ..TrainState::default()
        };
        Ok(Trainer {
            task,
            config,
            device,
            folder: folder.to_owned(),
            run_config: RunFolder::exists(folder)
                .then(|| RunFolder::config_text(folder))
                .transpose()?,
            precision,
            optimiser,
            scaler,
            state,
            meter: Meter::default(),
            finite_check: FiniteCheck::new(device)?,
            sinks: Sinks::default(),
            signals: Signals::listen()?,
            ranks,
            rank_has_signal: false,
            clock: SessionClock::start(),
            loss: None,
        })
    }

    /// Begins a run: validates the untrained model and writes the first checkpoint.
    fn begin(&mut self) -> Result<()> {
        self.agree_on_weights()?;
        if self.is_main() {
            check_not_trained(&self.folder)?;
            self.sinks = Sinks::open(&self.folder, 0, 0)?;
        }
        self.validate()?;
        self.save_last()
    }

    /// Resumes a run from its last checkpoint.
    fn resume(&mut self) -> Result<()> {
        let (saved, trained) = self.restore(&self.folder.join(LAST))?;
        let TrainState {
            epoch, batch, step, ..
        } = self.state;
        self.agree_on_weights()?;
        if self.is_main() {
            self.sinks = Sinks::open(&self.folder, self.state.metrics_bytes, step)?;
        }
        let steps = self.total_steps();
        tracing::info!("resuming after epoch {epoch}, batch {batch} (step {step} of {steps})");
        self.tell_new_length(saved.epochs);
        if trained != self.run_config {
            // The new configuration is from now on the one that the run was trained with.
            self.save_last()?;
        }
        Ok(())
    }

    /// Tells what changes if the run, which was to have `before` epochs, now has another number.
    fn tell_new_length(&self, before: usize) {
        let (now, schedule) = (self.config.epochs, &self.config.schedule);
        if before == now || before == 0 {
            return;
        }
        let (step, per_epoch) = (self.state.step, self.steps_per_epoch());
        let rate = |step, epochs: usize| {
            let steps = epochs as u64 * per_epoch;
            schedule.lr(self.config.optimiser.lr, step, steps)
        };
        tracing::info!("the run now has {now} epochs instead of {before}");
        if schedule.depends_on_length() && step > 0 {
            tracing::warn!(
                "the learning rate (train.schedule) depends on the number of epochs: it was {:.3e} \
                 at step {step}, and is {:.3e} at the next; the result is not that of a run that \
                 began with {now} epochs",
                rate(step - 1, before),
                rate(step, now)
            );
        }
    }

    /// Trains epoch after epoch until the run ends or is interrupted.
    fn train(&mut self) -> Result<Ended> {
        while self.state.epoch < self.config.epochs {
            if self.patience_is_over() {
                return Ok(Ended::Early);
            }
            if let Some(ended) = self.train_epoch()? {
                return Ok(ended);
            }
            let epoch = self.state.epoch;
            if epoch.is_multiple_of(self.config.validate_every) || epoch == self.config.epochs {
                self.validate()?;
                self.save_last()?;
            }
        }
        Ok(Ended::Finished)
    }

    /// Trains the rest of the current epoch. Returns the reason if training must stop before the
    /// epoch's end.
    fn train_epoch(&mut self) -> Result<Option<Ended>> {
        let epoch = self.state.epoch + 1;
        let batches = self.task.batches(epoch, self.state.batch)?;
        let progress = self.progress(epoch);
        self.clock.begin_epoch();
        let mut ids = Vec::new();
        for batch in batches {
            let batch = batch?;
            if self.state.batch == self.state.batches_per_epoch {
                return Err(self.wrong_batch_count(epoch, "more than "));
            }
            ids.extend(self.task.ids(&batch));
            self.forward_backward(&batch, epoch)?;
            self.state.batch += 1;
            self.describe(&progress);
            progress.inc(1);
            if self.is_step_due() {
                self.optimiser_step(std::mem::take(&mut ids))?;
                let ended = self.after_step(epoch)?;
                if ended.is_some() {
                    return Ok(ended);
                }
            }
        }
        if self.state.batch < self.state.batches_per_epoch {
            return Err(self.wrong_batch_count(epoch, ""));
        }
        self.check_finite(epoch)?;
        self.describe(&progress);
        progress.finish();
        self.state.epoch = epoch;
        self.state.batch = 0;
        Ok(None)
    }

    /// After an optimiser step, writes a line of metrics and a checkpoint if they are due. Returns
    /// the reason if training must stop.
    fn after_step(&mut self, epoch: usize) -> Result<Option<Ended>> {
        let step = self.state.step;
        if step.is_multiple_of(self.config.log_every) || step == self.total_steps() {
            self.log(epoch)?;
        }
        let ended = self.stop_requested();
        let every = self.config.checkpoint_every;
        if ended.is_some() || (every > 0 && step.is_multiple_of(every)) {
            self.check_finite(epoch)?;
            self.save_last()?;
        }
        Ok(ended)
    }

    /// The error for a task that yields more or fewer batches than it announced.
    fn wrong_batch_count(&self, epoch: usize, more: &str) -> Error {
        let TrainState {
            batch,
            batches_per_epoch,
            ..
        } = self.state;
        Error::Config(format!(
            "epoch {epoch} has {more}{batch} batches, but the task announced \
             {batches_per_epoch} per epoch"
        ))
    }

    /// Writes the means over the steps since the last line of metrics.
    fn log(&mut self, epoch: usize) -> Result<()> {
        self.check_finite(epoch)?;
        let mut metrics = vec![("lr".to_owned(), self.lr(self.state.step - 1))];
        let clocks = self.meter.clocks();
        metrics.extend(self.meter.take()?);
        metrics.extend(clocks.map(|(name, value)| (name.to_owned(), value)));
        let loss = metrics.iter().find(|(name, _)| name == "loss");
        self.loss = loss.map(|(_, loss)| *loss);
        self.state.metrics_bytes =
            self.sinks
                .write("train", self.state.step, epoch, &metrics, &[])?;
        Ok(())
    }

    fn stop_requested(&self) -> Option<Ended> {
        if let Some(signal) = self.signal() {
            return Some(Ended::Interrupted(signal));
        }
        let limit = self.config.stop_after_steps?;
        (self.clock.steps() >= limit).then_some(Ended::StepLimit)
    }

    /// Measures the model on the validation data, and saves it if it is the best so far.
    fn validate(&mut self) -> Result<()> {
        let (epoch, step) = (self.state.epoch, self.state.step);
        self.share_statistics()?;
        let begin = Instant::now();
        let metrics = self
            .precision
            .inference(self.device, || self.task.validate(epoch))?;
        self.clock.add_validation(begin);
        let series = self.task.series();
        self.state.metrics_bytes =
            self.sinks
                .write("validation", step, epoch, &metrics, &series)?;
        let monitor = self.task.monitor();
        let value = monitor.value(&metrics)?;
        self.state.latest = metrics
            .into_iter()
            .map(|(name, value)| (name, Number(value)))
            .collect();
        let best_before = self.state.best.map(|best| best.value.0);
        if monitor.direction.better(value, best_before) {
            self.save_best(value)?;
            tracing::info!("epoch {epoch}: {} {value:.4}, best so far", monitor.metric);
        } else {
            self.state.since_best += 1;
            tracing::info!("epoch {epoch}: {} {value:.4}", monitor.metric);
        }
        Ok(())
    }

    /// Saves the model, which has reached the best `value` of the monitored metric so far.
    fn save_best(&mut self, value: f64) -> Result<()> {
        self.state.best = Some(Best {
            value: Number(value),
            epoch: self.state.epoch,
            step: self.state.step,
        });
        self.state.since_best = 0;
        if !self.is_main() {
            return Ok(());
        }
        let mut checkpoint = self.checkpoint();
        checkpoint.add("model", self.task.variables())?;
        checkpoint.write(&self.folder.join(BEST))
    }

    fn patience_is_over(&self) -> bool {
        let patience = self.config.patience;
        patience.is_some_and(|patience| self.state.since_best >= patience)
    }

    fn progress(&self, epoch: usize) -> Progress {
        let label = format!("epoch {epoch}/{}", self.config.epochs);
        let progress = Progress::new(&label, self.state.batches_per_epoch as u64, "batches");
        progress.resume_at(self.state.batch as u64);
        progress
    }

    /// Shows the training loss and the time left of the run beside the progress of an epoch.
    fn describe(&self, progress: &Progress) {
        let loss = self.loss.map(|loss| format!("loss {loss:.4}"));
        let left = self.seconds_left();
        let left = left.map(|seconds| format!("run {} left", clock(seconds as u64)));
        let words: Vec<String> = loss.into_iter().chain(left).collect();
        progress.message(&words.join(", "));
    }

    /// Seconds until the last epoch ends, at the pace of this session. `None` before its first
    /// step.
    fn seconds_left(&self) -> Option<f64> {
        let TrainState {
            epoch,
            batch,
            batches_per_epoch,
            ..
        } = self.state;
        let epochs = self.config.epochs;
        let batches =
            (epochs * batches_per_epoch).saturating_sub(epoch * batches_per_epoch + batch);
        let every = self.config.validate_every;
        let validations = epochs.div_ceil(every).saturating_sub(epoch / every);
        self.clock.seconds_for(batches, validations)
    }

    fn finish(mut self, ended: Ended) -> Result<FitResult> {
        self.sinks.flush()?;
        if ended.is_end() && self.state.best.is_none() {
            let metric = self.task.monitor().metric;
            return Err(Error::Config(format!(
                "the monitored metric {metric} was undefined at every validation, so there is no \
                 best model; the validation films may lack what it measures: set monitor to \
                 another metric, such as loss"
            )));
        }
        Ok(FitResult {
            ended,
            state: self.state,
            steps: self.clock.steps(),
            seconds: self.clock.seconds(),
            training_seconds: self.clock.training_seconds(),
            samples_per_second: self.clock.samples_per_second(),
            peak_memory: peak_memory(),
        })
    }
}

/// Fails if the run has trained but its checkpoint is missing, because such a run must not begin
/// anew. Before the first checkpoint, metrics.jsonl holds at most one line: the metrics of the
/// untrained model.
fn check_not_trained(folder: &Path) -> Result<()> {
    let path = folder.join(METRICS);
    let lines = match mflag_input::read(&path, &mflag_input::METRICS) {
        Ok(lines) => lines,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(mflag_core::Error::io("read", &path, e).into()),
    };
    if String::from_utf8_lossy(&lines).lines().count() <= 1 {
        return Ok(());
    }
    let reason = "is missing, but the run has trained: restore the file from a copy, or start a \
                  new run in another folder";
    Err(Error::checkpoint(&folder.join(LAST), reason))
}
