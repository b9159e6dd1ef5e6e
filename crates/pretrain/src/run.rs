//! Pre-training as a kind of run.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use mflag_core::output::Output;
use mflag_core::run::RunFolder;
use mflag_encoder::ResNet;
use mflag_encoder::text::TextEncoder;
use mflag_store::{Store, Verification};
use mflag_train::lifecycle::RunKind;
use mflag_train::{TaskResult, TrainerConfig, World, all};
use tch::Device;
use tch::nn::VarStore;

use crate::config::PretrainConfig;
use crate::export::{CheckpointKind, ENCODER, export_encoder};
use crate::pairs::{LANGUAGE_MODEL, PairIndices, Pairs, encode_texts};
use crate::task::Pretraining;

/// A run of pre-training.
#[derive(Debug, Clone, Default)]
pub struct PretrainRun {
    /// The processes that train together; `None`: this one alone.
    pub world: Option<World>,
    /// Whether a run may be resumed by another number of processes than before.
    pub other_world_size: bool,
}

/// What a run of pre-training reads.
#[derive(Debug)]
pub struct Inputs {
    store: Arc<Store>,
    verification: Verification,
    text: TextEncoder,
}

impl PretrainRun {
    fn ranks(&self) -> usize {
        self.world.as_ref().map_or(1, World::size)
    }
}

impl RunKind for PretrainRun {
    type Config = PretrainConfig;
    type Inputs = Inputs;
    type Task = Pretraining;

    fn program(&self) -> &str {
        "mflag-pretrain"
    }

    fn commit(&self) -> Option<&str> {
        option_env!("MFLAG_COMMIT")
    }

    fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }

    fn accepts_other_world_size(&self) -> bool {
        self.other_world_size
    }

    fn trainer<'a>(&self, config: &'a PretrainConfig) -> &'a TrainerConfig {
        &config.train
    }

    fn initial_weights<'a>(&self, config: &'a PretrainConfig) -> Option<&'a Path> {
        config.encoder.weights.as_deref()
    }

    fn open(&self, config: &PretrainConfig, device: Device) -> TaskResult<Inputs> {
        let store = Store::open(&config.data.films.store).map_err(Into::into);
        let text = config.text.encoder(device).map_err(Into::into);
        let (store, text) = all(store, text)?;
        let store = Arc::new(store);
        Ok(Inputs {
            verification: store.verify_beside(),
            store,
            text,
        })
    }

    fn digests(&self, inputs: &Inputs) -> TaskResult<Vec<(&'static str, String)>> {
        Ok(vec![
            ("store", inputs.store.digest()?),
            (LANGUAGE_MODEL, inputs.text.fingerprint()),
        ])
    }

    /// The checkpoint holds the encoder's weights, so the file of the initial weights is not
    /// needed.
    fn adapt_to_checkpoint(&self, config: &mut PretrainConfig) {
        config.encoder.weights = None;
    }

    fn check(&self, config: &PretrainConfig, inputs: &Inputs) -> TaskResult<()> {
        config.check_share(self.ranks())?;
        PairIndices::select(&inputs.store, &config.data, config.train.batch_size)?;
        config.data.films.view_geometry(&inputs.store)?;
        let variables = VarStore::new(Device::Cpu);
        ResNet::new(&(variables.root() / "encoder"), config.encoder.arch)?;
        config.encoder.load_weights(&variables)?;
        Ok(())
    }

    fn task(
        &self,
        config: &PretrainConfig,
        Inputs {
            store,
            verification,
            text,
        }: Inputs,
        device: Device,
    ) -> TaskResult<Pretraining> {
        config.check_share(self.ranks())?;
        let indices = PairIndices::select(&store, &config.data, config.train.batch_size)?;
        tracing::info!(
            "{} training pairs, {} validation pairs, {}, {device:?}",
            indices.train.len(),
            indices.validation.len(),
            config.encoder.arch.name()
        );
        if let Some(world) = &self.world {
            let (ranks, share) = (world.size(), config.train.batch_size / world.size());
            let sync = config.sync_batch_norm();
            let batch = config.loss.batch;
            tracing::info!(
                "{ranks} processes with {share} pairs of each batch; loss.batch: {batch:?}, \
                 sync_batch_norm: {sync}"
            );
        }
        // Refused before texts are encoded, which may take hours.
        config.data.films.view_geometry(&store)?;
        let texts = indices.texts(&store);
        let encode = || encode_texts(&text, &config.text.cache, &texts);
        let (cache, _) = match &self.world {
            Some(world) => world.main_first(encode)?,
            None => encode()?,
        };
        // Frees the memory of the language model.
        drop(text);
        let world = self.world.clone();
        let pairs = Pairs::new(store, &indices, cache, config, world.as_ref())?;
        let task = Pretraining::new(config.clone(), pairs, device, world)?;
        verification.finish()?;
        Ok(task)
    }

    fn view(&self, task: &Pretraining) -> String {
        task.seen().to_string()
    }

    fn finish(
        &self,
        task: Pretraining,
        config: &PretrainConfig,
        run: &RunFolder,
        _device: Device,
        out: &mut Output,
    ) -> TaskResult<()> {
        let encoder = run.file(ENCODER);
        export_encoder(
            run,
            CheckpointKind::Best,
            config,
            task.preprocess(),
            &encoder,
        )
        .context("the best checkpoint could not be exported")?;
        let words = format!("encoder of the best epoch: {}\n", encoder.display());
        out.say("encoder", &encoder, words);
        Ok(())
    }
}
