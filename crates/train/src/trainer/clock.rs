//! How long a training session takes.

use std::time::{Duration, Instant};

use crate::meter::StepTime;

/// Times and counts of one session, that is of one call of [`fit`](super::fit).
#[derive(Debug)]
pub(super) struct SessionClock {
    begin: Instant,
    /// When the current optimiser step began.
    step_begin: Instant,
    /// Time of the current step spent in forward pass, backward pass and optimiser.
    computing: Duration,
    /// Seconds of all finished steps.
    training_seconds: f64,
    steps: u64,
    samples: usize,
}

impl SessionClock {
    pub(super) fn start() -> SessionClock {
        let now = Instant::now();
        SessionClock {
            begin: now,
            step_begin: now,
            computing: Duration::ZERO,
            training_seconds: 0.0,
            steps: 0,
            samples: 0,
        }
    }

    /// Starts timing the first step of an epoch.
    pub(super) fn begin_epoch(&mut self) {
        self.step_begin = Instant::now();
    }

    pub(super) fn add_samples(&mut self, samples: usize) {
        self.samples += samples;
    }

    /// Counts the time since `begin` as computing.
    pub(super) fn add_computing(&mut self, begin: Instant) {
        self.computing += begin.elapsed();
    }

    /// Ends the current step and begins the next.
    pub(super) fn end_step(&mut self) -> StepTime {
        let now = Instant::now();
        let seconds = (now - std::mem::replace(&mut self.step_begin, now)).as_secs_f64();
        let computing = std::mem::take(&mut self.computing).as_secs_f64();
        self.training_seconds += seconds;
        self.steps += 1;
        StepTime {
            seconds,
            outside: seconds - computing,
        }
    }

    /// Optimiser steps of the session.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Seconds since the session began.
    pub(super) fn seconds(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    /// Training samples per second of training. `None` if there were no samples.
    pub(super) fn samples_per_second(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.samples as f64 / self.training_seconds)
    }
}
