//! AdamW over parameter groups, equal to `torch.optim.AdamW(fused=True)`, with its state in plain sight.

use crate::error::{Error, Result};
use crate::shim;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Settings of the optimiser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptimiserConfig {
    /// Highest learning rate; the schedule shapes it.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub lr: f64,
    /// Decoupled weight decay, times the learning rate at each step.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub weight_decay: f64,
    /// Decay of the running mean of the gradient and of its square.
    #[schemars(inner(range(min = 0.0, max = 0.999_999_9)))]
    pub betas: [f64; 2],
    /// Added to the root of the second moment, so that nothing is divided by 0.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub eps: f64,
    /// No weight decay on parameters of one dimension: biases and the scales of norms.
    pub no_decay_norm_bias: bool,
    /// Largest two-norm of all gradients together; a larger one is scaled down to it. None: no clipping.
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
    /// For messages.
    pub name: String,
    /// The variables themselves (shallow clones), by name.
    pub parameters: Vec<(String, Tensor)>,
    /// The schedule's rate is multiplied by this.
    pub lr_scale: f64,
    /// Instead of the configured weight decay.
    pub weight_decay: Option<f64>,
}

impl Group {
    /// A group with the configured rate and decay.
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

/// The optimiser. Its state lies on the devices of the parameters and in their memory layout, so convert the parameters
/// (channels-last, device) first.
#[derive(Debug)]
pub struct AdamW {
    slots: Vec<Slot>,
    betas: (f64, f64),
    eps: f64,
}

impl AdamW {
    /// An optimiser in its first state (moments zero, step 0).
    ///
    /// # Errors
    /// If there is nothing to train, or a parameter appears twice.
    pub fn new(groups: Vec<Group>, config: &OptimiserConfig) -> Result<AdamW> {
        let mut slots = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for group in groups {
            let decay = group.weight_decay.unwrap_or(config.weight_decay);
            for (name, parameter) in group.parameters {
                if !seen.insert(name.clone()) {
                    let group = group.name;
                    return Err(Error::Config(format!(
                        "parameter {name} of group {group} is in another group already"
                    )));
                }
                let free = config.no_decay_norm_bias && parameter.dim() <= 1;
                slots.push(Slot {
                    name,
                    average: parameter.detach().f_zeros_like()?,
                    square: parameter.detach().f_zeros_like()?,
                    step: Tensor::f_zeros([], (Kind::Float, parameter.device()))?,
                    parameter,
                    lr_scale: group.lr_scale,
                    weight_decay: if free { 0.0 } else { decay },
                });
            }
        }
        if slots.is_empty() {
            return Err(Error::Config(
                "there is no parameter to train: all are frozen".to_owned(),
            ));
        }
        Ok(AdamW {
            slots,
            betas: (config.betas[0], config.betas[1]),
            eps: config.eps,
        })
    }

    /// Parameters in all groups together, counted as numbers.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.slots.iter().map(|slot| slot.parameter.numel()).sum()
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.slots.iter().map(|slot| &slot.parameter).collect()
    }

    /// One step at rate `lr` over the parameters that have a gradient. Where `skip` (f32 scalar on the device) is 1 nothing
    /// changes; the host does not wait to learn it.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn step(&mut self, lr: f64, skip: Option<&Tensor>) -> Result<()> {
        let same = |a: &Slot, b: &Slot| {
            a.lr_scale == b.lr_scale
                && a.weight_decay == b.weight_decay
                && a.parameter.kind() == b.parameter.kind()
                && a.parameter.device() == b.parameter.device()
        };
        let mut rest: Vec<&Slot> = self.slots.iter().collect();
        while let Some(&first) = rest.first() {
            let (now, later): (Vec<&Slot>, Vec<&Slot>) =
                rest.into_iter().partition(|slot| same(first, slot));
            let list = |pick: fn(&Slot) -> &Tensor| -> Vec<&Tensor> {
                now.iter().map(|slot| pick(slot)).collect()
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

    /// Two-norm of all gradients together: a scalar on the device, unread.
    ///
    /// # Errors
    /// If no parameter has a gradient.
    pub fn gradient_norm(&self) -> Result<Tensor> {
        shim::gradient_norm(&self.parameters())
    }

    /// Scales the gradients so that `norm`, from [`AdamW::gradient_norm`], becomes at most `largest`; as
    /// `torch.nn.utils.clip_grad_norm_`, and without waiting for the device.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn clip(&mut self, norm: &Tensor, largest: f64) -> Result<()> {
        let factor = (largest / (norm + 1e-6)).f_clamp_max(1.0)?;
        shim::scale_gradients(&self.parameters(), &factor)
    }

    /// Multiplies the gradients by `inverse_scale`; `found` becomes 1 where one of them is not finite.
    pub(crate) fn unscale(&mut self, found: &Tensor, inverse_scale: &Tensor) -> Result<()> {
        shim::unscale_gradients(&self.parameters(), found, inverse_scale)
    }

    /// Frees all gradients.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn zero_grad(&mut self) -> Result<()> {
        shim::drop_gradients(&self.parameters())
    }

    /// The state by name: `exp_avg.<parameter>`, `exp_avg_sq.<parameter>`, `step.<parameter>`; the tensors are the live ones.
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
