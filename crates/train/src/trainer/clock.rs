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
    batches: usize,
    samples: usize,
    /// Seconds of all validations.
    validation_seconds: f64,
    validations: usize,
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
            batches: 0,
            samples: 0,
            validation_seconds: 0.0,
            validations: 0,
        }
    }

    /// Starts timing the first step of an epoch.
    pub(super) fn begin_epoch(&mut self) {
        self.step_begin = Instant::now();
    }

    /// Counts a batch.
    pub(super) fn add_batch(&mut self, samples: usize) {
        self.batches += 1;
        self.samples += samples;
    }

    /// Counts the time since `begin` as a validation.
    pub(super) fn add_validation(&mut self, begin: Instant) {
        self.validation_seconds += begin.elapsed().as_secs_f64();
        self.validations += 1;
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

    /// Seconds of all finished steps.
    pub(super) fn training_seconds(&self) -> f64 {
        self.training_seconds
    }

    /// The seconds that `batches` and `validations` will take, at the pace so far. A session that
    /// has not yet validated counts no time for it. `None` before the first step.
    pub(super) fn seconds_for(&self, batches: usize, validations: usize) -> Option<f64> {
        let validation = self.validation_seconds / self.validations.max(1) as f64;
        let batch = self.training_seconds / self.batches as f64;
        (self.steps > 0).then_some(batches as f64 * batch + validations as f64 * validation)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_counts_batches_and_validations() {
        let mut clock = SessionClock::start();
        assert_eq!(clock.seconds_for(10, 3), None);
        clock.training_seconds = 10.0;
        (clock.steps, clock.batches) = (2, 5);
        assert_eq!(clock.seconds_for(10, 3), Some(20.0));
        (clock.validation_seconds, clock.validations) = (6.0, 2);
        assert_eq!(clock.seconds_for(10, 3), Some(29.0));
    }
}
