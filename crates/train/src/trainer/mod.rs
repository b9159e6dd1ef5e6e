//! The loop.

mod state;
mod watch;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mflag_core::run::{BEST, LAST, METRICS};
use mflag_core::{atomic, progress::Progress, signals::Signals};
use tch::Device;

use crate::checkpoint::{Best, Checkpoint, Counters, Number};
use crate::config::TrainerConfig;
use crate::error::{Error, Result};
use crate::meter::Meter;
use crate::optim::AdamW;
use crate::outcome::{Ended, Outcome, peak_memory};
use crate::precision::{GradScaler, Precision};
use crate::shim;
use crate::sinks::Sinks;
use crate::task::{Position, Step, Task};
use watch::{Found, Watch};

/// The samples of a step whose loss or gradient was not finite.
const NON_FINITE: &str = "non-finite.txt";

/// Trains `task` on `device` in `folder` (a run folder's path), which gets metrics.jsonl, TensorBoard events,
/// last.safetensors and best.safetensors. Goes on from last.safetensors where there is one.
///
/// # Errors
/// See [`Error`]. Whatever happens, the last checkpoint written stands.
pub fn fit<T: Task>(
    task: &mut T,
    config: &TrainerConfig,
    device: Device,
    folder: &Path,
) -> Result<Outcome> {
    let mut run = Run::start(task, config, device, folder)?;
    let ended = loop {
        if run.counters.epoch >= config.epochs {
            break Ended::Finished;
        }
        if run.patience_is_over() {
            break Ended::Early;
        }
        if let Some(ended) = run.train_epoch()? {
            break ended;
        }
        let epoch = run.counters.epoch;
        if epoch.is_multiple_of(config.validate_every) || epoch == config.epochs {
            run.validate()?;
            run.save_last()?;
        }
    };
    run.finish(ended)
}

struct Run<'a, T> {
    task: &'a mut T,
    config: &'a TrainerConfig,
    device: Device,
    precision: Precision,
    optimiser: AdamW,
    scaler: Option<GradScaler>,
    counters: Counters,
    meter: Meter,
    watch: Watch,
    sinks: Sinks,
    signals: Signals,
    folder: PathBuf,
    steps: u64,
    steps_here: u64,
    samples_here: usize,
    training_seconds: f64,
    begin: Instant,
    /// End of the step before the one in progress.
    clock: Instant,
    /// Spent since then in forward passes, backward passes and the optimiser.
    computing: Duration,
}

impl<'a, T: Task> Run<'a, T> {
    /// A run from its beginning, measured once before training, or from its last checkpoint.
    fn start(
        task: &'a mut T,
        config: &'a TrainerConfig,
        device: Device,
        folder: &Path,
    ) -> Result<Run<'a, T>> {
        let precision = config.precision.resolve(device)?;
        if config.channels_last {
            let variables = task.variables();
            variables
                .iter()
                .filter(|(_, v)| v.dim() == 4)
                .try_for_each(|(_, v)| shim::channels_last(v))?;
        }
        let mut optimiser = AdamW::new(task.groups(), &config.optimiser)?;
        // A run of the same task that failed within a step has left some.
        optimiser.zero_grad()?;
        let fp16 = precision == Precision::Fp16;
        let scaler = fp16.then(|| GradScaler::new(device)).transpose()?;
        let batches_per_epoch = task.batches_per_epoch();
        let steps = config.epochs as u64 * batches_per_epoch.div_ceil(config.accumulate) as u64;
        let last = folder.join(LAST);
        let counters = Counters {
            batches_per_epoch,
            accumulate: config.accumulate,
            ..Counters::default()
        };
        let mut run = Run {
            sinks: Sinks::default(),
            signals: Signals::listen()?,
            meter: Meter::default(),
            watch: Watch::new(device)?,
            folder: folder.to_owned(),
            steps_here: 0,
            samples_here: 0,
            training_seconds: 0.0,
            begin: Instant::now(),
            clock: Instant::now(),
            computing: Duration::ZERO,
            task,
            config,
            device,
            precision,
            optimiser,
            scaler,
            counters,
            steps,
        };
        if last.exists() {
            run.restore(&last)?;
            let Counters {
                epoch,
                batch,
                step,
                metrics_bytes,
                ..
            } = run.counters;
            run.sinks = Sinks::open(folder, metrics_bytes, step)?;
            tracing::info!("going on after epoch {epoch}, batch {batch} (step {step} of {steps})");
        } else {
            nothing_is_lost(folder)?;
            run.sinks = Sinks::open(folder, 0, 0)?;
            run.validate()?;
            run.save_last()?;
        }
        Ok(run)
    }

    /// The rest of the epoch in progress; says why, if it was left before its end.
    fn train_epoch(&mut self) -> Result<Option<Ended>> {
        let epoch = self.counters.epoch + 1;
        let batches = self.task.batches(epoch, self.counters.batch)?;
        let progress = self.progress(epoch);
        self.clock = Instant::now();
        let mut ids = Vec::new();
        for batch in batches {
            let batch = batch?;
            if self.counters.batch == self.counters.batches_per_epoch {
                return Err(self.miscounted(epoch, "more than "));
            }
            ids.extend(self.task.ids(&batch));
            self.forward_backward(&batch, epoch)?;
            self.counters.batch += 1;
            progress.inc(1);
            if !self.step_is_due() {
                continue;
            }
            self.optimise(std::mem::take(&mut ids))?;
            self.end_step();
            let step = self.counters.step;
            if step.is_multiple_of(self.config.log_every) || step == self.steps {
                self.log(epoch, &progress)?;
            }
            let ended = self.asked_to_end();
            let every = self.config.checkpoint_every;
            if ended.is_some() || (every > 0 && step.is_multiple_of(every)) {
                self.check_finite(epoch)?;
                self.save_last()?;
            }
            if ended.is_some() {
                return Ok(ended);
            }
        }
        if self.counters.batch < self.counters.batches_per_epoch {
            return Err(self.miscounted(epoch, ""));
        }
        self.check_finite(epoch)?;
        progress.finish();
        self.counters.epoch = epoch;
        self.counters.batch = 0;
        Ok(None)
    }

    fn forward_backward(&mut self, batch: &T::Batch, epoch: usize) -> Result<()> {
        let begin = Instant::now();
        let at = Position {
            epoch,
            step: self.counters.step,
            steps: self.steps,
        };
        let Step { loss, parts } = self
            .precision
            .autocast(self.device, || self.task.step(batch, at))??;
        let share = 1.0 / self.batches_in_step() as f64;
        let scaled = &loss * share;
        match &self.scaler {
            Some(scaler) => scaler.scale(&scaled).f_backward()?,
            None => scaled.f_backward()?,
        }
        self.meter.add("loss", &loss, share)?;
        for (name, part) in &parts {
            self.meter.add(name, part, share)?;
        }
        let samples = self.task.batch_len(batch);
        self.meter.add_samples(samples);
        self.samples_here += samples;
        self.computing += begin.elapsed();
        Ok(())
    }

    /// Batches that make the optimiser step in progress: fewer at the end of an epoch.
    fn batches_in_step(&self) -> usize {
        let accumulate = self.config.accumulate;
        let first = self.counters.batch / accumulate * accumulate;
        accumulate.min(self.counters.batches_per_epoch - first)
    }

    fn step_is_due(&self) -> bool {
        let done = self.counters.batch;
        done.is_multiple_of(self.config.accumulate) || done == self.counters.batches_per_epoch
    }

    /// One optimiser step over the samples `ids`. From the first loss or gradient on that is not finite, the weights stay
    /// as they are; the host learns of it when it next looks.
    fn optimise(&mut self, ids: Vec<String>) -> Result<()> {
        let begin = Instant::now();
        let overflow = match &self.scaler {
            Some(scaler) => Some(scaler.unscale(&mut self.optimiser)?),
            None => None,
        };
        let norm = self.optimiser.gradient_norm()?;
        // With a scaled loss an overflow is normal: that step is left out and the scale halved.
        let watched = overflow.is_none().then_some(&norm);
        let step = self.counters.step + 1;
        let mut skip = self
            .watch
            .note(step, ids, self.meter.sum("loss")?, watched)?;
        if let Some(largest) = self.config.optimiser.clip_norm {
            self.optimiser.clip(&norm, largest)?;
        }
        if let (Some(scaler), Some(overflow)) = (&mut self.scaler, &overflow) {
            skip = skip.f_maximum(overflow)?;
            scaler.update(overflow)?;
        }
        self.optimiser.step(self.lr(step - 1), Some(&skip))?;
        self.optimiser.zero_grad()?;
        self.meter.add("gradient_norm", &norm, 1.0)?;
        self.computing += begin.elapsed();
        Ok(())
    }

    fn end_step(&mut self) {
        let now = Instant::now();
        let seconds = (now - std::mem::replace(&mut self.clock, now)).as_secs_f64();
        let computing = std::mem::take(&mut self.computing).as_secs_f64();
        self.meter.end_step(seconds, seconds - computing);
        self.training_seconds += seconds;
        self.counters.step += 1;
        self.steps_here += 1;
    }

    /// Rate of the step number `step`, from 0.
    fn lr(&self, step: u64) -> f64 {
        let base = self.config.optimiser.lr;
        self.config.schedule.lr(base, step, self.steps)
    }

    /// The error of a task that gives another number of batches than it promised.
    fn miscounted(&self, epoch: usize, more: &str) -> Error {
        let Counters {
            batch,
            batches_per_epoch,
            ..
        } = self.counters;
        Error::Config(format!(
            "epoch {epoch} has {more}{batch} batches, although the task counts {batches_per_epoch} an epoch"
        ))
    }

    /// Ends the run if a step since the last look was not finite. Waits for the device.
    fn check_finite(&mut self, epoch: usize) -> Result<()> {
        let Some(Found { what, step, ids }) = self.watch.look()? else {
            return Ok(());
        };
        let list = self.folder.join(NON_FINITE);
        atomic::write(&list, |file| {
            ids.iter().try_for_each(|id| writeln!(file, "{id}"))
        })?;
        Err(Error::NonFinite {
            what,
            step,
            epoch,
            ids,
            list,
        })
    }

    /// Means over the steps since the last line.
    fn log(&mut self, epoch: usize, progress: &Progress) -> Result<()> {
        self.check_finite(epoch)?;
        let mut metrics = vec![("lr".to_owned(), self.lr(self.counters.step - 1))];
        let clocks = self.meter.clocks();
        metrics.extend(self.meter.take()?);
        metrics.extend(clocks.map(|(name, value)| (name.to_owned(), value)));
        if let Some((_, loss)) = metrics.iter().find(|(name, _)| name == "loss") {
            progress.message(&format!("loss {loss:.4}"));
        }
        self.counters.metrics_bytes =
            self.sinks
                .write("train", self.counters.step, epoch, &metrics, &[])?;
        Ok(())
    }

    fn asked_to_end(&self) -> Option<Ended> {
        let limit = self
            .config
            .stop_after_steps
            .is_some_and(|limit| self.steps_here >= limit);
        let interrupted = self.signals.received().map(Ended::Interrupted);
        interrupted.or_else(|| limit.then_some(Ended::StepLimit))
    }

    /// Measures on held-out data and keeps the model if it is the best so far.
    fn validate(&mut self) -> Result<()> {
        let epoch = self.counters.epoch;
        let measured = tch::no_grad(|| {
            self.precision
                .autocast(self.device, || self.task.validate(epoch))
        })??;
        let step = self.counters.step;
        let series = self.task.series();
        self.counters.metrics_bytes =
            self.sinks
                .write("validation", step, epoch, &measured, &series)?;
        self.counters.latest = measured
            .iter()
            .map(|(name, value)| (name.clone(), Number(*value)))
            .collect();

        let monitor = self.task.monitor();
        let found = measured.iter().find(|(name, _)| *name == monitor.metric);
        let Some(&(_, value)) = found else {
            let names: Vec<&str> = measured.iter().map(|(name, _)| name.as_str()).collect();
            let problem = format!(
                "the monitored metric {} is none of {names:?}",
                monitor.metric
            );
            return Err(Error::Config(problem));
        };
        let before = self.counters.best.map(|best| best.value.0);
        let better = monitor.direction.better(value, before);
        if better {
            self.counters.best = Some(Best {
                value: Number(value),
                epoch,
                step,
            });
            self.counters.since_best = 0;
            let mut best = Checkpoint::new(self.counters.clone());
            best.add("model", self.task.variables())?;
            best.write(&self.folder.join(BEST))?;
        } else {
            self.counters.since_best += 1;
        }
        let mark = if better { ", the best so far" } else { "" };
        tracing::info!("after epoch {epoch}: {} {value:.4}{mark}", monitor.metric);
        Ok(())
    }

    fn patience_is_over(&self) -> bool {
        self.config
            .patience
            .is_some_and(|patience| self.counters.since_best >= patience)
    }

    fn progress(&self, epoch: usize) -> Progress {
        let label = format!("epoch {epoch}/{}", self.config.epochs);
        let progress = Progress::new(&label, self.counters.batches_per_epoch as u64, "batches");
        progress.resume_at(self.counters.batch as u64);
        progress
    }

    fn finish(mut self, ended: Ended) -> Result<Outcome> {
        self.sinks.flush()?;
        if ended.is_end() && self.counters.best.is_none() {
            let metric = self.task.monitor().metric;
            return Err(Error::Config(format!(
                "the monitored metric {metric} was undefined at every validation, so that there is no best model: the validation films may \
                 have nothing that it can be measured on; set monitor to another metric, such as loss"
            )));
        }
        let rate = self.samples_here as f64 / self.training_seconds;
        Ok(Outcome {
            ended,
            counters: self.counters,
            seconds: self.begin.elapsed().as_secs_f64(),
            samples_per_second: (self.samples_here > 0).then_some(rate),
            peak_memory: peak_memory(),
        })
    }
}

/// Refuses to begin anew where a run has got on that lost its checkpoint; before the first one there are only the metrics of the
/// untrained model.
fn nothing_is_lost(folder: &Path) -> Result<()> {
    let lines = std::fs::read_to_string(folder.join(METRICS)).unwrap_or_default();
    if lines.lines().nth(1).is_none() {
        return Ok(());
    }
    let reason = "the run has got on, but this checkpoint, which it would go on from, is gone: bring it back, or start a new run in another folder";
    Err(Error::checkpoint(&folder.join(LAST), reason))
}
