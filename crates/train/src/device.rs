//! Where training runs, and how many threads it takes.

use crate::config::TrainerConfig;
use crate::error::{Error, Result};
use crate::precision::Precision;
use crate::shim::{self, Kernels};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Cuda, Device};

/// The device asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^(auto|cpu|cuda|cuda:[0-9]+)$"))]
pub enum DeviceChoice {
    /// The first GPU if libtorch can use one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

impl TryFrom<String> for DeviceChoice {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "cuda" => Ok(DeviceChoice::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(DeviceChoice::Cuda)
                .ok_or_else(|| format!("device {other:?} is none of auto, cpu, cuda, cuda:N")),
        }
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> String {
        match choice {
            DeviceChoice::Auto => "auto".to_owned(),
            DeviceChoice::Cpu => "cpu".to_owned(),
            DeviceChoice::Cuda(index) => format!("cuda:{index}"),
        }
    }
}

impl DeviceChoice {
    /// The device itself; loads CUDA where it is asked for or may be there.
    ///
    /// # Errors
    /// If a GPU is asked for that libtorch cannot use.
    pub fn resolve(self) -> Result<Device> {
        if self == DeviceChoice::Cpu {
            return Ok(Device::Cpu);
        }
        let loaded = shim::load_cuda()?;
        let gpus = if loaded {
            usize::try_from(Cuda::device_count()).unwrap_or(0)
        } else {
            0
        };
        match self {
            DeviceChoice::Cuda(_) if !loaded => Err(Error::Device(
                "device: cuda is asked for, but this libtorch has no CUDA part; run `./just setup cuda`, or set device=cpu"
                    .to_owned(),
            )),
            DeviceChoice::Cuda(index) if index >= gpus => Err(Error::Device(format!(
                "device: cuda:{index} is asked for, but libtorch sees {gpus} GPUs (numbered from 0); see `nvidia-smi`, or set \
                 device=cpu"
            ))),
            DeviceChoice::Cuda(index) => Ok(Device::Cuda(index)),
            _ if gpus > 0 => Ok(Device::Cuda(0)),
            _ => Ok(Device::Cpu),
        }
    }
}

/// Where a trained model computes: the same flags in every program.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct DeviceArgs {
    /// Where the network computes: auto (a GPU if there is one), cpu, cuda, cuda:N
    #[arg(long, default_value = "auto", value_parser = |text: &str| DeviceChoice::try_from(text.to_owned()))]
    pub device: DeviceChoice,
    /// Threads of the network on a CPU; those of training when absent, 0: one a core
    #[arg(long, value_parser = clap::value_parser!(u16).range(0..=1024))]
    pub threads: Option<u16>,
}

impl DeviceArgs {
    /// [`setup`] of what a model was trained by as `trained`: gives that with these flags in it, and the device. Training on a GPU may
    /// have used a precision that a CPU lacks; the device's own serves then.
    ///
    /// # Errors
    /// As [`setup`].
    pub fn setup(self, trained: &TrainerConfig) -> Result<(TrainerConfig, Device)> {
        let mut config = TrainerConfig {
            device: self.device,
            threads: self.threads.map_or(trained.threads, usize::from),
            ..trained.clone()
        };
        if config.precision.resolve(self.device.resolve()?).is_err() {
            config.precision = Precision::Auto;
        }
        let device = setup(&config)?;
        Ok((config, device))
    }
}

/// Makes the process ready for training as `config` says: device, threads, memory, kernels, and the seed of libtorch's generators.
/// Call it first, before a model is made.
///
/// # Errors
/// If the device or the precision cannot be had.
pub fn setup(config: &TrainerConfig) -> Result<Device> {
    let device = config.device.resolve()?;
    config.precision.resolve(device)?;
    if let Ok(threads) = i32::try_from(config.threads)
        && threads > 0
    {
        tch::set_num_threads(threads);
    }
    if device == Device::Cpu {
        shim::keep_memory()?;
    }
    Kernels {
        deterministic: config.deterministic,
        benchmark: !config.deterministic,
        tf32: config.tf32,
    }
    .set()?;
    tch::manual_seed(config.seed.cast_signed());
    Ok(device)
}
