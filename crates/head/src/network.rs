//! Encoder and head together.

use mflag_encoder::Preprocess;
use mflag_store::loader::{Batch, Source};
use mflag_train::shim::Autocast;
use mflag_train::{TrainerConfig, Upload};
use tch::{Device, Tensor, nn};

use crate::config::HeadConfig;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::feature_cache::FeatureCache;
use crate::head::Head;
use crate::labelled_films::LabelledFilms;

/// Encoder and head together.
pub(crate) struct Network<H> {
    pub(crate) variables: nn::VarStore,
    pub(crate) encoder: Encoder,
    pub(crate) head: H,
    pub(crate) preprocess: Preprocess,
    pub(crate) device: Device,
    upload: Upload,
}

/// A batch of labelled films after the network.
pub(crate) struct PredictedBatch<H: Head> {
    /// Mean loss.
    pub(crate) loss: f64,
    /// Indices in the store.
    films: Vec<usize>,
    predictions: Vec<H::Prediction>,
    targets: Vec<H::Target>,
}

impl<H: Head> PredictedBatch<H> {
    /// Films in the batch.
    pub(crate) fn len(&self) -> usize {
        self.films.len()
    }

    /// Each film's index in the store, its prediction and its target.
    pub(crate) fn films(&self) -> impl Iterator<Item = (usize, &H::Prediction, &H::Target)> {
        let predicted = self.films.iter().zip(&self.predictions);
        let predicted = predicted.zip(&self.targets);
        predicted.map(|((&film, prediction), target)| (film, prediction, target))
    }
}

impl<H: Head> Network<H> {
    /// Creates encoder and head with random weights on `device`.
    pub(crate) fn new(
        config: &HeadConfig<H::Settings>,
        fitted: &H::Fitted,
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
            fitted,
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

    /// All variables, by name.
    pub(crate) fn variables(&self) -> Vec<(String, Tensor)> {
        mflag_train::sorted_variables(&self.variables)
    }

    /// Runs `compute` without gradients, in the precision of the configuration.
    pub(crate) fn inference<T>(
        &self,
        config: &TrainerConfig,
        compute: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let precision = config.precision.resolve(self.device)?;
        precision.inference(self.device, compute)
    }

    /// Computes the head's inputs from views of `side · side` grey values each.
    pub(crate) fn inputs(&self, views: &[u8], train: bool) -> Result<Vec<Tensor>> {
        let films = self.upload.films(views, self.preprocess.side)?;
        let films = self.preprocess.normalise(&films)?;
        Ok(H::inputs(self.encoder.features(&films, train)?))
    }

    /// The head's inputs for a batch: from the cache if there is one, else from the batch's pixels.
    pub(crate) fn batch_inputs<T>(
        &self,
        batch: &Batch<T>,
        cache: Option<&FeatureCache>,
        train: bool,
    ) -> Result<Vec<Tensor>> {
        match cache {
            Some(cache) => cache.select(&batch.films),
            None => self.inputs(&batch.pixels, train),
        }
    }

    /// Predicts on labelled films in order, and passes each batch to `handle`.
    pub(crate) fn predict_labelled(
        &self,
        films: &LabelledFilms<H>,
        cache: Option<&FeatureCache>,
        mut handle: impl FnMut(&PredictedBatch<H>) -> Result<()>,
    ) -> Result<()> {
        let _no_gradients = tch::no_grad_guard();
        for batch in films.loader().in_order(source(cache), films.target()) {
            let batch = batch?;
            let inputs = self.batch_inputs(&batch, cache, false)?;
            let output = self.head.forward(&inputs, false)?;
            let _full_precision = Autocast::enter(self.device, None)?;
            let loss = self.head.loss(&output, &batch.targets)?.loss;
            handle(&PredictedBatch {
                predictions: self.head.predictions(&output)?,
                loss: loss.f_double_value(&[])?,
                films: batch.films,
                targets: batch.targets,
            })?;
        }
        Ok(())
    }
}

/// What the loader must read. If the features are cached, it reads no pixels.
pub(crate) fn source(cache: Option<&FeatureCache>) -> Source {
    match cache {
        Some(_) => Source::Features,
        None => Source::Pixels,
    }
}
