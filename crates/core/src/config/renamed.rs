//! Configuration keys that were renamed or added.

use serde_json::{Map, Value};

/// Old keys and their new names. Both have the same parent.
const RENAMED: [(&str, &str); 2] = [
    ("data.keep_features", "data.feature_cache_mib"),
    ("data.loader_threads", "data.num_workers"),
];

/// A key that older versions did not have.
struct Added {
    key: &'static str,
    /// A key of the same parent that configurations of older versions do have.
    beside: &'static str,
    /// The value that has the meaning of older versions.
    value: &'static str,
}

const ADDED: [Added; 1] = [Added {
    key: "data.resize",
    beside: "data.store",
    // Views were cut out of the stored square.
    value: "store",
}];

/// The new name of the key `old`. `None` if it was not renamed.
pub(super) fn new_name(old: &str) -> Option<&'static str> {
    let renamed = RENAMED.iter().find(|(key, _)| *key == old);
    renamed.map(|(_, new)| *new)
}

/// Brings a configuration up to date that an older version stored, so that old runs and models can
/// still be read and behave as they did: old keys are renamed, and keys that it lacks get the value
/// that has its meaning.
pub fn update_stored(config: &mut Value) {
    for (old, new) in RENAMED {
        if let Some((parent, [old, new])) = parent_of(config, [old, new])
            && let Some(value) = parent.remove(old)
        {
            parent.entry(new).or_insert(value);
        }
    }
    for Added { key, beside, value } in ADDED {
        if let Some((parent, [key, beside])) = parent_of(config, [key, beside])
            && parent.contains_key(beside)
        {
            parent.entry(key).or_insert_with(|| value.into());
        }
    }
}

/// The map that holds `keys`, which have the same parent, and the keys in it.
fn parent_of<'a, 'k>(
    config: &'a mut Value,
    keys: [&'k str; 2],
) -> Option<(&'a mut Map<String, Value>, [&'k str; 2])> {
    let [(parent, first), (_, second)] = [keys[0].rsplit_once('.')?, keys[1].rsplit_once('.')?];
    let parent = config.pointer_mut(&format!("/{}", parent.replace('.', "/")))?;
    Some((parent.as_object_mut()?, [first, second]))
}
