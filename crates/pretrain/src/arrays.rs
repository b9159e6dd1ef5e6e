//! Copies tensors into arrays.

use ndarray::Array2;
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};

/// A tensor `[n, d]` as an array of f32 on the CPU.
pub(crate) fn to_array2(tensor: &Tensor) -> Result<Array2<f32>> {
    let (rows, columns) = tensor.size2()?;
    let tensor = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
    let values = Vec::<f32>::try_from(tensor.f_flatten(0, -1)?)?;
    Array2::from_shape_vec((rows as usize, columns as usize), values)
        .map_err(|e| Error::Data(format!("a tensor cannot become an array: {e}")))
}
