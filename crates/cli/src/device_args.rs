//! The flags that select the device of a network.

use mflag_core::device::{DeviceChoice, DeviceSettings};

/// The device and threads on which a trained model runs.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct DeviceArgs {
    /// Device of the network: auto (a GPU if libtorch finds one), cpu, cuda, cuda:N
    #[arg(long, default_value = "auto", value_parser = |text: &str| DeviceChoice::try_from(text.to_owned()))]
    device: DeviceChoice,
    /// Threads of the network on a CPU; 0: one per core [default: as in training]
    #[arg(long, value_parser = clap::value_parser!(u16).range(0..=1024))]
    threads: Option<u16>,
}

impl From<DeviceArgs> for DeviceSettings {
    fn from(args: DeviceArgs) -> DeviceSettings {
        DeviceSettings {
            device: args.device,
            threads: args.threads.map(usize::from),
        }
    }
}
