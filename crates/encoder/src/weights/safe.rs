//! The safetensors format.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use safetensors::tensor::TensorInfo;
use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor};

use super::{Parsed, Tensors, from_bytes};
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

/// The key of the metadata under which [`write_safetensors`] keeps the BLAKE3 digest of all values.
const DIGEST: &str = "blake3";

pub(super) fn metadata(bytes: &[u8]) -> Parsed<BTreeMap<String, String>> {
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|e| format!("is no whole safetensors file: {e}"))?;
    Ok(header
        .metadata()
        .clone()
        .unwrap_or_default()
        .into_iter()
        .collect())
}

pub(super) fn read(bytes: &[u8]) -> Parsed<Tensors> {
    let damaged = |e: safetensors::SafeTensorError| format!("damaged safetensors file: {e}");
    let (header, info) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let digest = info.metadata().as_ref().and_then(|m| m.get(DIGEST));
    let data = bytes.get(8 + header..).unwrap_or_default();
    if digest.is_some_and(|digest| blake3::hash(data).to_hex().as_str() != digest) {
        return Err(
            "is damaged, by its digest: bring it back from a copy, or make it again".to_owned(),
        );
    }
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    if file.is_empty() {
        return Err("holds no tensors".to_owned());
    }
    file.iter()
        .map(|(name, view)| {
            let dtype = view.dtype();
            let Some((kind, _)) = KINDS.iter().find(|(_, d)| *d == dtype) else {
                return Err(format!(
                    "tensor `{name}` is of type {dtype}, which is not supported; convert it to F32"
                ));
            };
            let size = view
                .shape()
                .iter()
                .map(|&d| i64::try_from(d).map_err(|_| format!("damaged: shape of `{name}`")))
                .collect::<Parsed<Vec<_>>>()?;
            Ok((name.to_owned(), from_bytes(view.data(), &size, *kind)?))
        })
        .collect()
}

/// Writes tensors as a safetensors file, with `metadata` (any text by name) in its header, and under `blake3` a digest of the values, by
/// which a file that was damaged later is refused when it is read.
///
/// The same tensors give the same bytes, on any device and of any strides. The file is there whole or not at all: it is written
/// under a temporary name in the same folder, flushed to disk and renamed.
///
/// # Errors
/// [`Error::Input`] if two tensors have one name, or one is of a kind that safetensors lacks; [`Error::Io`] if writing fails.
pub fn write_safetensors(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, Tensor)>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let mut entries = Vec::new();
    for (name, tensor) in tensors {
        let kind = tensor.f_kind()?;
        let Some((_, dtype)) = KINDS.iter().find(|(k, _)| *k == kind) else {
            return Err(Error::Input(format!(
                "tensor `{name}` is of kind {kind:?}, which cannot be written as safetensors"
            )));
        };
        entries.push((name, *dtype, tensor));
    }
    // Wide types first, so that each tensor is aligned to its own width.
    entries.sort_by(|(a, x, _), (b, y, _)| y.bitsize().cmp(&x.bitsize()).then(a.cmp(b)));
    let mut digest = blake3::Hasher::new();
    for (_, _, tensor) in &entries {
        digest.update(&bytes_of(tensor)?);
    }
    let mut metadata = metadata.clone();
    metadata.insert(DIGEST.to_owned(), digest.finalize().to_hex().to_string());
    let header = header(&entries, &metadata)?;
    atomic::write(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        // Once more, and not kept: all of them together may be gigabytes.
        for (_, _, tensor) in &entries {
            file.write_all(&bytes_of(tensor).map_err(io::Error::other)?)?;
        }
        Ok(())
    })
}

/// The JSON header, filled with spaces to a multiple of 8 bytes.
fn header(
    entries: &[(String, Dtype, Tensor)],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    let json = |e: serde_json::Error| Error::Input(format!("safetensors header: {e}"));
    let mut fields = serde_json::Map::new();
    let value = serde_json::to_value(metadata).map_err(json)?;
    fields.insert("__metadata__".to_owned(), value);
    let mut start = 0;
    for (name, dtype, tensor) in entries {
        let end = start + tensor.numel() * tensor.f_kind()?.elt_size_in_bytes();
        let info = TensorInfo {
            dtype: *dtype,
            shape: tensor.size().iter().map(|&d| d as usize).collect(),
            data_offsets: (start, end),
        };
        let value = serde_json::to_value(info).map_err(json)?;
        if fields.insert(name.clone(), value).is_some() {
            return Err(Error::Input(format!("two tensors are named `{name}`")));
        }
        start = end;
    }
    let mut header = serde_json::to_vec(&fields).map_err(json)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

/// The values of a tensor, row by row, little-endian.
pub(crate) fn bytes_of(tensor: &Tensor) -> std::result::Result<Vec<u8>, tch::TchError> {
    let tensor = tensor
        .f_detach()?
        .f_to_device(Device::Cpu)?
        .f_contiguous()?;
    let mut bytes = vec![0; tensor.numel() * tensor.f_kind()?.elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok(bytes)
}
