//! AdamW over parameter groups, equal to `torch.optim.AdamW(fused=True)`, with a state that can be
//! saved.

use crate::error::{Error, Result};
use crate::shim;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Settings of the optimiser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptimiserConfig {
    /// Highest learning rate. The schedule lowers it.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub lr: f64,
    /// Decoupled weight decay, multiplied by the learning rate at each step.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub weight_decay: f64,
    /// Decay rates of the running means of the gradient and of its square.
    #[schemars(inner(range(min = 0.0, max = 0.999_999_9)))]
    pub betas: [f64; 2],
    /// Added to the root of the second moment, to avoid a division by 0.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub eps: f64,
    /// Exempt parameters of one dimension (biases, scales of normalisation layers) from weight
    /// decay.
    pub no_decay_norm_bias: bool,
    /// Largest 2-norm of all gradients together. Gradients with a larger norm are scaled down to
    /// it. If absent, gradients are not clipped.
    #[schemars(range(min = 0.0))]
    pub clip_norm: Option<f64>,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        OptimiserConfig {
            lr: 2e-5,
            weight_decay: 0.05,
            betas: [0.9, 0.999],
            eps: 1e-8,
            no_decay_norm_bias: false,
            clip_norm: None,
        }
    }
}

/// Parameters that share a learning rate and a weight decay.
#[derive(Debug)]
pub struct Group {
    /// The name in error messages.
    pub name: String,
    /// The variables (shallow clones), by name.
    pub parameters: Vec<(String, Tensor)>,
    /// Multiplies the configured learning rate.
    pub lr_scale: f64,
    /// Replaces the configured weight decay.
    pub weight_decay: Option<f64>,
}

impl Group {
    /// A group with the configured learning rate and weight decay.
    #[must_use]
    pub fn new(name: impl Into<String>, parameters: Vec<(String, Tensor)>) -> Group {
        Group {
            name: name.into(),
            parameters,
            lr_scale: 1.0,
            weight_decay: None,
        }
    }
}

/// A parameter and its moments.
#[derive(Debug)]
struct Slot {
    name: String,
    parameter: Tensor,
    average: Tensor,
    square: Tensor,
    step: Tensor,
    lr_scale: f64,
    weight_decay: f64,
}

impl Slot {
    /// Whether one fused step can update both parameters.
    fn shares_step(&self, other: &Slot) -> bool {
        self.lr_scale == other.lr_scale
            && self.weight_decay == other.weight_decay
            && self.parameter.kind() == other.parameter.kind()
            && self.parameter.device() == other.parameter.device()
    }
}

/// The optimiser. Its state has the device and memory layout of the parameters, so move and convert
/// the parameters first.
#[derive(Debug)]
pub struct AdamW {
    slots: Vec<Slot>,
    betas: (f64, f64),
    eps: f64,
}

impl AdamW {
    /// An optimiser in its initial state: moments and step are 0.
    ///
    /// # Errors
    /// If there is no parameter, or a parameter is in two groups.
    pub fn new(groups: Vec<Group>, config: &OptimiserConfig) -> Result<AdamW> {
        let mut slots = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for group in groups {
            let decay = group.weight_decay.unwrap_or(config.weight_decay);
            for (name, parameter) in group.parameters {
                if !seen.insert(name.clone()) {
                    let group = group.name;
                    return Err(Error::Config(format!(
                        "parameter {name} of group {group} is already in another group"
                    )));
                }
                let exempt = config.no_decay_norm_bias && parameter.dim() <= 1;
                slots.push(Slot {
                    name,
                    average: parameter.detach().f_zeros_like()?,
                    square: parameter.detach().f_zeros_like()?,
                    step: Tensor::f_zeros([], (Kind::Float, parameter.device()))?,
                    parameter,
                    lr_scale: group.lr_scale,
                    weight_decay: if exempt { 0.0 } else { decay },
                });
            }
        }
        if slots.is_empty() {
            return Err(Error::Config(
                "there are no parameters to train: all are frozen".to_owned(),
            ));
        }
        Ok(AdamW {
            slots,
            betas: (config.betas[0], config.betas[1]),
            eps: config.eps,
        })
    }

    /// The number of trainable scalars in all groups.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.slots.iter().map(|slot| slot.parameter.numel()).sum()
    }

    /// The parameters, in the order of their groups.
    pub(crate) fn parameters(&self) -> Vec<&Tensor> {
        self.slots.iter().map(|slot| &slot.parameter).collect()
    }

    /// Updates the parameters that have a gradient, at learning rate `lr`. If `skip` (f32 scalar on
    /// the device) is 1, nothing changes. Does not wait for the device.
    ///
    /// # Errors
    /// If libtorch's fused AdamW does not support the device or kind of a parameter.
    pub fn step(&mut self, lr: f64, skip: Option<&Tensor>) -> Result<()> {
        let mut rest: Vec<&Slot> = self.slots.iter().collect();
        while let Some(&first) = rest.first() {
            let (batch, later): (Vec<&Slot>, Vec<&Slot>) =
                rest.into_iter().partition(|slot| first.shares_step(slot));
            let list = |pick: fn(&Slot) -> &Tensor| -> Vec<&Tensor> {
                batch.iter().map(|slot| pick(slot)).collect()
            };
            let step = shim::AdamWStep {
                lr: lr * first.lr_scale,
                betas: self.betas,
                weight_decay: first.weight_decay,
                eps: self.eps,
            };
            shim::adamw_step(
                &list(|slot| &slot.parameter),
                &list(|slot| &slot.average),
                &list(|slot| &slot.square),
                &list(|slot| &slot.step),
                step,
                skip,
            )?;
            rest = later;
        }
        Ok(())
    }

    /// The 2-norm of all gradients together: a scalar on the device.
    ///
    /// # Errors
    /// If no parameter has a gradient.
    pub fn gradient_norm(&self) -> Result<Tensor> {
        shim::gradient_norm(&self.parameters())
    }

    /// Scales the gradients down so that `norm`, from [`AdamW::gradient_norm`], is at most
    /// `largest`, as `torch.nn.utils.clip_grad_norm_` does. Does not wait for the device.
    ///
    /// # Errors
    /// If `norm` and the gradients are on different devices.
    pub fn clip(&mut self, norm: &Tensor, largest: f64) -> Result<()> {
        let factor = (largest / (norm + 1e-6)).f_clamp_max(1.0)?;
        shim::scale_gradients(&self.parameters(), &factor)
    }

    /// Multiplies the gradients by `inverse_scale`. Sets `overflow` to 1 if a gradient is not
    /// finite.
    pub(crate) fn unscale(&mut self, overflow: &Tensor, inverse_scale: &Tensor) -> Result<()> {
        shim::unscale_gradients(&self.parameters(), overflow, inverse_scale)
    }

    /// Frees all gradients.
    ///
    /// # Errors
    /// If libtorch fails to free a gradient.
    pub fn zero_grad(&mut self) -> Result<()> {
        shim::drop_gradients(&self.parameters())
    }

    /// The state by name: `exp_avg.<parameter>`, `exp_avg_sq.<parameter>`, `step.<parameter>`. The
    /// tensors are shallow clones.
    #[must_use]
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let named = |kind: &str, slot: &Slot, tensor: &Tensor| {
            (format!("{kind}.{}", slot.name), tensor.shallow_clone())
        };
        self.slots
            .iter()
            .flat_map(|slot| {
                [
                    named("exp_avg", slot, &slot.average),
                    named("exp_avg_sq", slot, &slot.square),
                    named("step", slot, &slot.step),
                ]
            })
            .collect()
    }
}
