//! Finds losses and gradients that are not finite, without waiting for the device at each step.

use tch::{Device, Kind, Tensor};

use crate::error::Result;

/// The steps whose results the host has not read yet.
#[derive(Debug)]
pub(super) struct FiniteCheck {
    /// f32 scalar on the device: 1 once a loss or a gradient was not finite, else 0.
    failed: Tensor,
    steps: Vec<PendingStep>,
}

#[derive(Debug)]
struct PendingStep {
    step: u64,
    ids: Vec<String>,
    loss_is_finite: Tensor,
    gradient_is_finite: Tensor,
}

/// A step whose loss or gradient is not finite.
#[derive(Debug)]
pub(super) struct NonFiniteStep {
    /// `loss` or `gradient`.
    pub(super) what: &'static str,
    /// Number of the step, from 1.
    pub(super) step: u64,
    /// The samples of the step.
    pub(super) ids: Vec<String>,
}

impl FiniteCheck {
    pub(super) fn new(device: Device) -> Result<FiniteCheck> {
        Ok(FiniteCheck {
            failed: Tensor::f_zeros([], (Kind::Float, device))?,
            steps: Vec::new(),
        })
    }

    /// Records the optimiser step number `step`, from 1, over the samples `ids`. Returns a scalar
    /// on the device: 1 if this step or an earlier one is not finite and must not change the
    /// weights, else 0. `gradient` is the norm of the gradients; `None` if the loss is scaled,
    /// because scaled gradients may overflow.
    pub(super) fn record(
        &mut self,
        step: u64,
        ids: Vec<String>,
        loss: &Tensor,
        gradient: Option<&Tensor>,
    ) -> Result<Tensor> {
        let loss_is_finite = loss.f_isfinite()?;
        let gradient_is_finite = gradient.map_or_else(|| loss.f_isfinite(), Tensor::f_isfinite)?;
        let failed = loss_is_finite
            .f_logical_and(&gradient_is_finite)?
            .f_logical_not()?
            .f_to_kind(Kind::Float)?;
        self.failed = self.failed.f_maximum(&failed)?;
        self.steps.push(PendingStep {
            step,
            ids,
            loss_is_finite,
            gradient_is_finite,
        });
        Ok(self.failed.shallow_clone())
    }

    /// The first step since the last call that is not finite. Waits for the device.
    pub(super) fn first_failure(&mut self) -> Result<Option<NonFiniteStep>> {
        let steps = std::mem::take(&mut self.steps);
        if steps.is_empty() || self.failed.f_double_value(&[])? == 0.0 {
            return Ok(None);
        }
        for pending in steps {
            let what = if !is_true(&pending.loss_is_finite)? {
                "loss"
            } else if !is_true(&pending.gradient_is_finite)? {
                "gradient"
            } else {
                continue;
            };
            let PendingStep { step, ids, .. } = pending;
            return Ok(Some(NonFiniteStep { what, step, ids }));
        }
        Ok(None)
    }
}

fn is_true(flag: &Tensor) -> Result<bool> {
    Ok(flag.f_int64_value(&[])? != 0)
}
