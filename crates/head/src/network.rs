//! Encoder and head together, and films through both.

use mflag_encoder::Preprocess;
use mflag_store::loader::{Batch, Source};
use mflag_train::Upload;
use mflag_train::shim::Autocast;
use tch::{Device, Tensor, nn};

use crate::config::HeadConfig;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::films::Films;
use crate::head::Head;
use crate::kept::Kept;

/// Encoder and head together.
pub(crate) struct Network<H> {
    pub(crate) variables: nn::VarStore,
    pub(crate) encoder: Encoder,
    pub(crate) head: H,
    pub(crate) preprocess: Preprocess,
    pub(crate) device: Device,
    upload: Upload,
}

impl<H: Head> Network<H> {
    /// With fresh weights on `device`.
    pub(crate) fn new(
        config: &HeadConfig<H::Settings>,
        facts: &H::Facts,
        preprocess: Preprocess,
        device: Device,
    ) -> Result<Network<H>> {
        let variables = nn::VarStore::new(device);
        let encoder = Encoder::new(&variables, &config.encoder)?;
        let head = H::new(
            &variables.root(),
            encoder.arch(),
            preprocess.side,
            &config.head,
            facts,
        )?;
        Ok(Network {
            encoder,
            head,
            preprocess,
            device,
            upload: Upload::new(device)?,
            variables,
        })
    }

    /// What the head reads of views, `side · side` grey values each.
    pub(crate) fn inputs(&self, views: &[u8], train: bool) -> Result<Vec<Tensor>> {
        let films = self.upload.films(views, self.preprocess.side)?;
        let films = self.preprocess.normalise(&films)?;
        Ok(H::inputs(self.encoder.features(&films, train)?))
    }

    /// What the head reads of a batch: what is kept of its films, or of its pixels.
    pub(crate) fn inputs_of<T>(
        &self,
        batch: &Batch<T>,
        kept: Option<&Kept>,
        train: bool,
    ) -> Result<Vec<Tensor>> {
        match kept {
            Some(kept) => kept.of(&batch.films),
            None => self.inputs(&batch.pixels, train),
        }
    }

    /// All variables, by name.
    pub(crate) fn variables(&self) -> Vec<(String, Tensor)> {
        mflag_train::variables(&self.variables)
    }

    /// Predictions for some films with targets, in order: `judge` sees the loss of each batch, each prediction and its target.
    pub(crate) fn judge(
        &self,
        films: &Films<H>,
        kept: Option<&Kept>,
        mut judge: impl FnMut(f64, &[usize], Vec<H::Prediction>, &[H::Target]) -> Result<()>,
    ) -> Result<()> {
        let _no_gradients = tch::no_grad_guard();
        for batch in films.loader().in_order(source(kept), films.target()) {
            let batch = batch?;
            let inputs = self.inputs_of(&batch, kept, false)?;
            let output = self.head.forward(&inputs, false)?;
            let _full = Autocast::enter(self.device, None)?;
            let loss = self.head.loss(&output, &batch.targets)?.loss;
            let predictions = self.head.predictions(&output)?;
            judge(
                loss.f_double_value(&[])?,
                &batch.films,
                predictions,
                &batch.targets,
            )?;
        }
        Ok(())
    }
}

/// What batches need to hold: pixels, unless features are cached.
pub(crate) fn source(kept: Option<&Kept>) -> Source {
    match kept {
        Some(_) => Source::Features,
        None => Source::Pixels,
    }
}
