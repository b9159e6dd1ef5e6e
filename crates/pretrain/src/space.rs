//! The shared space of a pre-training run: films and texts as directions that can be compared.

use std::path::Path;
use std::sync::Arc;

use mflag_core::device::DeviceSettings;
use mflag_core::progress::Progress;
use mflag_core::run::RunFolder;
use mflag_encoder::text::TextEncoder;
use mflag_encoder::{FilmEncoder, Preprocess};
use mflag_film::Film;
use mflag_store::Store;
use mflag_store::loader::{Loader, Options, Source};
use mflag_train::{BEST, Checkpoint, Precision, Upload};
use ndarray::{Array1, Array2, ArrayView1};
use tch::{Device, Kind, Tensor, nn};

use crate::config::PretrainConfig;
use crate::error::{Error, Result};
use crate::export::ENCODER;
use crate::loss::{full, unit_rows};
use crate::model::Model;
use crate::pairs::{BATCH_TOKENS, LANGUAGE_MODEL};

/// Films in a batch.
const BATCH: usize = 32;

/// The best model of a run with its language model: both projectors, and all that films and texts go through before them.
#[derive(Debug)]
pub struct Space {
    model: Model,
    text: TextEncoder,
    preprocess: Preprocess,
    precision: Precision,
    upload: Upload,
    device: Device,
}

impl Space {
    /// Opens the folder of a run that has finished, on the device that a program's flags name.
    ///
    /// # Errors
    /// If the run is not one of pre-training, has not finished, its language model is no longer there, or there is no such device.
    pub fn open(run: &Path, on: DeviceSettings) -> Result<Space> {
        let (run, config) = RunFolder::open::<PretrainConfig>(run)?;
        let encoder = run.file(ENCODER);
        if !encoder.exists() {
            return Err(Error::Data(format!(
                "{} has no {ENCODER}: it has not finished; go on by mflag-pretrain train --resume",
                run.path().display()
            )));
        }
        let (settings, device) = mflag_train::device::setup_inference(&config.train, on)?;
        let preprocess = FilmEncoder::open(&encoder, Device::Cpu)?.preprocess();
        let text = config.text.encoder(device)?;
        run.same_digest(LANGUAGE_MODEL, &text.fingerprint())?;
        let mut variables = nn::VarStore::new(device);
        let width = text.hidden() as i64;
        let model = Model::new(
            &variables.root(),
            config.encoder.arch,
            width,
            config.projector,
        )?;
        let best = run.file(BEST);
        Checkpoint::read(&best)?.restore("model", &mflag_train::variables(&variables), &best)?;
        variables.freeze();
        Ok(Space {
            model,
            text,
            preprocess,
            precision: settings.precision.resolve(device)?,
            upload: Upload::new(device)?,
            device,
        })
    }

    /// Directions of films of a store, `[films, width]`, each of length 1.
    ///
    /// # Errors
    /// If the store's squares are not like those that the run learned from.
    pub fn stored(&self, store: &Arc<Store>, films: &[usize]) -> Result<Array2<f32>> {
        store.check_squares(&self.preprocess.square)?;
        let options = Options {
            side: self.preprocess.side,
            batch_size: BATCH,
            full_only: false,
            threads: 0,
            prefetch: 2,
        };
        let progress = Progress::new("encode films", films.len() as u64, "films");
        let mut all = Vec::new();
        for batch in Loader::new(store.clone(), films, options)?.in_order(Source::Pixels, |_, _| ())
        {
            let batch = batch?;
            let pixels = self.upload.films(&batch.pixels, batch.side)?;
            all.push(self.films(&self.preprocess.normalise(&pixels)?)?);
            progress.inc(batch.films.len() as u64);
        }
        progress.finish();
        rows(&Tensor::f_cat(&all, 0)?)
    }

    /// Direction of a film file (JPEG, PNG or DICOM).
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn file(&self, path: &Path) -> Result<Array1<f32>> {
        let film: Film = self.preprocess.read(path, &mflag_film::Limits::default())?;
        let batch = self.preprocess.batch(&[film], self.device)?;
        Ok(rows(&self.films(&batch)?)?.row(0).to_owned())
    }

    /// Directions of texts, `[texts, width]`, each of length 1.
    ///
    /// # Errors
    /// As [`TextEncoder::embed`].
    pub fn texts(&self, texts: &[String]) -> Result<Array2<f32>> {
        let _frozen = tch::no_grad_guard();
        let vectors = self.text.embed(texts, BATCH_TOKENS, &|_| ())?;
        let shape = [texts.len() as i64, self.text.hidden() as i64];
        let values: Vec<f32> = vectors.into_iter().collect();
        let vectors = Tensor::f_from_slice(&values)?.f_view(shape)?;
        rows(&unit_rows(
            &self.model.reports(&self.upload.send(vectors)?, false),
        ))
    }

    fn films(&self, films: &Tensor) -> Result<Tensor> {
        let _frozen = tch::no_grad_guard();
        let forward = || self.model.films(films, false);
        let (_, projected) = self.precision.autocast(self.device, forward)??;
        Ok(unit_rows(&full(&projected)))
    }
}

fn rows(tensor: &Tensor) -> Result<Array2<f32>> {
    let (rows, columns) = tensor.size2()?;
    let flat = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
    let flat = Vec::<f32>::try_from(flat.f_flatten(0, -1)?)?;
    Array2::from_shape_vec((rows as usize, columns as usize), flat)
        .map_err(|e| Error::Data(format!("directions have no shape: {e}")))
}

/// The direction of several together: their mean, of length 1. No directions, or opposite ones, have the direction 0.
pub fn together(directions: &Array2<f32>) -> Array1<f32> {
    let sum = directions.sum_axis(ndarray::Axis(0));
    let length = sum.dot(&sum).sqrt();
    if length > 0.0 { sum / length } else { sum }
}

/// The `number` rows of `directions` with the highest cosine to `query`, the highest first: place and cosine. Of equal ones the first
/// comes first.
pub fn nearest(
    query: ArrayView1<'_, f32>,
    directions: &Array2<f32>,
    number: usize,
) -> Vec<(usize, f32)> {
    let cosines = directions.dot(&query);
    let mut places: Vec<usize> = (0..cosines.len()).collect();
    places.sort_by(|a, b| cosines[*b].total_cmp(&cosines[*a]));
    places.truncate(number);
    places
        .into_iter()
        .map(|place| (place, cosines[place]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_nearest_come_first_and_of_equal_ones_the_first() {
        let directions = array![[0.0, 1.0], [1.0, 0.0], [0.6, 0.8], [1.0, 0.0]];
        let found = nearest(array![1.0, 0.0].view(), &directions, 3);
        assert_eq!(found, [(1, 1.0), (3, 1.0), (2, 0.6)]);
        assert_eq!(nearest(array![1.0, 0.0].view(), &directions, 9).len(), 4);
    }

    #[test]
    fn several_directions_are_their_mean() {
        assert_eq!(together(&array![[3.0, 0.0], [0.0, 4.0]]), array![0.6, 0.8]);
        assert_eq!(together(&array![[1.0, 0.0], [-1.0, 0.0]]), array![0.0, 0.0]);
    }
}
