//! Where training runs, and how many threads it takes.

use mflag_core::device::{DeviceChoice, DeviceSettings};

use crate::config::TrainerConfig;
use crate::error::{Error, Result};
use crate::precision::Precision;
use crate::shim::{self, Kernels};
use tch::{Cuda, Device};

/// The device itself; loads CUDA where it is asked for or may be there.
///
/// # Errors
/// If a GPU is asked for that libtorch cannot use.
pub fn resolve(choice: DeviceChoice) -> Result<Device> {
    if choice == DeviceChoice::Cpu {
        return Ok(Device::Cpu);
    }
    let loaded = shim::load_cuda()?;
    let gpus = if loaded {
        usize::try_from(Cuda::device_count()).unwrap_or(0)
    } else {
        0
    };
    match choice {
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

/// The configuration `trained` of a finished training on the device and threads of `settings`, and that device. Training on a GPU may have used a precision that a CPU lacks: the device's own is used then.
///
/// # Errors
/// If the device cannot be used ([`setup`]).
pub fn setup_inference(
    trained: &TrainerConfig,
    settings: DeviceSettings,
) -> Result<(TrainerConfig, Device)> {
    let mut config = TrainerConfig {
        device: settings.device,
        threads: settings.threads.unwrap_or(trained.threads),
        ..trained.clone()
    };
    if config.precision.resolve(resolve(settings.device)?).is_err() {
        config.precision = Precision::Auto;
    }
    let device = setup(&config)?;
    Ok((config, device))
}

/// Makes the process ready for training as `config` says: device, threads, memory, kernels, and the seed of libtorch's generators.
/// Call it first, before a model is made.
///
/// # Errors
/// If the device or the precision cannot be had.
pub fn setup(config: &TrainerConfig) -> Result<Device> {
    let device = resolve(config.device)?;
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
