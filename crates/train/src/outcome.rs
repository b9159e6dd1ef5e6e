//! What a run comes to.

use mflag_core::signals;
use serde_json::{Map, Value, json};

use crate::checkpoint::{Best, Counters};

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All epochs are done.
    Finished,
    /// The monitored metric stopped getting better.
    Early,
    /// `stop_after_steps` is reached; a resumed run goes on.
    StepLimit,
    /// A signal of this number came; a resumed run goes on.
    Interrupted(i32),
}

impl Ended {
    /// Whether the run is at its end: no resumed run goes on.
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

/// What a call of [`fit`](crate::fit) did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Why it ended.
    pub ended: Ended,
    /// Where the run stands: epochs, steps, best value, metrics of the latest validation.
    pub counters: Counters,
    /// Wall time of this session in seconds.
    pub seconds: f64,
    /// Training samples of this session, by the seconds spent on them; `None` if there were none.
    pub samples_per_second: Option<f64>,
    /// Peak resident memory of the process in bytes, where the system tells.
    pub peak_memory: Option<u64>,
}

impl Outcome {
    /// The outcome for other programs; what is not finite is null.
    #[must_use]
    pub fn json(&self) -> Value {
        let counters = &self.counters;
        let metrics = counters.latest.iter();
        let metrics = metrics.map(|(name, value)| (name.clone(), Value::from(value.0)));
        let best =
            |best: Best| json!({ "value": best.value.0, "epoch": best.epoch, "step": best.step });
        json!({
            "ended": self.ended.name(),
            "epoch": counters.epoch,
            "step": counters.step,
            "best": counters.best.map(best),
            "metrics": metrics.collect::<Map<_, _>>(),
            "seconds": self.seconds,
            "samples_per_second": self.samples_per_second,
            "peak_memory": self.peak_memory,
        })
    }

    /// The exit code that a program should leave with: 128 + signal if one came, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.ended {
            Ended::Interrupted(signal) => signals::exit_code(signal),
            _ => 0,
        }
    }
}

/// Peak resident memory of this process in bytes, where /proc tells.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
