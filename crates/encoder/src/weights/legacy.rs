//! PyTorch's form before 1.6: pickles in a row (magic number, version, system, object, storage keys), then the storages.

use std::collections::HashMap;

use super::pickle::{Id, Node, Pickle};
use super::{Parsed, Tensors, from_bytes, state};

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
        return Err(
            "is a pickle, but not one of torch.save; in Python, save the state_dict by torch.save"
                .to_owned(),
        );
    }
    let version = next()?;
    if !matches!(version.root(), Node::Int(VERSION)) {
        return Err("is of a PyTorch format version other than 1001".to_owned());
    }
    check_little_endian(&next()?)?;
    let object = next()?;
    let keys = next()?;
    let data = storages(rest, &keys, &object)?;
    state::build(state::named_views(&object)?, |storage| {
        let data = data
            .get(storage.key)
            .ok_or_else(|| format!("damaged: storage {} is missing", storage.key))?;
        from_bytes(data, &[storage.length], storage.kind)
    })
}

fn check_little_endian(system: &Pickle<'_>) -> Parsed<()> {
    let Node::Dict(fields) = system.root() else {
        return Err("damaged: no description of the system it was saved on".to_owned());
    };
    let big = |&(key, value): &(Id, Id)| {
        matches!(system.node(key), Node::Text("little_endian"))
            && matches!(system.node(value), Node::Bool(false))
    };
    if fields.iter().any(big) {
        return Err("was saved on a big-endian machine, which is not supported".to_owned());
    }
    Ok(())
}

/// The bytes of each storage: in the order of `keys`, a 64-bit number of elements and the elements.
fn storages<'a>(
    mut rest: &'a [u8],
    keys: &Pickle<'a>,
    object: &Pickle<'a>,
) -> Parsed<HashMap<&'a str, &'a [u8]>> {
    let Node::List(keys_list) = keys.root() else {
        return Err("damaged: no list of storages".to_owned());
    };
    let mut found = HashMap::new();
    for &key in keys_list {
        let Node::Text(key) = *keys.node(key) else {
            return Err("damaged: a storage's key is not text".to_owned());
        };
        let storage = object
            .storages
            .get(key)
            .ok_or_else(|| format!("damaged: nothing says what storage {key} holds"))?;
        let cut = || format!("is cut off in storage {key}; fetch it again");
        let (length, after) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        if i64::from_le_bytes(*length) != storage.length {
            return Err(format!("damaged: storage {key} has two lengths"));
        }
        let (data, after) = after.split_at_checked(storage.bytes()?).ok_or_else(cut)?;
        found.insert(key, data);
        rest = after;
    }
    Ok(found)
}
