//! A trained head in one file: weights, configuration, facts and preprocessing together, so that prediction cannot differ from
//! training.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mflag_core::device::DeviceSettings;
pub use mflag_core::run::MODEL;
use mflag_encoder::Preprocess;
use mflag_weights::{Allow, load_into, metadata, write_safetensors};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Device, Tensor};

use crate::config::HeadConfig;
use crate::error::{Error, Result};
use crate::head::Head;
use crate::network::Network;

/// Keys of the file's metadata.
const HEAD: &str = "head";
const CONFIG: &str = "config";
const FACTS: &str = "facts";
const PREPROCESS: &str = "preprocess";

/// A trained head, ready to be used.
pub struct Model<H: Head> {
    /// The configuration that it was trained by; paths and device are those of then.
    pub config: HeadConfig<H::Settings>,
    /// What training found out about the data.
    pub facts: H::Facts,
    pub(crate) network: Network<H>,
}

impl<H: Head> Model<H> {
    /// Opens [`MODEL`] of a run folder, or such a file.
    ///
    /// # Errors
    /// If it cannot be read, or is of another head.
    pub fn open(path: &Path, device: Device) -> Result<Model<H>> {
        let path = &file(path)?;
        let metadata = of_head::<H>(path)?;
        let config: HeadConfig<H::Settings> = part(path, &metadata, CONFIG)?;
        let facts: H::Facts = part(path, &metadata, FACTS)?;
        let preprocess: Preprocess = part(path, &metadata, PREPROCESS)?;
        preprocess
            .check()
            .map_err(|e| Error::file(path, format!("its {PREPROCESS} cannot be used: {e}")))?;
        let network = Network::new(&config, &facts, preprocess, device)?;
        load_into(path, &network.variables(), &Allow::nothing())?;
        Ok(Model {
            config,
            facts,
            network,
        })
    }

    /// As [`Model::open`], on the device that a program's flags name.
    ///
    /// # Errors
    /// As [`Model::open`], or if there is no such device.
    pub fn open_on(path: &Path, on: DeviceSettings) -> Result<Model<H>> {
        let (settings, device) = mflag_train::setup_inference(&Self::config_of(path)?.train, on)?;
        let mut model = Model::open(path, device)?;
        model.config.train = settings;
        Ok(model)
    }

    /// The configuration of a model, before anything of it is loaded.
    fn config_of(path: &Path) -> Result<HeadConfig<H::Settings>> {
        let path = &file(path)?;
        part(path, &of_head::<H>(path)?, CONFIG)
    }

    /// What films go through before the encoder.
    pub fn preprocess(&self) -> Preprocess {
        self.network.preprocess
    }
}

/// The metadata of a file that holds this head.
fn of_head<H: Head>(path: &Path) -> Result<BTreeMap<String, String>> {
    let metadata = metadata(path)?;
    match metadata.get(HEAD) {
        Some(head) if head == H::NAME => Ok(metadata),
        Some(head) => {
            let reason = format!("holds {head}, and this program is for {}", H::NAME);
            Err(Error::file(path, reason))
        }
        None => {
            let reason = format!("holds no trained head; give a run folder, or its {MODEL}");
            Err(Error::file(path, reason))
        }
    }
}

/// The file of a model, by its own name or that of its run folder.
fn file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let file = path.join(MODEL);
    if !file.exists() {
        let reason =
            format!("has no {MODEL}: it is no run of a head, or its training has not ended");
        return Err(Error::file(path, reason));
    }
    Ok(file)
}

fn part<T: DeserializeOwned>(
    path: &Path,
    metadata: &BTreeMap<String, String>,
    key: &str,
) -> Result<T> {
    let text = metadata.get(key).map_or("", String::as_str);
    serde_json::from_str(text)
        .map_err(|e| Error::file(path, format!("its {key} cannot be read ({e}): train again")))
}

/// Writes a model into the run folder `folder`.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn write<H: Head>(
    folder: &Path,
    weights: Vec<(String, Tensor)>,
    config: &HeadConfig<H::Settings>,
    facts: &H::Facts,
    preprocess: Preprocess,
) -> Result<()> {
    let path = folder.join(MODEL);
    let metadata = BTreeMap::from([
        (HEAD.to_owned(), H::NAME.to_owned()),
        (CONFIG.to_owned(), json(&path, config)?),
        (FACTS.to_owned(), json(&path, facts)?),
        (PREPROCESS.to_owned(), json(&path, &preprocess)?),
    ]);
    Ok(write_safetensors(&path, weights, &metadata)?)
}

fn json<T: Serialize>(path: &Path, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::file(path, format!("cannot be written: {e}")))
}
