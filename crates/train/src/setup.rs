//! Prepares the process for a network: device, threads, kernels, seed.

use mflag_core::device::{DeviceChoice, DeviceSettings};
use mflag_core::launch::Launch;
use tch::{Cuda, Device};

use crate::config::TrainerConfig;
use crate::error::{Error, Result};
use crate::precision::Precision;
use crate::shim::{self, Kernels};
use crate::world::World;

/// Prepares the process for training: sets the threads, memory and kernels that `config` names,
/// and seeds libtorch's generators. Call it before the model is built. Returns the device.
///
/// # Errors
/// If the device is not available, or does not support the precision.
pub fn setup(config: &TrainerConfig) -> Result<Device> {
    let device = resolve_device(config.device)?;
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

/// As [`setup`], for one of the processes `world` that train together.
///
/// # Errors
/// As [`setup`], or if the device is a GPU.
pub(crate) fn setup_rank(config: &TrainerConfig, world: &World) -> Result<Device> {
    let device = setup(config)?;
    if device != Device::Cpu {
        return Err(Error::Device(
            "device: several processes can train together on CPUs only, because NCCL, which GPUs need \
             for it, is not built in; set train.device=cpu, or start one process"
                .to_owned(),
        ));
    }
    // torchrun sets OMP_NUM_THREADS to 1 unless it is set.
    if config.threads == 0 {
        let threads = threads_of_rank(world.launch());
        tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    }
    Ok(device)
}

/// The share of the cores of this host for one of its processes.
pub fn threads_of_rank(launch: &Launch) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / launch.local_world_size).max(1)
}

/// Prepares the process for inference with a model that was trained by the configuration
/// `trained`. Returns that configuration with the device and threads of `settings`, and the device.
/// If the device does not support the precision of training, the precision becomes `auto`.
///
/// # Errors
/// If the device is not available.
pub fn setup_inference(
    trained: &TrainerConfig,
    settings: DeviceSettings,
) -> Result<(TrainerConfig, Device)> {
    let mut config = TrainerConfig {
        device: settings.device,
        threads: settings.threads.unwrap_or(trained.threads),
        ..trained.clone()
    };
    if config
        .precision
        .resolve(resolve_device(settings.device)?)
        .is_err()
    {
        config.precision = Precision::Auto;
    }
    let device = setup(&config)?;
    Ok((config, device))
}

/// The device that `choice` means on this machine. Loads CUDA unless the choice is the CPU.
///
/// # Errors
/// If libtorch cannot use the GPU of `choice`.
pub fn resolve_device(choice: DeviceChoice) -> Result<Device> {
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
        DeviceChoice::Cuda(index) if !loaded => Err(Error::Device(format!(
            "device: cuda:{index} is not available, because this libtorch was built without CUDA; \
             run `./just setup cuda`, or set device=cpu"
        ))),
        DeviceChoice::Cuda(index) if index >= gpus => Err(Error::Device(format!(
            "device: cuda:{index} is not available, because libtorch sees {gpus} GPUs (numbered \
             from 0); see `nvidia-smi`, or set device=cpu"
        ))),
        DeviceChoice::Cuda(index) => Ok(Device::Cuda(index)),
        _ if gpus > 0 => Ok(Device::Cuda(0)),
        _ => Ok(Device::Cpu),
    }
}
