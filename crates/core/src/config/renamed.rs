//! Configuration keys that were renamed.

use serde_json::Value;

/// Old keys and their new names. Both have the same parent.
const RENAMED: [(&str, &str); 2] = [
    ("data.keep_features", "data.feature_cache_mib"),
    ("data.loader_threads", "data.num_workers"),
];

/// The new name of the key `old`. `None` if it was not renamed.
pub(super) fn new_name(old: &str) -> Option<&'static str> {
    let renamed = RENAMED.iter().find(|(key, _)| *key == old);
    renamed.map(|(_, new)| *new)
}

/// Renames old keys in a configuration that was stored by an older version, so that old runs and
/// models can still be read.
pub fn rename_old_keys(config: &mut Value) {
    for (old, new) in RENAMED {
        let (Some((parent, old)), Some((_, new))) = (old.rsplit_once('.'), new.rsplit_once('.'))
        else {
            continue;
        };
        let parent = config.pointer_mut(&format!("/{}", parent.replace('.', "/")));
        if let Some(Value::Object(parent)) = parent
            && let Some(value) = parent.remove(old)
        {
            parent.entry(new).or_insert(value);
        }
    }
}
