//! Finds losses and gradients that are not finite without waiting for the device at each step.

use tch::{Device, Kind, Tensor};

use crate::error::Result;

/// What has not been looked at yet.
#[derive(Debug)]
pub(super) struct Watch {
    /// f32 scalar on the device: 1 from the first step on whose loss or gradient is not finite.
    tripped: Tensor,
    steps: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    step: u64,
    ids: Vec<String>,
    loss_is_finite: Tensor,
    gradient_is_finite: Tensor,
}

/// A step whose loss or gradient is not finite.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) what: &'static str,
    pub(super) step: u64,
    pub(super) ids: Vec<String>,
}

impl Watch {
    pub(super) fn new(device: Device) -> Result<Watch> {
        Ok(Watch {
            tripped: Tensor::f_zeros([], (Kind::Float, device))?,
            steps: Vec::new(),
        })
    }

    /// Notes the optimiser step number `step`, from 1, made of the samples `ids`. What comes back is 1 where this step or
    /// one before it must not touch the weights, else 0. `gradient` is `None` where a gradient may overflow.
    pub(super) fn note(
        &mut self,
        step: u64,
        ids: Vec<String>,
        loss: &Tensor,
        gradient: Option<&Tensor>,
    ) -> Result<Tensor> {
        let loss_is_finite = loss.f_isfinite()?;
        let gradient_is_finite = gradient.map_or_else(|| loss.f_isfinite(), Tensor::f_isfinite)?;
        let bad = loss_is_finite
            .f_logical_and(&gradient_is_finite)?
            .f_logical_not()?
            .f_to_kind(Kind::Float)?;
        self.tripped = self.tripped.f_maximum(&bad)?;
        self.steps.push(Watched {
            step,
            ids,
            loss_is_finite,
            gradient_is_finite,
        });
        Ok(self.tripped.shallow_clone())
    }

    /// The first bad step since the last look. Waits for the device.
    pub(super) fn look(&mut self) -> Result<Option<Found>> {
        let steps = std::mem::take(&mut self.steps);
        if steps.is_empty() || self.tripped.f_double_value(&[])? == 0.0 {
            return Ok(None);
        }
        for watched in steps {
            let finite = |flag: &Tensor| Ok::<bool, tch::TchError>(flag.f_int64_value(&[])? != 0);
            let what = match (
                finite(&watched.loss_is_finite)?,
                finite(&watched.gradient_is_finite)?,
            ) {
                (true, true) => continue,
                (false, _) => "loss",
                (true, false) => "gradient",
            };
            let Watched { step, ids, .. } = watched;
            return Ok(Some(Found { what, step, ids }));
        }
        Ok(None)
    }
}
