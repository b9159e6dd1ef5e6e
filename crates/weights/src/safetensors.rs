//! The safetensors format.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use safetensors::tensor::TensorInfo;
use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor};

use super::{Parsed, Tensors, tensor_from_bytes};
use crate::{Error, Result, atomic};

const KINDS: [(Kind, Dtype); 10] = [
    (Kind::Double, Dtype::F64),
    (Kind::Float, Dtype::F32),
    (Kind::Half, Dtype::F16),
    (Kind::BFloat16, Dtype::BF16),
    (Kind::Int64, Dtype::I64),
    (Kind::Int, Dtype::I32),
    (Kind::Int16, Dtype::I16),
    (Kind::Int8, Dtype::I8),
    (Kind::Uint8, Dtype::U8),
    (Kind::Bool, Dtype::BOOL),
];

/// The metadata key of the BLAKE3 digest of all values.
const DIGEST: &str = "blake3";

pub(super) fn metadata(bytes: &[u8]) -> Parsed<BTreeMap<String, String>> {
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|e| format!("is not a complete safetensors file: {e}"))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    Ok(metadata.into_iter().collect())
}

pub(super) fn read(bytes: &[u8]) -> Parsed<Tensors> {
    let damaged = |e: safetensors::SafeTensorError| format!("is a damaged safetensors file: {e}");
    let (header, info) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let digest = info.metadata().as_ref().and_then(|m| m.get(DIGEST));
    let data = bytes.get(8 + header..).unwrap_or_default();
    if digest.is_some_and(|digest| blake3::hash(data).to_hex().as_str() != digest) {
        return Err("is damaged: its values do not match its digest; \
             restore it from a copy, or make it again"
            .to_owned());
    }
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    if file.is_empty() {
        return Err("holds no tensors".to_owned());
    }
    file.iter()
        .map(|(name, view)| Ok((name.to_owned(), tensor(name, &view)?)))
        .collect()
}

fn tensor(name: &str, view: &safetensors::tensor::TensorView<'_>) -> Parsed<Tensor> {
    let dtype = view.dtype();
    let Some((kind, _)) = KINDS.iter().find(|(_, d)| *d == dtype) else {
        return Err(format!(
            "holds the tensor `{name}` of type {dtype}, which is not supported; convert it to F32"
        ));
    };
    let size = view
        .shape()
        .iter()
        .map(|&d| i64::try_from(d).map_err(|_| format!("is damaged: the shape of `{name}`")))
        .collect::<Parsed<Vec<_>>>()?;
    tensor_from_bytes(view.data(), &size, *kind)
}

/// Writes tensors as a safetensors file, with `metadata` in its header.
///
/// The key `blake3` of the metadata is set to a digest of the values; [`read`](crate::read) refuses
/// a file that was damaged later. The same tensors give the same bytes, on any device and with any
/// strides. The file is written completely or not at all: under a temporary name in the same
/// folder, flushed to disk, then renamed.
///
/// # Errors
/// [`Error::Input`] if two tensors have the same name, or a kind that safetensors lacks.
/// [`Error::Io`] if the file cannot be written.
pub fn write_safetensors(
    path: impl AsRef<Path>,
    tensors: impl IntoIterator<Item = (String, Tensor)>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let mut entries = tensors
        .into_iter()
        .map(|(name, tensor)| Ok((dtype(&name, &tensor)?, name, tensor)))
        .collect::<Result<Vec<Entry>>>()?;
    // Wide types come first, so that each tensor is aligned to its own width.
    entries.sort_by(|(x, a, _), (y, b, _)| y.bitsize().cmp(&x.bitsize()).then(a.cmp(b)));
    let mut digest = blake3::Hasher::new();
    for (_, _, tensor) in &entries {
        digest.update(&tensor_bytes(tensor)?);
    }
    let mut metadata = metadata.clone();
    metadata.insert(DIGEST.to_owned(), digest.finalize().to_hex().to_string());
    let header = header(&entries, &metadata)?;
    atomic::write(path.as_ref(), |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        // The bytes are made a second time rather than kept: they may have gigabytes.
        for (_, _, tensor) in &entries {
            file.write_all(&tensor_bytes(tensor).map_err(io::Error::other)?)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// A tensor to be written: its type, its name and the tensor.
type Entry = (Dtype, String, Tensor);

fn dtype(name: &str, tensor: &Tensor) -> Result<Dtype> {
    let kind = tensor.f_kind()?;
    let known = KINDS.iter().find(|(k, _)| *k == kind);
    known.map(|(_, dtype)| *dtype).ok_or_else(|| {
        Error::Input(format!(
            "tensor `{name}` has the kind {kind:?}, which safetensors cannot hold"
        ))
    })
}

/// The JSON header, padded with spaces to a multiple of 8 bytes.
fn header(entries: &[Entry], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let json = |e: serde_json::Error| Error::Input(format!("safetensors header: {e}"));
    let mut fields = serde_json::Map::new();
    let value = serde_json::to_value(metadata).map_err(json)?;
    fields.insert("__metadata__".to_owned(), value);
    let mut start = 0;
    for (dtype, name, tensor) in entries {
        let end = start + tensor.numel() * tensor.f_kind()?.elt_size_in_bytes();
        let info = TensorInfo {
            dtype: *dtype,
            shape: tensor.size().iter().map(|&d| d as usize).collect(),
            data_offsets: (start, end),
        };
        let value = serde_json::to_value(info).map_err(json)?;
        if fields.insert(name.clone(), value).is_some() {
            return Err(Error::Input(format!("two tensors have the name `{name}`")));
        }
        start = end;
    }
    let mut header = serde_json::to_vec(&fields).map_err(json)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

/// The values of a tensor, row by row, little-endian.
///
/// # Errors
/// If libtorch cannot copy the tensor to the CPU.
pub fn tensor_bytes(tensor: &Tensor) -> std::result::Result<Vec<u8>, tch::TchError> {
    let tensor = tensor
        .f_detach()?
        .f_to_device(Device::Cpu)?
        .f_contiguous()?;
    let mut bytes = vec![0; tensor.numel() * tensor.f_kind()?.elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok(bytes)
}
