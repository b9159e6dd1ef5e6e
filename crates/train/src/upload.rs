//! Batches on their way to the device.

use crate::error::Result;
use crate::shim;
use tch::{Device, Kind, Tensor};

/// The way of host tensors to a device.
///
/// To a GPU they go from pinned memory over a stream of their own: since the loop does not wait for the device within a
/// step, a batch is copied while the step before it is computed. On the CPU there is nothing to copy.
#[derive(Debug)]
pub struct Upload {
    device: Device,
    stream: Option<i64>,
}

impl Upload {
    /// A way to `device`.
    ///
    /// # Errors
    /// If there is no such device.
    pub fn new(device: Device) -> Result<Upload> {
        let stream = device.is_cuda().then(|| shim::new_stream(device));
        Ok(Upload {
            device,
            stream: stream.transpose()?,
        })
    }

    /// Squares of `side · side` grey values each, one after the other, as u8 `[B, 1, side, side]` on the device.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn films(&self, pixels: &[u8], side: u32) -> Result<Tensor> {
        let side = i64::from(side);
        let shape = [pixels.len() as i64 / (side * side), 1, side, side];
        self.send(Tensor::f_from_data_size(pixels, &shape, Kind::Uint8)?)
    }

    /// `host` on the device.
    ///
    /// # Errors
    /// libtorch's own, if memory does not suffice.
    pub fn send(&self, host: Tensor) -> Result<Tensor> {
        match self.stream {
            Some(stream) => shim::upload(&host, self.device, stream),
            None => Ok(host),
        }
    }
}

/// `host` on `device`, after what the device already has to do: to a GPU from pinned memory, for which the host does not wait. For what is
/// known only within a step, such as targets; batches go ahead of their step by [`Upload`].
///
/// # Errors
/// libtorch's own, if memory does not suffice.
pub fn upload(host: Tensor, device: Device) -> std::result::Result<Tensor, tch::TchError> {
    if !device.is_cuda() {
        return Ok(host);
    }
    let kind = host.kind();
    host.f_pin_memory(device)?
        .f_to_device_(device, kind, true, false)
}
