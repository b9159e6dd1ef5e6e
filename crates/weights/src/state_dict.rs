//! From an unpickled object to named tensors.

use std::collections::{BTreeMap, HashMap, HashSet};

use tch::Tensor;

use super::pickle::{Id, Node, Pickle, Storage, View};
use super::{Parsed, Tensors};

/// Keys under which checkpoints keep the weights, beside the epoch, the optimiser and so on.
const WRAPPERS: [&str; 6] = [
    "state_dict",
    "model_state_dict",
    "model",
    "network",
    "net",
    "weights",
];

/// Limits of nested dictionaries and of the length of names. Only hostile files exceed them.
const MAX_NESTING: usize = 16;
const MAX_NAME: usize = 1024;

/// The tensors of a state dictionary, or of a checkpoint that wraps one, by dotted name.
pub(super) fn named_views<'p>(pickle: &'p Pickle<'_>) -> Parsed<BTreeMap<String, &'p View<'p>>> {
    let mut collector = Collector {
        pickle,
        visited: HashSet::new(),
        found: BTreeMap::new(),
    };
    for dict in unwrap(pickle) {
        collector.dict(dict, "", 0)?;
        if !collector.found.is_empty() {
            return Ok(collector.found);
        }
    }
    Err(match pickle.root() {
        Node::Opaque(class) | Node::Global(class) => format!(
            "holds an object of class `{class}`, not named weights, and this reader never executes \
             objects; in Python, save `model.state_dict()`"
        ),
        _ => "holds no named tensors; in Python, save `model.state_dict()`".to_owned(),
    })
}

/// The root and the dictionaries that it wraps, innermost first.
fn unwrap(pickle: &Pickle<'_>) -> Vec<Id> {
    let mut path = vec![pickle.root];
    while path.len() < MAX_NESTING {
        let Some(inner) = path.last().and_then(|&id| wrapped(pickle, id)) else {
            break;
        };
        path.push(inner);
    }
    path.reverse();
    path
}

fn wrapped(pickle: &Pickle<'_>, id: Id) -> Option<Id> {
    let Node::Dict(items) = pickle.node(id) else {
        return None;
    };
    WRAPPERS.iter().find_map(|wrapper| {
        let is_wrapper = |&&(key, value): &&(Id, Id)| {
            matches!(pickle.node(key), Node::Text(text) if text == wrapper)
                && matches!(pickle.node(value), Node::Dict(_))
        };
        items.iter().rfind(is_wrapper).map(|&(_, value)| value)
    })
}

struct Collector<'p, 'a> {
    pickle: &'p Pickle<'a>,
    /// Each dictionary is read once. A hostile pickle may contain itself, or one dictionary a
    /// million times.
    visited: HashSet<Id>,
    found: BTreeMap<String, &'p View<'a>>,
}

impl<'p> Collector<'p, '_> {
    fn dict(&mut self, id: Id, prefix: &str, depth: usize) -> Parsed<()> {
        let Node::Dict(items) = self.pickle.node(id) else {
            return Ok(());
        };
        if depth > MAX_NESTING || !self.visited.insert(id) {
            return Ok(());
        }
        for &(key, value) in items {
            let Node::Text(key) = *self.pickle.node(key) else {
                continue;
            };
            if prefix.len() + key.len() > MAX_NAME {
                return Err(format!(
                    "is damaged: the name of a tensor is longer than {MAX_NAME} bytes"
                ));
            }
            match self.pickle.node(value) {
                Node::Tensor(view) => {
                    self.found.insert(format!("{prefix}{key}"), view);
                }
                Node::Dict(_) => self.dict(value, &format!("{prefix}{key}."), depth + 1)?,
                Node::Opaque(class) => {
                    tracing::debug!("skipped `{prefix}{key}`: a `{class}`, not a tensor");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Makes the tensors as views of their storages. `storage` is called once for each storage.
pub(super) fn build<'p>(
    views: BTreeMap<String, &'p View<'p>>,
    mut storage: impl FnMut(&Storage<'p>) -> Parsed<Tensor>,
) -> Parsed<Tensors> {
    let mut storages = HashMap::new();
    let mut tensors = Tensors::new();
    for (name, view) in views {
        let key = view.storage.key;
        if !storages.contains_key(key) {
            storages.insert(key, storage(&view.storage)?);
        }
        let tensor = storages[key]
            .f_as_strided(&view.size, &view.stride, view.offset)
            .map_err(|e| format!("libtorch cannot make the tensor `{name}`: {e}"))?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}
