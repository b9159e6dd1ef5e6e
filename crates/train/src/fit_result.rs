//! The result of a training session.

use mflag_core::signals;
use serde_json::{Map, Value, json};

use crate::checkpoint::{Best, TrainState};

/// Why a training session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All epochs are done.
    Finished,
    /// The monitored metric no longer improved.
    Early,
    /// The session reached `stop_after_steps`. The run can be resumed.
    StepLimit,
    /// The session received the signal of this number. The run can be resumed.
    Interrupted(i32),
}

impl Ended {
    /// Whether training is complete, so that there is nothing to resume.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Ended::Finished | Ended::Early)
    }

    fn name(self) -> &'static str {
        match self {
            Ended::Finished => "finished",
            Ended::Early => "early",
            Ended::StepLimit => "step_limit",
            Ended::Interrupted(_) => "interrupted",
        }
    }
}

/// The result of a call of [`fit`](crate::fit).
#[derive(Debug, Clone)]
pub struct FitResult {
    /// Why the session ended.
    pub ended: Ended,
    /// The state of the run: epochs, steps, best value, metrics of the latest validation.
    pub state: TrainState,
    /// Optimiser steps of this session.
    pub steps: u64,
    /// Wall time of the session in seconds.
    pub seconds: f64,
    /// Of these, seconds of optimiser steps, without validation and checkpoints.
    pub training_seconds: f64,
    /// Training samples per second of `training_seconds`. `None` if there were no samples.
    pub samples_per_second: Option<f64>,
    /// Peak resident memory of the process in bytes, if `/proc` reports it.
    pub peak_memory: Option<u64>,
}

impl FitResult {
    /// The result as JSON. Values that are not finite become null.
    #[must_use]
    pub fn json(&self) -> Value {
        let state = &self.state;
        let metrics = state.latest.iter();
        let metrics = metrics.map(|(name, value)| (name.clone(), Value::from(value.0)));
        let best =
            |best: Best| json!({ "value": best.value.0, "epoch": best.epoch, "step": best.step });
        json!({
            "ended": self.ended.name(),
            "epoch": state.epoch,
            "step": state.step,
            "best": state.best.map(best),
            "metrics": metrics.collect::<Map<_, _>>(),
            "seconds": self.seconds,
            "training_seconds": self.training_seconds,
            "samples_per_second": self.samples_per_second,
            "peak_memory": self.peak_memory,
        })
    }

    /// The exit code of the program: 128 + signal after a signal, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.ended {
            Ended::Interrupted(signal) => signals::exit_code(signal),
            _ => 0,
        }
    }
}

/// Peak resident memory of this process in bytes, if `/proc` reports it.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
