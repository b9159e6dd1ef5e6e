//! The model of a finished pre-training run: embeds films and texts in a shared space, where
//! cosines compare them.

use std::path::Path;
use std::sync::Arc;

use mflag_core::device::DeviceSettings;
use mflag_core::progress::Progress;
use mflag_core::run::RunFolder;
use mflag_encoder::text::{Embedded, TextEncoder};
use mflag_encoder::{FilmEncoder, Preprocess};
use mflag_store::Store;
use mflag_store::loader::{Loader, Options, Source};
use mflag_train::lifecycle::check_unedited;
use mflag_train::{BEST, Checkpoint, Precision, Upload, setup_inference, sorted_variables};
use ndarray::{Array1, Array2, ArrayView1, Axis};
use tch::{Device, Tensor, nn};

use crate::arrays::to_array2;
use crate::config::PretrainConfig;
use crate::error::{Error, Result};
use crate::export::ENCODER;
use crate::loss::{full, unit_rows};
use crate::model::Model;
use crate::pairs::{BATCH_TOKENS, LANGUAGE_MODEL};

/// Films in a batch.
const BATCH: usize = 32;

/// The best model of a run and its language model. Films and texts become unit vectors of the same
/// width.
#[derive(Debug)]
pub struct DualEncoder {
    model: Model,
    text: TextEncoder,
    preprocess: Preprocess,
    precision: Precision,
    upload: Upload,
    device: Device,
}

impl DualEncoder {
    /// Opens the folder of a finished run.
    ///
    /// # Errors
    /// If the folder holds no finished pre-training run, its language model is missing or has
    /// changed, or the device is not available.
    pub fn open(run: &Path, device: DeviceSettings) -> Result<DualEncoder> {
        let (run, config) = RunFolder::open::<PretrainConfig>(run)?;
        check_unedited(&run, &config)?;
        let encoder = run.file(ENCODER);
        if !encoder.exists() {
            return Err(Error::Data(format!(
                "{} has no {ENCODER}: the run has not finished; resume it by mflag-pretrain train \
                 --resume",
                run.path().display()
            )));
        }
        let (settings, device) = setup_inference(&config.train, device)?;
        let text = config.text.encoder(device)?;
        run.same_digest(LANGUAGE_MODEL, &text.fingerprint())?;
        Ok(DualEncoder {
            model: best_model(&run, &config, text.hidden() as i64, device)?,
            text,
            preprocess: FilmEncoder::open(&encoder, Device::Cpu)?.preprocess(),
            precision: settings.precision.resolve(device)?,
            upload: Upload::new(device)?,
            device,
        })
    }

    /// Embeds films of a store: `[films, width]`.
    ///
    /// # Errors
    /// If the store's films were prepared in another way than those of the run, or cannot be read.
    pub fn embed_stored(&self, store: &Arc<Store>, films: &[usize]) -> Result<Array2<f32>> {
        store.check_squares(&self.preprocess.square)?;
        let options = Options {
            view: self.preprocess.view().map_err(Error::Data)?,
            batch_size: BATCH,
            full_only: false,
            threads: 0,
            prefetch: 2,
        };
        let progress = Progress::new("encode films", films.len() as u64, "films");
        let mut embeddings = Vec::new();
        let loader = Loader::new(store.clone(), films, options)?;
        for batch in loader.in_order(Source::Pixels, |_, _| ()) {
            let batch = batch?;
            let pixels = self.upload.films(&batch.pixels, batch.side)?;
            embeddings.push(self.embed(&self.preprocess.normalise(&pixels)?)?);
            progress.inc(batch.films.len() as u64);
        }
        progress.finish();
        to_array2(&Tensor::f_cat(&embeddings, 0)?)
    }

    /// Embeds a film file (JPEG, PNG or DICOM).
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn embed_file(&self, path: &Path) -> Result<Array1<f32>> {
        let limits = mflag_film::Limits::default();
        let squared = self.preprocess.square.read(path, &limits);
        let squared = squared.map_err(mflag_encoder::Error::from)?;
        for remark in &squared.remarks {
            tracing::warn!("the film: {remark}");
        }
        let film = squared.into_film();
        let batch = self.preprocess.batch(&[film], self.device)?;
        Ok(to_array2(&self.embed(&batch)?)?.row(0).to_owned())
    }

    /// Embeds texts: `[texts, width]`.
    ///
    /// # Errors
    /// As [`TextEncoder::embed`].
    pub fn embed_texts(&self, texts: &[String]) -> Result<Array2<f32>> {
        let _no_gradients = tch::no_grad_guard();
        let Embedded { vectors, cut } = self.text.embed(texts, BATCH_TOKENS, &|_| ())?;
        let cut = cut.into_iter().filter(|cut| *cut).count();
        if cut > 0 {
            let texts = texts.len();
            tracing::warn!(
                "{cut} of {texts} texts have more than the run's text.max_tokens tokens: their ends \
                 are not read"
            );
        }
        let shape = [texts.len() as i64, self.text.hidden() as i64];
        let values: Vec<f32> = vectors.into_iter().collect();
        let vectors = Tensor::f_from_slice(&values)?.f_view(shape)?;
        let projected = self.model.reports(&self.upload.send(vectors)?, false)?;
        to_array2(&unit_rows(&projected))
    }

    fn embed(&self, films: &Tensor) -> Result<Tensor> {
        let forward = || self.model.films(films, false);
        let (_, projected) = self.precision.inference(self.device, forward)?;
        Ok(unit_rows(&full(&projected)))
    }
}

/// The model of the run's best checkpoint.
fn best_model(
    run: &RunFolder,
    config: &PretrainConfig,
    text_width: i64,
    device: Device,
) -> Result<Model> {
    let mut store = nn::VarStore::new(device);
    let model = Model::new(
        &store.root(),
        config.encoder.arch,
        text_width,
        config.projector,
    )?;
    let best = run.file(BEST);
    Checkpoint::read(&best)?.restore("model", &sorted_variables(&store), &best)?;
    store.freeze();
    Ok(model)
}

/// The mean of several embeddings, scaled to length 1. If the mean is 0, it stays 0.
pub fn mean_embedding(embeddings: &Array2<f32>) -> Array1<f32> {
    let sum = embeddings.sum_axis(Axis(0));
    let length = sum.dot(&sum).sqrt();
    if length > 0.0 { sum / length } else { sum }
}

/// The `number` rows of `embeddings` with the highest cosine to `query`, highest first: row and
/// cosine. Rows with equal cosines keep their order.
pub fn nearest(
    query: ArrayView1<'_, f32>,
    embeddings: &Array2<f32>,
    number: usize,
) -> Vec<(usize, f32)> {
    let cosines = embeddings.dot(&query);
    let mut rows: Vec<usize> = (0..cosines.len()).collect();
    rows.sort_by(|a, b| cosines[*b].total_cmp(&cosines[*a]));
    rows.truncate(number);
    rows.into_iter().map(|row| (row, cosines[row])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn nearest_rows_are_sorted_by_cosine_and_equal_rows_keep_their_order() {
        let embeddings = array![[0.0, 1.0], [1.0, 0.0], [0.6, 0.8], [1.0, 0.0]];
        let found = nearest(array![1.0, 0.0].view(), &embeddings, 3);
        assert_eq!(found, [(1, 1.0), (3, 1.0), (2, 0.6)]);
        assert_eq!(nearest(array![1.0, 0.0].view(), &embeddings, 9).len(), 4);
    }

    #[test]
    fn a_mean_embedding_has_length_1_or_0() {
        let mean = mean_embedding(&array![[3.0, 0.0], [0.0, 4.0]]);
        assert_eq!(mean, array![0.6, 0.8]);
        let mean = mean_embedding(&array![[1.0, 0.0], [-1.0, 0.0]]);
        assert_eq!(mean, array![0.0, 0.0]);
    }
}
