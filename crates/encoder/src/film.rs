//! A trained film encoder in one file: weights, architecture and preprocessing together.

use std::collections::BTreeMap;
use std::path::Path;

use mflag_film::{Film, Limits};
use serde_json::Value;
use tch::{Device, Kind, Tensor, nn};

use crate::preprocess::Preprocess;
use crate::resnet::{Arch, ResNet};
use crate::weights::{Allow, load_into, metadata, write_safetensors};
use crate::{Error, Result};

/// Keys of the file's metadata.
const ARCH: &str = "arch";
const PREPROCESS: &str = "preprocess";
const PROVENANCE: &str = "provenance";

/// Films to vectors.
///
/// ```no_run
/// use mflag_encoder::film::FilmEncoder;
///
/// let encoder = FilmEncoder::open("encoder.safetensors".as_ref(), tch::Device::Cpu)?;
/// let film = encoder.read("film.jpg".as_ref())?;
/// let vectors = encoder.embed(&[film])?;
/// assert_eq!(vectors[0].len(), encoder.width());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FilmEncoder {
    variables: nn::VarStore,
    network: ResNet,
    preprocess: Preprocess,
    provenance: Value,
}

impl FilmEncoder {
    /// Opens a file of [`write_encoder`], such as `encoder.safetensors` of a pre-training run.
    ///
    /// # Errors
    /// If it cannot be read, or says nothing of architecture and preprocessing.
    pub fn open(path: &Path, device: Device) -> Result<FilmEncoder> {
        let metadata = metadata(path)?;
        let value = |key: &str| {
            let lacks = || {
                let reason = format!(
                    "says nothing of its {key}: it is no encoder that mflag-pretrain wrote; load bare weights by weights::load_into"
                );
                Error::file(path, reason)
            };
            metadata.get(key).ok_or_else(lacks)
        };
        let name = value(ARCH)?;
        let known = Arch::ALL.iter().find(|arch| arch.name() == name);
        let arch = *known.ok_or_else(|| {
            Error::file(
                path,
                format!("is a {name}, of which this program knows nothing"),
            )
        })?;
        let damaged =
            |e: String| Error::file(path, format!("its preprocessing cannot be read: {e}"));
        let preprocess: Preprocess =
            serde_json::from_str(value(PREPROCESS)?).map_err(|e| damaged(e.to_string()))?;
        preprocess.check().map_err(damaged)?;

        let provenance = match metadata.get(PROVENANCE) {
            None => Value::Null,
            Some(text) => serde_json::from_str(text)
                .map_err(|e| Error::file(path, format!("its provenance cannot be read: {e}")))?,
        };

        let mut variables = nn::VarStore::new(device);
        let network = ResNet::new(&variables.root(), arch)?;
        let named: Vec<(String, Tensor)> = variables.variables().into_iter().collect();
        load_into(path, &named, &Allow::nothing())?;
        variables.freeze();
        Ok(FilmEncoder {
            variables,
            network,
            preprocess,
            provenance,
        })
    }

    /// The architecture.
    pub fn arch(&self) -> Arch {
        self.network.arch()
    }

    /// Values in a film's vector.
    pub fn width(&self) -> usize {
        self.network.arch().width() as usize
    }

    /// What films go through before the network.
    pub fn preprocess(&self) -> Preprocess {
        self.preprocess
    }

    /// Where it came from, a JSON object of versions and digests; null where the file says nothing of it.
    pub fn provenance(&self) -> &Value {
        &self.provenance
    }

    /// All that a program needs beside the weights, as texts by name: `arch`, `preprocess` and `provenance`, these two in JSON.
    ///
    /// # Errors
    /// If it cannot be written as JSON, which no encoder that was opened gives cause for.
    pub fn metadata(&self) -> Result<BTreeMap<String, String>> {
        describe(self.arch(), self.preprocess, &self.provenance)
    }

    /// Writes it as [`write_encoder`] does.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_encoder(
            path,
            self.arch(),
            self.preprocess,
            &self.provenance,
            self.variables.variables(),
        )
    }

    /// Pooled output `[N, width]` of grey values from 0 to 255, `[N, 1, S, S]`.
    pub(crate) fn forward(&self, greys: &Tensor) -> Result<Tensor> {
        let (scale, shift) = self.preprocess.scale_and_shift();
        // Not in place, as `Preprocess::normalise` is: the greys are the caller's.
        let films = greys.f_mul_scalar(scale)?.f_add_scalar(shift)?;
        self.network.forward(&films, false)
    }

    pub(crate) fn network(&self) -> &ResNet {
        &self.network
    }

    /// The film in a JPEG, PNG or DICOM file, as [`FilmEncoder::embed`] takes it: to the bit the square that preparation makes of
    /// the file for training.
    ///
    /// # Errors
    /// As [`Preprocess::read`], with the default limits.
    pub fn read(&self, path: &Path) -> Result<Film> {
        self.preprocess.read(path, &Limits::default())
    }

    /// As [`FilmEncoder::read`], for the content of a file.
    ///
    /// # Errors
    /// As [`Preprocess::decode`], with the default limits.
    pub fn decode(&self, bytes: &[u8]) -> Result<Film> {
        self.preprocess.decode(bytes, &Limits::default())
    }

    /// A vector of [`FilmEncoder::width`] values for each film, all together in one batch. Films come from
    /// [`FilmEncoder::read`], or are pixels of any size that were decoded elsewhere: these become squares by the area filter.
    ///
    /// # Errors
    /// If a film's pixels do not match its size, or memory does not suffice.
    pub fn embed(&self, films: &[Film]) -> Result<Vec<Vec<f32>>> {
        let _no_gradients = tch::no_grad_guard();
        let batch = self.preprocess.batch(films, self.variables.device())?;
        let vectors = self.network.forward(&batch, false)?;
        let vectors = vectors.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
        Ok(Vec::<Vec<f32>>::try_from(vectors)?)
    }
}

/// Writes an encoder with its architecture, preprocessing and `provenance` (a JSON object, or null); `variables` have torchvision's
/// names. `safetensors.torch.load_file` takes it for a state dictionary without `fc`.
///
/// # Errors
/// If the file cannot be written.
pub fn write_encoder(
    path: &Path,
    arch: Arch,
    preprocess: Preprocess,
    provenance: &Value,
    variables: impl IntoIterator<Item = (String, Tensor)>,
) -> Result<()> {
    let mut metadata = describe(arch, preprocess, provenance)?;
    // What Hugging Face's libraries look for before they read a file as PyTorch's.
    metadata.insert("format".to_owned(), "pt".to_owned());
    write_safetensors(path, variables, &metadata)
}

fn describe(
    arch: Arch,
    preprocess: Preprocess,
    provenance: &Value,
) -> Result<BTreeMap<String, String>> {
    let preprocess = serde_json::to_string(&preprocess)
        .map_err(|e| Error::Input(format!("preprocessing cannot be written: {e}")))?;
    let mut metadata = BTreeMap::from([
        (ARCH.to_owned(), arch.name().to_owned()),
        (PREPROCESS.to_owned(), preprocess),
    ]);
    if !provenance.is_null() {
        metadata.insert(PROVENANCE.to_owned(), provenance.to_string());
    }
    Ok(metadata)
}
