//! Number formats of the forward pass, and the loss scaling that fp16 needs.

use crate::error::{Error, Result};
use crate::optim::AdamW;
use crate::shim::Autocast;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// Number format of the forward pass; weights, gradients and optimiser state stay f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// bf16 on CUDA and on CPUs that multiply it in hardware (AVX512-BF16, AMX), else fp32.
    Auto,
    /// f32 throughout.
    Fp32,
    /// Products and convolutions in bfloat16.
    Bf16,
    /// Products and convolutions in float16, with a scaled loss; CUDA only.
    Fp16,
}

impl Precision {
    /// The format to use on `device`; `Auto` becomes one of the others.
    ///
    /// # Errors
    /// For fp16 on a CPU.
    pub fn resolve(self, device: Device) -> Result<Precision> {
        match self {
            Precision::Fp16 if !device.is_cuda() => Err(Error::Device(
                "precision: fp16 needs a GPU; set precision=bf16 or fp32 for the CPU".to_owned(),
            )),
            Precision::Auto if device.is_cuda() || cpu_has_bf16() => Ok(Precision::Bf16),
            Precision::Auto => Ok(Precision::Fp32),
            format => Ok(format),
        }
    }

    /// Runs `forward` under autocast to this format. `Auto` counts as fp32: resolve it first.
    ///
    /// # Errors
    /// If libtorch cannot autocast to this format on `device`, or `forward` fails.
    pub fn autocast<T, E: From<Error>>(
        self,
        device: Device,
        forward: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let kind = match self {
            Precision::Auto | Precision::Fp32 => return forward(),
            Precision::Bf16 => Kind::BFloat16,
            Precision::Fp16 => Kind::Half,
        };
        let _autocast = Autocast::enter(device, Some(kind))?;
        forward()
    }

    /// Runs `forward` without gradients, under [autocast](Precision::autocast).
    ///
    /// # Errors
    /// As [`Precision::autocast`].
    pub fn inference<T, E: From<Error>>(
        self,
        device: Device,
        forward: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let _no_gradients = tch::no_grad_guard();
        self.autocast(device, forward)
    }
}

/// Whether this CPU multiplies bf16 in hardware.
fn cpu_has_bf16() -> bool {
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    flags
        .split_whitespace()
        .any(|flag| flag == "avx512_bf16" || flag == "amx_bf16")
}

/// Scales the loss so that small fp16 gradients do not vanish: `torch.amp.GradScaler` with its
/// default settings. All of its state stays on the device, and so does the decision to skip a step
/// whose gradients overflow.
#[derive(Debug)]
pub struct GradScaler {
    scale: Tensor,
    growth_tracker: Tensor,
}

impl GradScaler {
    const INITIAL: f64 = 65_536.0;
    const GROWTH: f64 = 2.0;
    const BACKOFF: f64 = 0.5;
    const INTERVAL: i64 = 2000;

    /// A scaler in its initial state.
    ///
    /// # Errors
    /// If libtorch cannot allocate on `device`.
    pub fn new(device: Device) -> Result<GradScaler> {
        Ok(GradScaler {
            scale: Tensor::f_full([], Self::INITIAL, (Kind::Float, device))?,
            growth_tracker: Tensor::f_zeros([], (Kind::Int, device))?,
        })
    }

    /// The scaled loss, for the backward pass.
    pub fn scale(&self, loss: &Tensor) -> Tensor {
        loss * &self.scale
    }

    /// Divides the gradients by the scale. Returns an f32 scalar: 1 if a gradient is not finite,
    /// else 0.
    ///
    /// # Errors
    /// If the gradients are on another device than the scale.
    pub fn unscale(&self, optimiser: &mut AdamW) -> Result<Tensor> {
        let overflow = Tensor::f_zeros([], (Kind::Float, self.scale.device()))?;
        // Computed in f64, as torch does, so that the inverse is rounded once.
        let inverse = self
            .scale
            .to_kind(Kind::Double)
            .reciprocal()
            .to_kind(Kind::Float);
        optimiser.unscale(&overflow, &inverse)?;
        Ok(overflow)
    }

    /// Halves the scale after an overflow, and doubles it after 2000 steps without one.
    ///
    /// # Errors
    /// If `overflow` is on another device than the scale.
    pub fn update(&mut self, overflow: &Tensor) -> Result<()> {
        let _ = self.scale.f_internal_amp_update_scale_(
            &self.growth_tracker,
            overflow,
            Self::GROWTH,
            Self::BACKOFF,
            Self::INTERVAL,
        )?;
        Ok(())
    }

    /// The state by name: `scale`, `growth_tracker`. The tensors are shallow clones.
    #[must_use]
    pub fn state(&self) -> Vec<(String, Tensor)> {
        vec![
            ("scale".to_owned(), self.scale.shallow_clone()),
            (
                "growth_tracker".to_owned(),
                self.growth_tracker.shallow_clone(),
            ),
        ]
    }
}
