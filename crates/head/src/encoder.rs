//! The film encoder under a head: frozen, or trained with the head.

use mflag_encoder::{Arch, ENCODER_PREFIX, Features, ResNet};
use mflag_weights::strip_prefix;
use tch::{Tensor, nn};

use crate::config::EncoderConfig;
use crate::error::Result;

/// A ResNet, and whether it is trained.
#[derive(Debug)]
pub struct Encoder {
    network: ResNet,
    frozen: bool,
    moving_statistics: bool,
}

impl Encoder {
    /// Creates an encoder with random weights under `encoder.` of `variables`.
    ///
    /// # Errors
    /// If libtorch cannot create a variable.
    pub fn new(variables: &nn::VarStore, config: &EncoderConfig) -> Result<Encoder> {
        let network = ResNet::new(&(variables.root() / "encoder"), config.network.arch)?;
        if config.frozen {
            for (_, variable) in strip_prefix(ENCODER_PREFIX, variables.variables()) {
                let _ = variable.f_set_requires_grad(false)?;
            }
        }
        Ok(Encoder {
            network,
            frozen: config.frozen,
            moving_statistics: config.moving_statistics,
        })
    }

    /// Loads the file `encoder.weights`, if the configuration names one, into the encoder's part of
    /// `variables`.
    ///
    /// # Errors
    /// If the file cannot be read, or its weights do not fit the architecture.
    pub fn load(variables: &nn::VarStore, config: &EncoderConfig) -> Result<()> {
        match config.network.load_weights(variables)? {
            Some(report) => tracing::info!("initial weights of the encoder: {report}"),
            None => tracing::info!("initial weights of the encoder: random"),
        }
        Ok(())
    }

    /// The architecture.
    pub fn arch(&self) -> Arch {
        self.network.arch()
    }

    /// Whether the same pixels give the same features in every epoch, so that features can be
    /// cached.
    pub fn is_constant(&self) -> bool {
        self.frozen && !self.moving_statistics
    }

    /// Computes the features of normalised films, `[B, 1, S, S]` or `[B, 3, S, S]`. A frozen
    /// encoder computes no gradients; unless `encoder.moving_statistics` is set, it keeps its
    /// BatchNorm statistics even in training.
    ///
    /// # Errors
    /// As [`ResNet::features`].
    pub fn features(&self, films: &Tensor, train: bool) -> Result<Features> {
        if !self.frozen {
            return Ok(self.network.features(films, train)?);
        }
        let _no_gradients = tch::no_grad_guard();
        Ok(self
            .network
            .features(films, train && self.moving_statistics)?)
    }
}
