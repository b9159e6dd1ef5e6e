//! The film encoder under a head: frozen, or trained with it.

use mflag_encoder::{Arch, ENCODER_PREFIX, Features, ResNet};
use mflag_weights::{Allow, load_into, strip_prefix};
use tch::{Tensor, nn};

use crate::config::EncoderConfig;
use crate::error::Result;

/// A ResNet, and whether it learns.
#[derive(Debug)]
pub struct Encoder {
    network: ResNet,
    frozen: bool,
    moving_statistics: bool,
}

impl Encoder {
    /// An encoder with fresh weights under `encoder.` of `variables`.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn new(variables: &nn::VarStore, config: &EncoderConfig) -> Result<Encoder> {
        let network = ResNet::new(&(variables.root() / "encoder"), config.arch)?;
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

    /// Reads `encoder.weights`, if there are any, into the encoder's `variables`.
    ///
    /// # Errors
    /// If they cannot be read or do not fit.
    pub fn load(variables: &nn::VarStore, config: &EncoderConfig) -> Result<()> {
        let Some(weights) = &config.weights else {
            tracing::info!("encoder: random weights");
            return Ok(());
        };
        let variables = strip_prefix(ENCODER_PREFIX, variables.variables());
        let report = load_into(weights, &variables, &Allow::heads())?;
        tracing::info!("encoder: {}: {report}", weights.display());
        Ok(())
    }

    /// The architecture.
    pub fn arch(&self) -> Arch {
        self.network.arch()
    }

    /// Whether the features of a film are the same in every epoch, unless the film is changed.
    pub fn is_constant(&self) -> bool {
        self.frozen && !self.moving_statistics
    }

    /// The features of films, `[B, 1, S, S]` or `[B, 3, S, S]`, normalised. A frozen encoder runs without a graph and with
    /// its own BatchNorm statistics, in training, too.
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
