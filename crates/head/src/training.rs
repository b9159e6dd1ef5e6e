//! The training of a head, as a task for the loop of `mflag-train`.

use std::path::Path;
use std::sync::Arc;

use mflag_encoder::{ENCODER_PREFIX, Preprocess};
use mflag_metrics::Counts;
use mflag_metrics::catalogue::LOSS;
use mflag_store::loader::{Batch, Epoch, Source};
use mflag_store::{Seen, Split, Store};
use mflag_train::optim::Group;
use mflag_train::shim::Autocast;
use mflag_train::{
    BEST, Batches, Checkpoint, Direction, Monitor, Position, Step, Task, TaskResult,
};
use tch::{Device, Tensor};

use crate::config::HeadConfig;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::feature_cache::FeatureCache;
use crate::head::Head;
use crate::labelled_films::LabelledFilms;
use crate::model;
use crate::network::{Network, source};

/// The training of a head: network, training films and validation films.
pub struct Training<H: Head> {
    config: HeadConfig<H::Settings>,
    fitted: H::Fitted,
    network: Network<H>,
    train: LabelledFilms<H>,
    validation: LabelledFilms<H>,
    train_cache: Option<FeatureCache>,
    validation_cache: Option<FeatureCache>,
    seen: Seen,
}

/// What a training begins with, before it reads films.
struct Start<H: Head> {
    /// Indices into the store.
    train: Vec<usize>,
    /// Indices into the store.
    validation: Vec<usize>,
    /// With the settings that the training films determine filled in.
    config: HeadConfig<H::Settings>,
    fitted: H::Fitted,
    network: Network<H>,
    seen: Seen,
}

impl<H: Head> Start<H> {
    fn new(
        mut config: HeadConfig<H::Settings>,
        store: &Arc<Store>,
        device: Device,
    ) -> Result<Start<H>> {
        let train = LabelledFilms::<H>::choose(&config, store, Split::Train)?;
        let validation = LabelledFilms::<H>::choose(&config, store, Split::Validate)?;
        tracing::info!(
            "{} training films, {} validation films, {}, {device:?}",
            train.len(),
            validation.len(),
            config.encoder.network.arch.name()
        );
        let view = config.data.films.view_geometry(store)?;
        let seen = config.data.films.seen(store, &train, &config.augment)?;
        let fitted = H::fit(&config.head, store, view, &train)?;
        config.head = H::resolve_settings(&config.head, &fitted);
        check_measurable::<H>(&config, store, &validation)?;
        H::warn_of_few(&config.head, store, Split::Train, &train)?;
        H::warn_of_few(&config.head, store, Split::Validate, &validation)?;
        seen.log();
        let preprocess = Preprocess::of_views(store.squaring(), view);
        let network = Network::new(&config, &fitted, preprocess, device)?;
        Encoder::load(&network.variables, &config.encoder)?;
        Ok(Start {
            train,
            validation,
            config,
            fitted,
            network,
            seen,
        })
    }
}

/// Fails if the metric that chooses the best epoch is undefined on the validation films. Warns if
/// the evaluation on the test split will be undefined or left out.
fn check_measurable<H: Head>(
    config: &HeadConfig<H::Settings>,
    store: &Store,
    validation: &[usize],
) -> Result<()> {
    let folder = store.folder().display();
    if let Some(why) = H::unmeasurable(&config.head, store, validation)? {
        let problem = format!(
            "{folder}: of the {} validation films, {why}",
            validation.len()
        );
        if config.monitor != LOSS.key {
            return Err(Error::Data(format!(
                "{problem}, so {} cannot choose the best epoch: prepare a \
                 validation split with films of both kinds, or set monitor: {}",
                config.monitor, LOSS.key
            )));
        }
        tracing::warn!("{problem}: there will be no metric but the loss");
    }
    if store.split(Split::Test).is_empty() {
        return Ok(());
    }
    match LabelledFilms::<H>::choose(config, store, Split::Test) {
        Err(_) => tracing::warn!(
            "{folder}: no film of the test split has labels for {}",
            H::NAME
        ),
        Ok(test) => {
            if let Some(why) = H::unmeasurable(&config.head, store, &test)? {
                let films = test.len();
                tracing::warn!("{folder}: of the {films} test films, {why}: no metric is defined");
            }
        }
    }
    Ok(())
}

impl<H: Head> Training<H> {
    /// Creates a head with random weights on the encoder of the configuration.
    ///
    /// # Errors
    /// If the store has no labelled film in its training or validation split, or the weights
    /// `encoder.weights` do not fit the encoder.
    pub fn new(
        config: HeadConfig<H::Settings>,
        store: &Arc<Store>,
        device: Device,
    ) -> Result<Training<H>> {
        let Start {
            train,
            validation,
            config,
            fitted,
            network,
            seen,
        } = Start::<H>::new(config, store, device)?;
        let labelled = |films| LabelledFilms::new(&config, &fitted, store.clone(), films);
        let mut training = Training {
            train: labelled(train)?,
            validation: labelled(validation)?,
            train_cache: None,
            validation_cache: None,
            config,
            fitted,
            network,
            seen,
        };
        training.cache_features()?;
        Ok(training)
    }

    /// Checks what can be wrong before films are read: the labels of each split, the side of the
    /// views, the encoder's weights. [`Training::new`] checks the same.
    ///
    /// # Errors
    /// As [`Training::new`].
    pub fn check(config: HeadConfig<H::Settings>, store: &Arc<Store>) -> Result<()> {
        Start::<H>::new(config, store, Device::Cpu)?;
        Ok(())
    }

    /// The configuration, with the settings that the training films determine filled in.
    pub fn config(&self) -> &HeadConfig<H::Settings> {
        &self.config
    }

    /// How much of the films the network sees.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// The store of the films.
    pub fn store(&self) -> &Arc<Store> {
        self.train.store()
    }

    /// Encodes all films once if their features never change and fit into memory.
    fn cache_features(&mut self) -> Result<()> {
        let limit = self.config.data.feature_cache_mib << 20;
        if limit == 0 || !self.network.encoder.is_constant() || !self.config.augment.is_none() {
            return Ok(());
        }
        let total = self.train.indices().len() + self.validation.indices().len();
        // Cache both splits or none, so that training and validation see the same features.
        if let Some(train) = self.encode(&self.train, total, limit)?
            && let Some(validation) = self.encode(&self.validation, total, limit)?
        {
            self.train_cache = Some(train);
            self.validation_cache = Some(validation);
            tracing::info!("the features of {total} films are kept in memory");
        }
        Ok(())
    }

    /// Encodes `films`; `None` if the features of all `total` films would exceed `limit` bytes.
    fn encode(
        &self,
        films: &LabelledFilms<H>,
        total: usize,
        limit: u64,
    ) -> Result<Option<FeatureCache>> {
        let network = &self.network;
        let batches = films.loader().in_order(Source::Pixels, |_, _| ());
        let encoded = batches.map(|batch| {
            network.inference(&self.config.train, || network.inputs(&batch?.pixels, false))
        });
        FeatureCache::fill(films.indices(), total, limit, encoded)
    }

    /// Writes [`MODEL`](crate::MODEL) with the weights of the best epoch into the run folder. If
    /// the head has [`Head::CALIBRATE`], the network has these weights afterwards.
    ///
    /// # Errors
    /// If the best checkpoint cannot be read, or the model cannot be written.
    pub fn write_model(&self, folder: &Path) -> Result<()> {
        let file = folder.join(BEST);
        let best = Checkpoint::read(&file)?;
        let fitted = match H::CALIBRATE {
            Some(calibrate) => {
                best.restore("model", &self.network.variables(), &file)?;
                let score = || self.score_validation();
                let (_, scored) = self.network.inference(&self.config.train, score)?;
                calibrate(&self.fitted, &scored)?
            }
            None => self.fitted.clone(),
        };
        model::write::<H>(
            folder,
            best.part("model"),
            &self.config,
            &fitted,
            self.network.preprocess,
        )
    }

    /// Mean loss and scored validation films, with the present weights.
    fn score_validation(&self) -> Result<(f64, Vec<H::Scored>)> {
        let mut scored = Vec::with_capacity(self.validation.indices().len());
        let mut loss = 0.0;
        let cache = self.validation_cache.as_ref();
        self.network
            .predict_labelled(&self.validation, cache, |batch| {
                loss += batch.loss * batch.len() as f64;
                for (_, prediction, target) in batch.films() {
                    scored.push(H::score(&self.fitted, prediction, target)?);
                }
                Ok(())
            })?;
        Ok((loss / scored.len() as f64, scored))
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
            .filter(|(_, variable)| variable.requires_grad());
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
        let source = source(self.train_cache.as_ref());
        let loader = self.train.loader();
        let batches = loader.shuffled(source, &epoch, self.train.target());
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
        let cache = self.train_cache.as_ref();
        let inputs = self.network.batch_inputs(batch, cache, true)?;
        let output = self.network.head.forward(&inputs, true)?;
        // Losses sum over many pixels and boxes, so they need full precision.
        let _full_precision = Autocast::enter(self.network.device, None)?;
        Ok(self.network.head.loss(&output, &batch.targets)?)
    }

    fn validate(&mut self, _epoch: usize) -> TaskResult<Vec<(String, f64)>> {
        let (loss, scored) = self.score_validation()?;
        let mut values = vec![("loss".to_owned(), loss)];
        let metrics = H::validation_metrics(&self.config.head, &self.fitted, &scored)?;
        for (name, metric) in metrics {
            values.push((name, metric(Counts::Once)?.unwrap_or(f64::NAN)));
        }
        Ok(values)
    }

    fn monitor(&self) -> Monitor {
        Monitor {
            metric: self.config.monitor.clone(),
            direction: self.config.direction().unwrap_or(Direction::Lower),
        }
    }
}
