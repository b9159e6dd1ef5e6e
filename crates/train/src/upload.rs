//! Copies batches to the device.

use crate::error::Result;
use crate::shim;
use tch::{Device, Kind, Tensor};

/// Copies host tensors to a device.
///
/// On a GPU, tensors are copied from pinned memory on a stream of their own. The training loop does
/// not wait for the device within a step, so a batch is copied while the step before it is
/// computed. On the CPU nothing is copied.
#[derive(Debug)]
pub struct Upload {
    device: Device,
    stream: Option<i64>,
}

impl Upload {
    /// Prepares to copy to `device`.
    ///
    /// # Errors
    /// If `device` is a GPU that does not exist.
    pub fn new(device: Device) -> Result<Upload> {
        let stream = device.is_cuda().then(|| shim::new_stream(device));
        Ok(Upload {
            device,
            stream: stream.transpose()?,
        })
    }

    /// Copies films of `side · side` grey values each: u8 `[B, 1, side, side]` on the device.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn films(&self, pixels: &[u8], side: u32) -> Result<Tensor> {
        let side = i64::from(side);
        let shape = [pixels.len() as i64 / (side * side), 1, side, side];
        self.send(Tensor::f_from_data_size(pixels, &shape, Kind::Uint8)?)
    }

    /// Copies `host` to the device.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn send(&self, host: Tensor) -> Result<Tensor> {
        match self.stream {
            Some(stream) => shim::upload(&host, self.device, stream),
            None => Ok(host),
        }
    }
}

/// Copies `host` to `device`, in order with the work that the device already has: on a GPU from
/// pinned memory, without waiting. For tensors that are known only within a step, such as targets;
/// batches are copied ahead by [`Upload`].
///
/// # Errors
/// If there is not enough memory.
pub fn upload(host: Tensor, device: Device) -> std::result::Result<Tensor, tch::TchError> {
    if !device.is_cuda() {
        return Ok(host);
    }
    let kind = host.kind();
    host.f_pin_memory(device)?
        .f_to_device_(device, kind, true, false)
}
