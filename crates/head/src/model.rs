//! A trained head in one file. Weights, configuration, fitted values and preprocessing lie
//! together, so that prediction cannot differ from training.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mflag_core::config::update_stored;
use mflag_core::device::DeviceSettings;
pub use mflag_core::run::MODEL;
use mflag_encoder::Preprocess;
use mflag_weights::{Allow, check_size, load_into, metadata, write_safetensors};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tch::{Device, Tensor};

use crate::config::HeadConfig;
use crate::error::{Error, Result};
use crate::head::Head;
use crate::network::Network;

// Keys of the file's metadata.
const HEAD: &str = "head";
const CONFIG: &str = "config";
const FITTED: &str = "facts";
const PREPROCESS: &str = "preprocess";

/// The most bytes of metadata, which names the labels. Each label makes the last layer larger, so
/// more of them could take all memory.
const MOST_METADATA: usize = 256 << 10;

/// A trained head, ready for use.
pub struct Model<H: Head> {
    /// The configuration of the training. Its paths may no longer exist.
    pub config: HeadConfig<H::Settings>,
    /// What was fitted to the data beside the weights.
    pub fitted: H::Fitted,
    pub(crate) network: Network<H>,
}

impl<H: Head> Model<H> {
    /// Opens a model. `path` is a run folder that holds [`MODEL`], or the file itself.
    ///
    /// # Errors
    /// If the file cannot be read, or holds another head.
    pub fn open(path: &Path, device: Device) -> Result<Model<H>> {
        let path = &model_file(path)?;
        let metadata = head_metadata::<H>(path)?;
        let config: HeadConfig<H::Settings> = parse_config(path, &metadata)?;
        let fitted: H::Fitted = parse(path, &metadata, FITTED)?;
        let preprocess: Preprocess = parse(path, &metadata, PREPROCESS)?;
        preprocess.check().map_err(|e| {
            Error::file(
                path,
                format!("its metadata `{PREPROCESS}` cannot be used: {e}"),
            )
        })?;
        let arch = config.encoder.network.arch;
        check_size(path, arch.parameters(), arch.name())?;
        let network = Network::new(&config, &fitted, preprocess, device)?;
        load_into(path, &network.variables(), &Allow::nothing())?;
        Ok(Model {
            config,
            fitted,
            network,
        })
    }

    /// Opens a model as [`Model::open`] does, on the device that `on` names.
    ///
    /// # Errors
    /// As [`Model::open`], or if the device does not exist.
    pub fn open_on(path: &Path, on: DeviceSettings) -> Result<Model<H>> {
        let (settings, device) = mflag_train::setup_inference(&Self::read_config(path)?.train, on)?;
        let mut model = Model::open(path, device)?;
        model.config.train = settings;
        Ok(model)
    }

    /// Reads the configuration of a model without its weights.
    fn read_config(path: &Path) -> Result<HeadConfig<H::Settings>> {
        let path = &model_file(path)?;
        parse_config(path, &head_metadata::<H>(path)?)
    }

    /// How films are preprocessed for the encoder.
    pub fn preprocess(&self) -> Preprocess {
        self.network.preprocess
    }
}

/// Reads the metadata of a model file, which must hold the head `H`.
fn head_metadata<H: Head>(path: &Path) -> Result<BTreeMap<String, String>> {
    let metadata = metadata(path)?;
    let bytes: usize = metadata.values().map(String::len).sum();
    if bytes > MOST_METADATA {
        let reason = format!(
            "its metadata has {bytes} bytes, more than the limit of {MOST_METADATA}: restore the \
             file from a copy, or train again"
        );
        return Err(Error::file(path, reason));
    }
    let reason = match metadata.get(HEAD) {
        Some(head) if head == H::NAME => return Ok(metadata),
        Some(head) => format!("holds a {head} head, but this program needs {}", H::NAME),
        None => format!("holds no trained head; name a run folder or its {MODEL}"),
    };
    Err(Error::file(path, reason))
}

/// The model file: `path` itself, or the [`MODEL`] in the run folder `path`.
fn model_file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let file = path.join(MODEL);
    if !file.exists() {
        let reason =
            format!("has no {MODEL}: it is not the run of a head, or its training is not finished");
        return Err(Error::file(path, reason));
    }
    Ok(file)
}

/// Parses the configuration. That of an older version is brought up to date.
fn parse_config<T: DeserializeOwned>(
    path: &Path,
    metadata: &BTreeMap<String, String>,
) -> Result<T> {
    let mut config: Value = parse(path, metadata, CONFIG)?;
    update_stored(&mut config);
    serde_json::from_value(config).map_err(|e| unreadable(path, CONFIG, &e))
}

/// Parses the JSON that the metadata holds under `key`.
fn parse<T: DeserializeOwned>(
    path: &Path,
    metadata: &BTreeMap<String, String>,
    key: &str,
) -> Result<T> {
    let text = metadata.get(key).map_or("", String::as_str);
    serde_json::from_str(text).map_err(|e| unreadable(path, key, &e))
}

fn unreadable(path: &Path, key: &str, error: &serde_json::Error) -> Error {
    Error::file(
        path,
        format!("its metadata `{key}` cannot be read ({error}): train again"),
    )
}

/// Writes a model into the run folder `folder`.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write<H: Head>(
    folder: &Path,
    weights: Vec<(String, Tensor)>,
    config: &HeadConfig<H::Settings>,
    fitted: &H::Fitted,
    preprocess: Preprocess,
) -> Result<()> {
    let path = folder.join(MODEL);
    let metadata = BTreeMap::from([
        (HEAD.to_owned(), H::NAME.to_owned()),
        (CONFIG.to_owned(), json(&path, config)?),
        (FITTED.to_owned(), json(&path, fitted)?),
        (PREPROCESS.to_owned(), json(&path, &preprocess)?),
    ]);
    Ok(write_safetensors(&path, weights, &metadata)?)
}

fn json<T: Serialize>(path: &Path, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::file(path, format!("cannot be written: {e}")))
}
