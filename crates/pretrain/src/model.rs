//! The trainable network: a film encoder and two projectors.

use std::sync::Arc;

use mflag_encoder::init::{batch_norm, linear};
use mflag_encoder::{Arch, BatchNorm, ResNet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn, nn::ModuleT};

use crate::error::Result;

/// The two projectors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectorConfig {
    /// Width of the hidden layer.
    #[schemars(range(min = 1, max = 65536))]
    pub hidden: i64,
    /// Width of the shared space of films and reports.
    #[schemars(range(min = 2, max = 65536))]
    pub output: i64,
    /// Factor of the report projector's learning rate; the paper's is 1. The alignment loss alone
    /// is also low if both projectors map everything to a few directions. A slow report projector
    /// keeps more of the reports' content.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub report_lr_scale: f64,
}

impl Default for ProjectorConfig {
    fn default() -> Self {
        ProjectorConfig {
            hidden: 2048,
            output: 1024,
            report_lr_scale: 1.0,
        }
    }
}

/// `Linear → BatchNorm → ReLU → Linear → BatchNorm without affine`. The last layer keeps every
/// coordinate of the shared space at mean 0 and variance 1 over the batch, which rules out the
/// trivial constant solution. Parameter names are those of the authors' code (`0`, `1`, `3`, `4` of
/// an `nn.Sequential`).
#[derive(Debug)]
struct Projector {
    hidden: nn::Linear,
    hidden_norm: nn::BatchNorm,
    output: nn::Linear,
    output_norm: nn::BatchNorm,
    /// Computes both norms in training mode, in place of libtorch.
    in_training: Option<Arc<dyn BatchNorm>>,
}

impl Projector {
    fn new(p: &nn::Path<'_>, input: i64, width: ProjectorConfig) -> Projector {
        let plain = nn::BatchNormConfig {
            affine: false,
            ..Default::default()
        };
        Projector {
            hidden: linear(p / 0, input, width.hidden),
            hidden_norm: nn::batch_norm1d(p / 1, width.hidden, batch_norm()),
            output: linear(p / 3, width.hidden, width.output),
            output_norm: nn::batch_norm1d(p / 4, width.output, plain),
            in_training: None,
        }
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let hidden = self.norm(&self.hidden_norm, &x.apply(&self.hidden), train)?;
        let output = hidden.relu().apply(&self.output);
        self.norm(&self.output_norm, &output, train)
    }

    fn norm(&self, layer: &nn::BatchNorm, x: &Tensor, train: bool) -> Result<Tensor> {
        let Some(norm) = self.in_training.as_ref().filter(|_| train) else {
            return Ok(layer.forward_t(x, train));
        };
        let running = [&layer.running_mean, &layer.running_var];
        let config = nn::BatchNormConfig::default();
        let (one, zero) = (running[1].ones_like(), running[0].zeros_like());
        let affine = [
            layer.ws.as_ref().unwrap_or(&one),
            layer.bs.as_ref().unwrap_or(&zero),
        ];
        let y = norm.forward(x, affine, running, config.momentum, config.eps);
        Ok(y.map_err(mflag_encoder::Error::BatchNorm)?)
    }
}

/// Prefix of the report projector's variables.
pub(crate) const REPORT_PROJECTOR: &str = "proj_t";

/// The latent vectors of a batch of pairs.
#[derive(Debug)]
pub struct Latents {
    /// Pooled encoder output, `[B, width]`, to which the orthogonality loss applies.
    pub pooled: Tensor,
    /// Projected films, `[B, output]`.
    pub films: Tensor,
    /// Projected reports, `[B, output]`.
    pub reports: Tensor,
}

/// The film encoder (prefix `encoder.`), film projector (`proj_v.`) and report projector
/// (`proj_t.`).
#[derive(Debug)]
pub struct Model {
    encoder: ResNet,
    film_projector: Projector,
    report_projector: Projector,
}

impl Model {
    /// A model with random weights in `p`, for report embeddings of width `text_width`.
    ///
    /// # Errors
    /// If there is not enough memory for the weights.
    pub fn new(
        p: &nn::Path<'_>,
        arch: Arch,
        text_width: i64,
        projector: ProjectorConfig,
    ) -> Result<Model> {
        Ok(Model {
            encoder: ResNet::new(&(p / "encoder"), arch)?,
            film_projector: Projector::new(&(p / "proj_v"), arch.width(), projector),
            report_projector: Projector::new(&(p / REPORT_PROJECTOR), text_width, projector),
        })
    }

    /// Maps normalised films, `[B, 1, S, S]` or `[B, 3, S, S]`, and report embeddings, `[B,
    /// text_width]`, to latent vectors. With `train`, BatchNorm uses and updates the statistics of
    /// the batch.
    ///
    /// # Errors
    /// If the films have another shape.
    pub fn forward(&self, films: &Tensor, reports: &Tensor, train: bool) -> Result<Latents> {
        let (pooled, films) = self.films(films, train)?;
        Ok(Latents {
            pooled,
            films,
            reports: self.reports(reports, train)?,
        })
    }

    /// Maps films to pooled features, `[B, width]`, and projections, `[B, output]`.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub fn films(&self, films: &Tensor, train: bool) -> Result<(Tensor, Tensor)> {
        let pooled = self.encoder.forward(films, train)?;
        let projected = self.film_projector.forward(&pooled, train)?;
        Ok((pooled, projected))
    }

    /// Projects report embeddings: `[B, output]`.
    ///
    /// # Errors
    /// Only with [`Model::set_batch_norm`]: as its norm.
    pub fn reports(&self, reports: &Tensor, train: bool) -> Result<Tensor> {
        self.report_projector.forward(reports, train)
    }

    /// Lets `norm` compute each BatchNorm in training mode.
    pub fn set_batch_norm(&mut self, norm: &Arc<dyn BatchNorm>) {
        self.encoder.set_batch_norm(norm);
        self.film_projector.in_training = Some(norm.clone());
        self.report_projector.in_training = Some(norm.clone());
    }
}
