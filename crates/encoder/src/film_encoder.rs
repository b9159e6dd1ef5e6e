//! A trained film encoder in one file: weights, architecture and preprocessing.

use std::collections::BTreeMap;
use std::path::Path;

use mflag_film::{Film, Limits};
use mflag_weights::{Allow, check_size, load_into, metadata, write_safetensors};
use ndarray::{Array2, ArrayD, Ix2};
use serde_json::Value;
use tch::{Device, Kind, Tensor, nn};

use crate::preprocess::Preprocess;
use crate::resnet::{Arch, Features, ResNet};
use crate::{Error, Result};

/// Keys of the file's metadata.
const ARCH: &str = "arch";
const PREPROCESS: &str = "preprocess";
const PROVENANCE: &str = "provenance";

/// Turns films into vectors.
///
/// ```no_run
/// use mflag_encoder::FilmEncoder;
/// use mflag_encoder::tch::Device;
///
/// let encoder = FilmEncoder::open("encoder.safetensors", Device::Cpu)?;
/// let film = encoder.read("film.jpg")?;
/// let vectors = encoder.embed(&[film])?;
/// assert_eq!(vectors.dim(), (1, encoder.width()));
/// # Ok::<(), mflag_encoder::Error>(())
/// ```
///
/// It is `Send` but not `Sync`: it can move to another thread, but two threads cannot use one
/// encoder at once. [`SharedEncoder`](crate::SharedEncoder) serves many threads and async tasks.
///
/// # Batches
///
/// [`embed`](FilmEncoder::embed) computes all films in one batch. For many films call it on chunks
/// (`films.chunks(16)`): a batch of 8 to 32 films is as fast as any on a CPU, and memory grows with
/// the batch. Rounding depends on the batch, so that the last digits of a vector may differ.
///
/// # Threads
///
/// libtorch computes a batch on all cores. `tch::set_num_threads` sets another number for the whole
/// process, for threads that have not computed yet: call it first in `main`. With several encoders
/// in several threads, use 1.
#[derive(Debug)]
pub struct FilmEncoder {
    network: ResNet,
    preprocess: Preprocess,
    provenance: Value,
}

impl FilmEncoder {
    /// Makes an encoder from a network. `provenance` is a JSON object that says where the weights
    /// come from, or null. The encoder shares the network's tensors: training the network further
    /// changes the encoder, too.
    ///
    /// ```
    /// use mflag_encoder::tch::{Device, nn};
    /// use mflag_encoder::{Arch, Film, FilmEncoder, Fit, Preprocess, ResNet, Squaring};
    ///
    /// // Random weights, for trying out.
    /// let network = ResNet::new(&nn::VarStore::new(Device::Cpu).root(), Arch::ResNet18)?;
    /// let preprocess = Preprocess::new(Squaring::new(64, Fit::Pad), 64);
    /// let encoder = FilmEncoder::new(&network, preprocess, serde_json::Value::Null)?;
    /// // Pixels from memory: 100 columns, 80 rows, one grey.
    /// let vectors = encoder.embed(&[Film::filled(100, 80, 128)])?;
    /// assert_eq!(vectors.dim(), (1, 512));
    /// # Ok::<(), mflag_encoder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Input`] if the preprocessing is invalid ([`Preprocess::check`]).
    pub fn new(network: &ResNet, preprocess: Preprocess, provenance: Value) -> Result<FilmEncoder> {
        preprocess.check().map_err(Error::Input)?;
        Ok(FilmEncoder {
            network: network.detached()?,
            preprocess,
            provenance,
        })
    }

    /// Opens an encoder file, such as `encoder.safetensors` of a pre-training run.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read. [`Error::Model`] if it is damaged, or its metadata
    /// lacks the architecture or the preprocessing.
    pub fn open(path: impl AsRef<Path>, device: Device) -> Result<FilmEncoder> {
        let path = path.as_ref();
        let metadata = metadata(path)?;
        let arch = arch(path, &metadata)?;
        let invalid =
            |e: String| Error::model(path, format!("its preprocessing cannot be used: {e}"));
        let preprocess: Preprocess = serde_json::from_str(value(path, &metadata, PREPROCESS)?)
            .map_err(|e| invalid(e.to_string()))?;
        preprocess.check().map_err(invalid)?;
        let provenance = metadata
            .get(PROVENANCE)
            .map_or(Ok(Value::Null), |text| serde_json::from_str(text))
            .map_err(|e| Error::model(path, format!("its provenance is not JSON: {e}")))?;

        check_size(path, arch.parameters(), arch.name())?;
        let network = ResNet::new(&nn::VarStore::new(device).root(), arch)?;
        load_into(path, &network.variables(), &Allow::nothing())?;
        FilmEncoder::new(&network, preprocess, provenance)
    }

    /// The same encoder with convolutions in bfloat16. They need about half the memory and are
    /// faster on GPUs and on CPUs with AVX512-BF16 or AMX, but slower on other CPUs. BatchNorm
    /// keeps its float32 parameters, and results are float32.
    ///
    /// Values differ from those of float32 by rounding: the cosine between both vectors of a film
    /// is above 0.999 (tested with a random ResNet-18 and ResNet-50). [`write`] then writes the
    /// rounded weights.
    ///
    /// [`write`]: FilmEncoder::write
    ///
    /// # Errors
    /// [`Error::Torch`] if memory does not suffice.
    pub fn into_bf16(self) -> Result<FilmEncoder> {
        Ok(FilmEncoder {
            network: self.network.with_bf16_kernels()?,
            ..self
        })
    }

    /// The architecture.
    pub fn arch(&self) -> Arch {
        self.network.arch()
    }

    /// The length of a film's vector.
    pub fn width(&self) -> usize {
        self.arch().width() as usize
    }

    /// The device of the weights.
    pub fn device(&self) -> Device {
        self.network.device()
    }

    /// How films are prepared for the network.
    pub fn preprocess(&self) -> Preprocess {
        self.preprocess
    }

    /// Where the weights come from: a JSON object of versions and digests, or null if unknown.
    pub fn provenance(&self) -> &Value {
        &self.provenance
    }

    /// The network. For batches of your own use `network().features(&batch, false)` with a batch of
    /// [`Preprocess::batch`].
    pub fn network(&self) -> &ResNet {
        &self.network
    }

    /// The metadata of the encoder's file: `arch`, and `preprocess` and `provenance` as JSON.
    ///
    /// # Errors
    /// [`Error::Input`] if the preprocessing has no JSON form. That of an opened encoder always has
    /// one.
    pub fn metadata(&self) -> Result<BTreeMap<String, String>> {
        describe(self.arch(), self.preprocess, &self.provenance)
    }

    /// Writes the encoder to a file for [`open`](FilmEncoder::open). In Python,
    /// `safetensors.torch.load_file` reads it as torchvision's state dictionary without `fc`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let variables = self.network.variables();
        write_encoder(
            path,
            self.arch(),
            self.preprocess,
            &self.provenance,
            variables,
        )
    }

    /// Reads a JPEG, PNG or DICOM file as a square for [`embed`](FilmEncoder::embed): exactly the
    /// pixels from which training cuts its views. For other [`Limits`] use [`Preprocess::read`].
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read. [`Error::Film`] if it is not a readable film.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Film> {
        self.preprocess.read(path, &Limits::default())
    }

    /// Like [`read`](FilmEncoder::read), for the content of a file.
    ///
    /// # Errors
    /// [`Error::Film`] if the content is not a readable film.
    pub fn decode(&self, bytes: &[u8]) -> Result<Film> {
        self.preprocess.decode(bytes, &Limits::default())
    }

    /// The vectors of films, `[films, width]`: one row for each film, in their order.
    ///
    /// The films are squares of [`read`](FilmEncoder::read), or pixels of any size that were
    /// decoded elsewhere; these become squares by area resampling.
    ///
    /// # Errors
    /// [`Error::Input`] if a film does not have as many pixels as its sides require.
    /// [`Error::Torch`] if memory does not suffice: use smaller batches.
    pub fn embed(&self, films: &[Film]) -> Result<Array2<f32>> {
        rows(&self.forward(films)?.pooled)
    }

    /// The feature maps of films as float32 tensors on the encoder's device: the four stages C2 to
    /// C5 for dense tasks such as segmentation, and the pooled vectors of
    /// [`embed`](FilmEncoder::embed).
    ///
    /// ```no_run
    /// # use mflag_encoder::{FilmEncoder, tch::Device};
    /// # let encoder = FilmEncoder::open("encoder.safetensors", Device::Cpu)?;
    /// let features = encoder.features(&[encoder.read("film.dcm")?])?;
    /// let [_c2, _c3, _c4, c5] = &features.stages;
    /// println!("{:?}", c5.size()); // ResNet-50 at 224 px: [1, 2048, 7, 7]
    /// # Ok::<(), mflag_encoder::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`embed`](FilmEncoder::embed).
    pub fn features(&self, films: &[Film]) -> Result<Features> {
        let features = self.forward(films)?;
        let float = |x: Tensor| x.f_to_kind(Kind::Float);
        let [c2, c3, c4, c5] = features.stages;
        Ok(Features {
            stem: float(features.stem)?,
            stages: [float(c2)?, float(c3)?, float(c4)?, float(c5)?],
            pooled: float(features.pooled)?,
        })
    }

    fn forward(&self, films: &[Film]) -> Result<Features> {
        let _no_gradients = tch::no_grad_guard();
        let batch = self.preprocess.batch(films, self.device())?;
        let batch = batch.f_to_kind(self.network.kind())?;
        self.network.features(&batch, false)
    }
}

/// Writes an encoder's file from `variables` with torchvision's names, such as those of a
/// checkpoint. For an encoder in memory use [`FilmEncoder::write`].
///
/// # Errors
/// [`Error::Io`] if the file cannot be written. [`Error::Input`] if two variables have the same
/// name.
pub fn write_encoder(
    path: impl AsRef<Path>,
    arch: Arch,
    preprocess: Preprocess,
    provenance: &Value,
    variables: impl IntoIterator<Item = (String, Tensor)>,
) -> Result<()> {
    let mut metadata = describe(arch, preprocess, provenance)?;
    // Libraries of Hugging Face expect this before they read a file as PyTorch's.
    metadata.insert("format".to_owned(), "pt".to_owned());
    Ok(write_safetensors(path, variables, &metadata)?)
}

fn describe(
    arch: Arch,
    preprocess: Preprocess,
    provenance: &Value,
) -> Result<BTreeMap<String, String>> {
    let preprocess = serde_json::to_string(&preprocess)
        .map_err(|e| Error::Input(format!("the preprocessing cannot be written: {e}")))?;
    let mut metadata = BTreeMap::from([
        (ARCH.to_owned(), arch.name().to_owned()),
        (PREPROCESS.to_owned(), preprocess),
    ]);
    if !provenance.is_null() {
        metadata.insert(PROVENANCE.to_owned(), provenance.to_string());
    }
    Ok(metadata)
}

/// A value of the file's metadata.
fn value<'m>(path: &Path, metadata: &'m BTreeMap<String, String>, key: &str) -> Result<&'m str> {
    metadata.get(key).map(String::as_str).ok_or_else(|| {
        Error::model(
            path,
            format!(
                "has no `{key}` in its metadata, so mflag-pretrain did not write it; \
                 load bare weights with weights::load_into"
            ),
        )
    })
}

fn arch(path: &Path, metadata: &BTreeMap<String, String>) -> Result<Arch> {
    let name = value(path, metadata, ARCH)?;
    let known = Arch::ALL.into_iter().find(|arch| arch.name() == name);
    known.ok_or_else(|| {
        let names = Arch::ALL.map(Arch::name).join(", ");
        Error::model(
            path,
            format!("has the architecture `{name}`; the known architectures are {names}"),
        )
    })
}

/// A tensor of two dimensions as an array.
fn rows(tensor: &Tensor) -> Result<Array2<f32>> {
    let array: ArrayD<f32> = (&tensor.f_to_device(Device::Cpu)?).try_into()?;
    array
        .into_dimensionality::<Ix2>()
        .map_err(|e| Error::Input(format!("the features are not [films, width]: {e}")))
}
