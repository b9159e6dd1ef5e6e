//! Pre-training as a task of the training loop.

use std::sync::Arc;

use mflag_encoder::{BatchNorm, Preprocess};
use mflag_store::Seen;
use mflag_store::loader::{Batch, Epoch, Source};
use mflag_train::optim::Group;
use mflag_train::shim::Autocast;
use mflag_train::{Batches, Direction, Monitor, Position, Step, Task, TaskResult, Upload, World};
use tch::{Device, Kind, Tensor, nn};

use crate::config::{LossBatch, PretrainConfig};
use crate::error::Result;
use crate::latent::{self, MONITORED, Measured};
use crate::loss::{Gram, alignment, full, orthogonality};
use crate::model::{Latents, Model, REPORT_PROJECTOR};
use crate::pairs::Pairs;
use crate::sync_batch_norm::SyncBatchNorm;

/// A pre-training task: model, pairs and losses.
#[derive(Debug)]
pub struct Pretraining {
    config: PretrainConfig,
    pairs: Pairs,
    model: Model,
    variables: nn::VarStore,
    preprocess: Preprocess,
    upload: Upload,
    device: Device,
    /// The processes that train together; `None`: this one alone.
    world: Option<World>,
    /// The spectrum of the latest validation.
    spectrum: Vec<[f64; 2]>,
}

impl Pretraining {
    /// Builds the model on `device`, with random weights. The encoder's weights come from
    /// `encoder.weights`, if it is set.
    ///
    /// # Errors
    /// If `encoder.weights` cannot be read, or belongs to another architecture.
    pub fn new(
        config: PretrainConfig,
        pairs: Pairs,
        device: Device,
        world: Option<World>,
    ) -> Result<Pretraining> {
        let variables = nn::VarStore::new(device);
        let root = variables.root();
        let mut model = Model::new(
            &root,
            config.encoder.arch,
            pairs.text_width(),
            config.projector,
        )?;
        if let Some(world) = world.clone().filter(|_| config.sync_batch_norm()) {
            let norm: Arc<dyn BatchNorm> = Arc::new(SyncBatchNorm(world));
            model.set_batch_norm(&norm);
        }
        match config.encoder.load_weights(&variables)? {
            Some(report) => tracing::info!("initial weights of the encoder: {report}"),
            None => tracing::info!("initial weights of the encoder: random"),
        }
        pairs.seen.log();
        let preprocess = Preprocess::of_views(pairs.store.squaring(), pairs.train.view());
        Ok(Pretraining {
            config,
            pairs,
            model,
            variables,
            preprocess,
            upload: Upload::new(device)?,
            device,
            world,
            spectrum: Vec::new(),
        })
    }

    /// The preprocessing of films before the encoder.
    pub fn preprocess(&self) -> Preprocess {
        self.preprocess
    }

    /// How much of the films the network sees.
    pub fn seen(&self) -> Seen {
        self.pairs.seen
    }

    fn latents(&self, batch: &Batch, train: bool) -> Result<Latents> {
        let films = self.upload.films(&batch.pixels, batch.side)?;
        let reports = self.upload.send(self.pairs.reports(&batch.films)?)?;
        let films = self.preprocess.normalise(&films)?;
        self.model.forward(&films, &reports, train)
    }

    /// Weight of the orthogonality loss at an optimiser step. It rises during the warm-up.
    fn orthogonality_weight(&self, step: u64) -> f64 {
        let loss = &self.config.loss;
        let warm_up = (step + 1) as f64 / loss.warm_up_steps.max(1) as f64;
        loss.orthogonality * warm_up.min(1.0)
    }

    /// The metrics of the validation pairs of all ranks, of which this rank has `batches`. Rank 0
    /// measures, so that no rank decides otherwise by a rounding error.
    fn measure_with(&self, world: &World, batches: Vec<Latents>) -> Result<Measured> {
        let rows = |width| Tensor::f_zeros([0, width], (Kind::Float, self.device));
        let (width, output) = (
            self.config.encoder.arch.width(),
            self.config.projector.output,
        );
        let none = Latents {
            pooled: rows(width)?,
            films: rows(output)?,
            reports: rows(output)?,
        };
        let own: Vec<Latents> = [none].into_iter().chain(batches).collect();
        let own = joined(&own)?;
        let (batch_size, pairs) = (self.config.train.batch_size, self.pairs.groups.len());
        let gather = |rows: &Tensor| world.gather_batches(&full(rows), batch_size, pairs);
        let all = Latents {
            pooled: gather(&own.pooled)?,
            films: gather(&own.films)?,
            reports: gather(&own.reports)?,
        };
        let bytes = match world.is_main() {
            true => latent::measure(&all, &self.pairs.groups)?.to_bytes(),
            false => Vec::new(),
        };
        Measured::from_bytes(&world.broadcast_bytes(&bytes)?)
    }

    /// Whether the latent space has collapsed. Logs a warning if it has.
    fn has_collapsed(&self, epoch: usize, metrics: &[(String, f64)]) -> bool {
        let crossed = self.config.collapse.crossed(metrics);
        let collapsed = epoch > 0 && !crossed.is_empty();
        if collapsed {
            tracing::warn!(
                "the latent space has collapsed after epoch {epoch}: {}; try a higher \
                 loss.orthogonality, loss.form=normalised, or a lower train.optimiser.lr",
                crossed.join(", and ")
            );
        }
        collapsed
    }
}

/// The latent vectors of all `batches`, one after the other.
fn joined(batches: &[Latents]) -> Result<Latents> {
    let concatenate = |part: fn(&Latents) -> &Tensor| {
        Tensor::f_cat(&batches.iter().map(part).collect::<Vec<_>>(), 0)
    };
    Ok(Latents {
        pooled: concatenate(|latents| &latents.pooled)?,
        films: concatenate(|latents| &latents.films)?,
        reports: concatenate(|latents| &latents.reports)?,
    })
}

impl Task for Pretraining {
    type Batch = Batch;

    fn variables(&self) -> Vec<(String, Tensor)> {
        mflag_train::sorted_variables(&self.variables)
    }

    fn groups(&self) -> Vec<Group> {
        let trainable = self
            .variables()
            .into_iter()
            .filter(|(_, v)| v.requires_grad());
        let (reports, films): (Vec<_>, Vec<_>) =
            trainable.partition(|(name, _)| name.starts_with(REPORT_PROJECTOR));
        let mut reports = Group::new("report projector", reports);
        reports.lr_scale = self.config.projector.report_lr_scale;
        vec![Group::new("films", films), reports]
    }

    fn batches_per_epoch(&self) -> usize {
        self.pairs.train.batches_per_epoch()
    }

    fn batches(&self, epoch: usize, first_batch: usize) -> TaskResult<Batches<Batch>> {
        let epoch = Epoch {
            augment: &self.config.augment,
            seed: self.config.train.seed,
            epoch: epoch as u64,
            first_batch,
        };
        let batches = self.pairs.train.shuffled(Source::Pixels, &epoch, |_, _| ());
        Ok(Box::new(batches.map(|batch| Ok(batch?))))
    }

    fn batch_len(&self, batch: &Batch) -> usize {
        batch.films.len()
    }

    fn ids(&self, batch: &Batch) -> Vec<String> {
        batch
            .films
            .iter()
            .map(|&film| self.pairs.store.records()[film].film.clone())
            .collect()
    }

    fn step(&mut self, batch: &Batch, position: Position) -> TaskResult<Step> {
        let latents = self.latents(batch, true)?;
        // The losses sum squares over the batch, which needs full precision.
        let _full_precision = Autocast::enter(self.device, None)?;
        let align = alignment(&latents.films, &latents.reports);
        let config = &self.config.loss;
        let is_global = config.batch == LossBatch::Global;
        let world = self.world.as_ref().filter(|_| is_global);
        let (batch, width) = latents.pooled.size2()?;
        let joined = batch * world.map_or(1, World::size) as i64;
        let gram = Gram::cheaper(joined, width);
        let orth = orthogonality(&latents.pooled, config.form, config.lambda, gram, world)?;

        let mut loss = &align * config.alignment;
        let mut parts = vec![("alignment_loss", align)];
        if let Some(orth) = orth {
            loss += &orth * self.orthogonality_weight(position.step);
            parts.push(("orthogonality_loss", orth));
        }
        Ok(Step { loss, parts })
    }

    fn validate(&mut self, epoch: usize) -> TaskResult<Vec<(String, f64)>> {
        let mut batches = Vec::new();
        for batch in self.pairs.validation.in_order(Source::Pixels, |_, _| ()) {
            batches.push(self.latents(&batch?, false)?);
        }
        let _full_precision = Autocast::enter(self.device, None)?;
        let Measured {
            mut metrics,
            spectrum,
        } = match &self.world {
            None => latent::measure(&joined(&batches)?, &self.pairs.groups)?,
            Some(world) => self.measure_with(world, batches)?,
        };
        self.spectrum = spectrum;
        let collapsed = self.has_collapsed(epoch, &metrics);
        metrics.push(("collapsed".to_owned(), f64::from(u8::from(collapsed))));
        Ok(metrics)
    }

    fn series(&self) -> Vec<(String, Vec<[f64; 2]>)> {
        vec![("spectrum".to_owned(), self.spectrum.clone())]
    }

    fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }

    fn monitor(&self) -> Monitor {
        Monitor {
            metric: MONITORED.to_owned(),
            direction: Direction::Higher,
        }
    }
}
