//! A head as a job for the loop of `mflag-train`.

use std::path::Path;
use std::sync::Arc;

use mflag_encoder::{ENCODER_PREFIX, Preprocess};
use mflag_metrics::Counts;
use mflag_store::loader::{Batch, Epoch, Source};
use mflag_store::{Split, Store};
use mflag_train::optim::Group;
use mflag_train::shim::Autocast;
use mflag_train::{
    BEST, Batches, Checkpoint, Direction, Monitor, Position, Step, Task, TaskResult,
};
use tch::{Device, Tensor};

use crate::config::HeadConfig;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::films::Films;
use crate::head::Head;
use crate::kept::Kept;
use crate::model;
use crate::network::{Network, source};

/// A run of a head: network, films and labels.
pub struct Training<H: Head> {
    config: HeadConfig<H::Settings>,
    facts: H::Facts,
    network: Network<H>,
    train: Films<H>,
    validation: Films<H>,
    kept: [Option<Kept>; 2],
}

impl<H: Head> Training<H> {
    /// A head with fresh weights on the encoder that the configuration names, on `device`.
    ///
    /// # Errors
    /// If the store lacks films or labels, or the encoder's weights do not fit.
    pub fn new(
        mut config: HeadConfig<H::Settings>,
        store: &Arc<Store>,
        device: Device,
    ) -> Result<Training<H>> {
        let chosen = Films::<H>::choose(&config, store, Split::Train)?;
        let held_out = Films::<H>::choose(&config, store, Split::Validate)?;
        tracing::info!(
            "{} training films, {} validation films, {}, {device:?}",
            chosen.len(),
            held_out.len(),
            config.encoder.arch.name()
        );
        let facts = H::facts(&config.head, store, &chosen)?;
        config.head = H::settled(&config.head, &facts);
        let preprocess = Preprocess::new(store.squaring(), config.data.side);
        let network = Network::new(&config, &facts, preprocess, device)?;
        Encoder::load(&network.variables, &config.encoder)?;
        let films = |films| Films::new(&config, &facts, store.clone(), films);
        let (train, validation) = (films(chosen)?, films(held_out)?);
        let mut task = Training {
            kept: [None, None],
            config,
            facts,
            network,
            train,
            validation,
        };
        task.keep_features()?;
        Ok(task)
    }

    /// Its configuration, complete with what the data tell.
    pub fn config(&self) -> &HeadConfig<H::Settings> {
        &self.config
    }

    /// The store of the films.
    pub fn store(&self) -> &Arc<Store> {
        self.train.store()
    }

    /// Encodes all films, if they and the encoder stay as they are and memory allows.
    fn keep_features(&mut self) -> Result<()> {
        let limit = self.config.data.keep_features << 20;
        if limit == 0 || !self.network.encoder.is_constant() || !self.config.augment.is_none() {
            return Ok(());
        }
        let (network, device) = (&self.network, self.network.device);
        let precision = self.config.train.precision.resolve(device)?;
        let all = self.train.films().len() + self.validation.films().len();
        let keep = |films: &Films<H>| -> Result<Option<Kept>> {
            let encoded = films
                .loader()
                .in_order(Source::Pixels, |_, _| ())
                .map(|batch| precision.inference(device, || network.inputs(&batch?.pixels, false)));
            Kept::fill(films.films(), all, limit, encoded)
        };
        // Both or none, so that training and validation see the same.
        if let Some(train) = keep(&self.train)?
            && let Some(validation) = keep(&self.validation)?
        {
            self.kept = [Some(train), Some(validation)];
            tracing::info!("the features of {all} films are kept");
        }
        Ok(())
    }

    /// Writes [`MODEL`](crate::MODEL) into the run folder: the weights of the best epoch, and what the validation films say of
    /// them. A head that asks these has the best weights then, in place of the last.
    ///
    /// # Errors
    /// If the checkpoint cannot be read or the model not be written.
    pub fn write_model(&self, folder: &Path) -> Result<()> {
        let file = folder.join(BEST);
        let best = Checkpoint::read(&file)?;
        let facts = match H::CALIBRATE {
            Some(calibrate) => {
                best.restore("model", &self.network.variables(), &file)?;
                let device = self.network.device;
                let precision = self.config.train.precision.resolve(device)?;
                let (_, cases) = precision.inference(device, || self.validation_cases())?;
                calibrate(&self.facts, &cases)?
            }
            None => self.facts.clone(),
        };
        let weights = best.part("model");
        model::write::<H>(
            folder,
            weights,
            &self.config,
            &facts,
            self.network.preprocess,
        )
    }

    /// Cases and mean loss of the validation films, with the present weights.
    fn validation_cases(&self) -> Result<(f64, Vec<H::Case>)> {
        let mut cases = Vec::with_capacity(self.validation.films().len());
        let mut loss = 0.0;
        let kept = self.kept[1].as_ref();
        self.network.judge(
            &self.validation,
            kept,
            |mean, films, predictions, targets| {
                loss += mean * films.len() as f64;
                for (prediction, target) in predictions.iter().zip(targets) {
                    cases.push(H::judge(&self.facts, prediction, target)?);
                }
                Ok(())
            },
        )?;
        Ok((loss / cases.len() as f64, cases))
    }
}

impl<H: Head> Task for Training<H> {
    type Batch = Batch<H::Target>;

    fn variables(&self) -> Vec<(String, Tensor)> {
        self.network.variables()
    }

    fn groups(&self) -> Vec<Group> {
        let trainable = self
            .variables()
            .into_iter()
            .filter(|(_, v)| v.requires_grad());
        let (encoder, head): (Vec<_>, Vec<_>) =
            trainable.partition(|(name, _)| name.starts_with(ENCODER_PREFIX));
        let mut groups = vec![Group::new(H::NAME, head)];
        if !encoder.is_empty() {
            let mut encoder = Group::new("encoder", encoder);
            encoder.lr_scale = self.config.encoder.lr_scale;
            groups.push(encoder);
        }
        groups
    }

    fn batches_per_epoch(&self) -> usize {
        self.train.loader().batches_per_epoch()
    }

    fn batches(&self, epoch: usize, first_batch: usize) -> TaskResult<Batches<Self::Batch>> {
        let epoch = Epoch {
            augment: &self.config.augment,
            seed: self.config.train.seed,
            epoch: epoch as u64,
            first_batch,
        };
        let source = source(self.kept[0].as_ref());
        let batches = self
            .train
            .loader()
            .shuffled(source, &epoch, self.train.target());
        Ok(Box::new(batches.map(|batch| Ok(batch?))))
    }

    fn batch_len(&self, batch: &Self::Batch) -> usize {
        batch.films.len()
    }

    fn ids(&self, batch: &Self::Batch) -> Vec<String> {
        let records = self.train.store().records();
        let films = batch.films.iter();
        films.map(|&film| records[film].film.clone()).collect()
    }

    fn step(&mut self, batch: &Self::Batch, _at: Position) -> TaskResult<Step> {
        let inputs = self.network.inputs_of(batch, self.kept[0].as_ref(), true)?;
        let output = self.network.head.forward(&inputs, true)?;
        // Losses sum over pixels and boxes: in full precision.
        let _full = Autocast::enter(self.network.device, None)?;
        Ok(self.network.head.loss(&output, &batch.targets)?)
    }

    fn validate(&mut self, _epoch: usize) -> TaskResult<Vec<(String, f64)>> {
        let (loss, cases) = self.validation_cases()?;
        let mut metrics = vec![("loss".to_owned(), loss)];
        for (name, value) in H::measures(&self.config.head, &self.facts, &cases, None)? {
            metrics.push((name, value(Counts::Once)?.unwrap_or(f64::NAN)));
        }
        Ok(metrics)
    }

    fn monitor(&self) -> Monitor {
        Monitor {
            metric: self.config.monitor.clone(),
            direction: self.config.direction().unwrap_or(Direction::Lower),
        }
    }
}
