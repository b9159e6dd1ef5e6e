//! The learning rate as a function of the optimiser step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// A number of optimiser steps. Below 1, it is a fraction of all steps of the run; from 1 on, a
/// whole number of steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Span(#[schemars(range(min = 0.0))] pub f64);

impl Span {
    /// The number of steps in a run of `total` steps, rounded down.
    #[must_use]
    pub fn steps(self, total: u64) -> u64 {
        let steps = if self.0 < 1.0 {
            self.0 * total as f64
        } else {
            self.0
        };
        steps.max(0.0) as u64
    }
}

/// How the learning rate falls after the warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// Stays at the optimiser's `lr`.
    Constant,
    /// Half a cosine from `lr` to `minimum` at the end of the run.
    Cosine {
        /// Rate at the end.
        #[serde(default)]
        #[schemars(range(min = 0.0))]
        minimum: f64,
    },
    /// Half a cosine from `lr` to `minimum`, repeated (warm restarts).
    CosineRestarts {
        /// Length of the first cycle (T_0). In the authors' code, as we read it, this is 0.4 of all
        /// steps of a run on four GPUs.
        #[serde(default = "paper_period")]
        period: Span,
        /// Factor from the length of a cycle to that of the next (T_mult).
        #[serde(default = "one")]
        #[schemars(range(min = 1))]
        growth: u32,
        /// Lowest rate (eta_min). In the paper, it is 1e-8.
        #[serde(default = "paper_minimum")]
        #[schemars(range(min = 0.0))]
        minimum: f64,
    },
}

fn paper_period() -> Span {
    Span(0.4)
}

fn one() -> u32 {
    1
}

fn paper_minimum() -> f64 {
    1e-8
}

/// A linear warm-up, then a decay over the remaining steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Steps over which the rate rises linearly to `lr` (below 1: a fraction of all steps); 0: no
    /// warm-up.
    pub warmup: Span,
    /// How the rate falls after the warm-up.
    pub decay: Decay,
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule {
            warmup: Span(0.0),
            decay: Decay::Cosine { minimum: 0.0 },
        }
    }
}

impl Schedule {
    /// Whether the learning rate at a step depends on the number of all steps.
    #[must_use]
    pub fn depends_on_length(&self) -> bool {
        let is_fraction = |span: Span| span.0 > 0.0 && span.0 < 1.0;
        is_fraction(self.warmup)
            || match self.decay {
                Decay::Constant => false,
                Decay::Cosine { .. } => true,
                Decay::CosineRestarts { period, .. } => is_fraction(period),
            }
    }

    /// The learning rate of the optimiser step number `step` (from 0) in a run of `total` steps.
    /// `base` is the optimiser's `lr`.
    ///
    /// Equal to `torch.optim.lr_scheduler`'s `LinearLR(1/W, 1, W-1)`, followed by
    /// `CosineAnnealingLR(total - W)` or `CosineAnnealingWarmRestarts`, joined by `SequentialLR` at
    /// the end W of the warm-up and stepped once per optimiser step.
    #[must_use]
    pub fn lr(&self, base: f64, step: u64, total: u64) -> f64 {
        let warmup = self.warmup.steps(total);
        if step < warmup {
            return base * (step + 1) as f64 / warmup as f64;
        }
        let step = step - warmup;
        match self.decay {
            Decay::Constant => base,
            Decay::Cosine { minimum } => {
                half_cosine(base, minimum, step, total.saturating_sub(warmup))
            }
            Decay::CosineRestarts {
                period,
                growth,
                minimum,
            } => {
                let (at, length) = cycle(step, period.steps(total).max(1), growth);
                half_cosine(base, minimum, at, length)
            }
        }
    }
}

/// Falls from `base` at 0 to `minimum` at `length`, and stays at `minimum`.
fn half_cosine(base: f64, minimum: f64, at: u64, length: u64) -> f64 {
    let part = at.min(length) as f64 / length.max(1) as f64;
    minimum + (base - minimum) * (1.0 + (PI * part).cos()) / 2.0
}

/// The position of `step` within its cycle, and the length of that cycle.
fn cycle(step: u64, first: u64, growth: u32) -> (u64, u64) {
    if growth <= 1 {
        return (step % first, first);
    }
    let (mut at, mut length) = (step, first);
    while at >= length {
        at -= length;
        length = length.saturating_mul(u64::from(growth));
    }
    (at, length)
}
