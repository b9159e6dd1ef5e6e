//! PyTorch's form before 1.6: five pickles (magic number, version, system, object, storage keys),
//! then the storages.

use std::collections::HashMap;

use super::pickle::{Id, Node, Pickle};
use super::{Parsed, Tensors, state_dict, tensor_from_bytes};

/// 0x1950a86a20f9469cfc6c, as a pickled integer.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const VERSION: i64 = 1001;

pub(super) fn read(bytes: &[u8]) -> Parsed<Tensors> {
    let mut rest = bytes;
    let mut next = || -> Parsed<Pickle<'_>> {
        let pickle = Pickle::parse(rest)?;
        rest = &rest[pickle.end..];
        Ok(pickle)
    };
    let magic = next()?;
    if !matches!(magic.root(), Node::Long(bytes) if **bytes == MAGIC) {
        return Err("is a pickle, but was not written by torch.save; \
             in Python, save the state_dict with torch.save"
            .to_owned());
    }
    let version = next()?;
    if !matches!(version.root(), Node::Int(VERSION)) {
        return Err(format!(
            "has another version of PyTorch's legacy format than {VERSION}"
        ));
    }
    check_little_endian(&next()?)?;
    let object = next()?;
    let keys = next()?;
    let data = storages(rest, &keys, &object)?;
    state_dict::build(state_dict::named_views(&object)?, |storage| {
        let data = data
            .get(storage.key)
            .ok_or_else(|| format!("is damaged: storage {} is missing", storage.key))?;
        tensor_from_bytes(data, &[storage.length], storage.kind)
    })
}

fn check_little_endian(system: &Pickle<'_>) -> Parsed<()> {
    let Node::Dict(fields) = system.root() else {
        return Err("is damaged: it does not describe the system it was saved on".to_owned());
    };
    let is_big_endian = |&(key, value): &(Id, Id)| {
        matches!(system.node(key), Node::Text("little_endian"))
            && matches!(system.node(value), Node::Bool(false))
    };
    if fields.iter().any(is_big_endian) {
        return Err("was saved on a big-endian machine, which is not supported".to_owned());
    }
    Ok(())
}

/// The bytes of each storage. The file has them in the order of `keys`, each after its number of
/// elements in 64 bits.
fn storages<'a>(
    mut rest: &'a [u8],
    keys: &Pickle<'a>,
    object: &Pickle<'a>,
) -> Parsed<HashMap<&'a str, &'a [u8]>> {
    let Node::List(key_ids) = keys.root() else {
        return Err("is damaged: the list of storages is missing".to_owned());
    };
    let mut found = HashMap::new();
    for &id in key_ids {
        let Node::Text(key) = *keys.node(id) else {
            return Err("is damaged: the key of a storage is not text".to_owned());
        };
        let storage = object
            .storages
            .get(key)
            .ok_or_else(|| format!("is damaged: no tensor uses storage {key}"))?;
        let truncated = || format!("is cut off in storage {key}; download it again");
        let (length, after) = rest.split_first_chunk::<8>().ok_or_else(truncated)?;
        if i64::from_le_bytes(*length) != storage.length {
            return Err(format!(
                "is damaged: storage {key} has two different lengths"
            ));
        }
        let (data, after) = after
            .split_at_checked(storage.bytes()?)
            .ok_or_else(truncated)?;
        found.insert(key, data);
        rest = after;
    }
    Ok(found)
}
