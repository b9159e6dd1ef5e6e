//! The encoder to export, and how it was trained.

use std::path::Path;

use mflag_core::config;
use mflag_core::run::RunFolder;
use mflag_encoder::{FilmEncoder, Preprocess};
use mflag_store::Store;
use mflag_train::lifecycle::check_unedited;
use tch::Device;

use super::model_card::{Training, model_card};
use super::{CheckpointKind, ENCODER, Format, export_encoder};
use crate::config::PretrainConfig;
use crate::error::{Error, Result};
use crate::pairs::PairIndices;

/// An encoder to export.
pub struct Source {
    /// The encoder.
    pub encoder: FilmEncoder,
    /// `None` if the encoder comes from a file, which does not hold all of this.
    training: Option<Training>,
}

impl Source {
    /// The encoder in an `encoder.safetensors`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn from_file(file: &Path) -> Result<Source> {
        Ok(Source {
            encoder: FilmEncoder::open(file, Device::Cpu)?,
            training: None,
        })
    }

    /// The encoder in a checkpoint of the run in the folder `run`. A temporary file is written to
    /// the folder `scratch`.
    ///
    /// # Errors
    /// If the run or its checkpoint cannot be read, or `scratch` cannot be written.
    pub fn from_run(run: &Path, checkpoint: CheckpointKind, scratch: &Path) -> Result<Source> {
        let (run, config) = RunFolder::open::<PretrainConfig>(run)?;
        check_unedited(&run, &config)?;
        let temporary =
            tempfile::tempdir_in(scratch).map_err(|e| Error::io("write", scratch, e))?;
        let file = temporary.path().join(ENCODER);
        let preprocess = preprocess(&run, &config)?;
        let state = export_encoder(&run, checkpoint, &config, preprocess, &file)?;
        let training = Training {
            data: describe_data(&run, &config),
            configuration: config::to_yaml(&config)?,
            state,
        };
        Ok(Source {
            encoder: FilmEncoder::open(&file, Device::Cpu)?,
            training: Some(training),
        })
    }

    /// The model card in Markdown, for files in these `formats`.
    pub fn model_card(&self, formats: &[Format]) -> String {
        model_card(&self.encoder, self.training.as_ref(), formats)
    }
}

/// The preprocessing of a run's films: from its encoder or, if the run has not finished, from its
/// store.
fn preprocess(run: &RunFolder, config: &PretrainConfig) -> Result<Preprocess> {
    let encoder = run.file(ENCODER);
    if encoder.exists() {
        return Ok(FilmEncoder::open(&encoder, Device::Cpu)?.preprocess());
    }
    let store = Store::open(&config.data.films.store)?;
    run.same_digest("store", &store.digest()?)?;
    let view = config.data.films.view_geometry(&store)?;
    Ok(Preprocess::of_views(store.squaring(), view))
}

/// Name and counts of the run's data set. `None` if the store has changed or is missing.
fn describe_data(run: &RunFolder, config: &PretrainConfig) -> Option<String> {
    let store = Store::open(&config.data.films.store).ok()?;
    run.same_digest("store", &store.digest().ok()?).ok()?;
    let pairs = PairIndices::select(&store, &config.data, config.train.batch_size).ok()?;
    Some(format!(
        "Data set `{}`: {} films prepared; {} pairs of film and report trained on, {} kept for \
         validation.",
        store.meta().dataset,
        store.meta().films,
        pairs.train.len(),
        pairs.validation.len()
    ))
}
