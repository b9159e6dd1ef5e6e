//! The few classes and functions that weight files need. Each gives a [`Node`]; none is executed.

use tch::Kind;

use super::machine::{Machine, Made};
use super::{Global, Id, Node, Storage, View};
use crate::Parsed;

/// NumPy's limit. No layer has as many.
const MAX_DIMENSIONS: usize = 64;

impl<'a> Machine<'a> {
    /// The node for `callee(*arguments)`.
    pub(super) fn object(&mut self, mut callee: Id, mut arguments: Id) -> Parsed<Made<'a>> {
        loop {
            let (Node::Global(global) | Node::Opaque(global)) = *self.node(callee) else {
                return Ok(Made::New(Node::Other));
            };
            let Node::Tuple(items) = self.node(arguments) else {
                return Err("is damaged: the arguments of a call are not a tuple".to_owned());
            };
            return match (global.module, global.name, items.as_slice()) {
                ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2", items) => {
                    self.tensor(items)
                }
                // A parameter is its tensor. The model decides whether it requires a gradient.
                (
                    "torch._utils",
                    "_rebuild_parameter" | "_rebuild_parameter_with_state",
                    &[tensor, ..],
                ) => Ok(Made::Known(tensor)),
                // (function, class, arguments, attributes): a tensor with attributes of its own.
                ("torch._tensor", "_rebuild_from_type_v2", &[inner, _, tuple, ..]) => {
                    (callee, arguments) = (inner, tuple);
                    continue;
                }
                ("torch", "Size", &[size]) => Ok(Made::Known(size)),
                ("collections", "OrderedDict" | "defaultdict", items)
                | ("builtins" | "__builtin__", "dict", items) => {
                    let pairs = items.last().copied();
                    self.dict(pairs)
                }
                _ => Ok(Made::New(Node::Opaque(global))),
            };
        }
    }

    /// A dictionary. Python 2 passed its items as a list of pairs.
    fn dict(&mut self, pairs: Option<Id>) -> Parsed<Made<'a>> {
        let pairs = pairs
            .and_then(|id| self.take_list(id))
            .unwrap_or_default()
            .into_iter()
            .map(|pair| match self.node(pair) {
                Node::Tuple(pair) | Node::List(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
                _ => Err("is damaged: a dictionary has a key without a value".to_owned()),
            })
            .collect::<Parsed<_>>()?;
        Ok(Made::New(Node::Dict(pairs)))
    }

    /// A tensor from (storage, offset, size, stride, …).
    fn tensor(&self, items: &[Id]) -> Parsed<Made<'a>> {
        let &[storage, offset, size, stride, ..] = items else {
            return Err("is damaged: a tensor has too few arguments".to_owned());
        };
        let storage = match *self.node(storage) {
            Node::Storage(storage) => storage,
            Node::Opaque(class) => {
                return Err(format!(
                    "holds a tensor of type `{class}`, which is not supported; save it as float32"
                ));
            }
            _ => return Err("is damaged: a tensor has no storage".to_owned()),
        };
        let Node::Int(offset) = *self.node(offset) else {
            return Err("is damaged: a tensor has no offset".to_owned());
        };
        let view = View {
            storage,
            offset,
            size: self.lengths(size)?,
            stride: self.lengths(stride)?,
        };
        view.check()?;
        Ok(Made::New(Node::Tensor(view)))
    }

    fn lengths(&self, id: Id) -> Parsed<Vec<i64>> {
        let wrong = || "is damaged: a tensor has no shape".to_owned();
        let (Node::Tuple(items) | Node::List(items)) = self.node(id) else {
            return Err(wrong());
        };
        if items.len() > MAX_DIMENSIONS {
            return Err(wrong());
        }
        items
            .iter()
            .map(|&item| match *self.node(item) {
                Node::Int(length) if length >= 0 => Ok(length),
                _ => Err(wrong()),
            })
            .collect()
    }

    /// A reference to a storage: ("storage", class, key, device, number of elements, …).
    pub(super) fn persistent(&mut self, id: Id) -> Parsed<Node<'a>> {
        let Node::Tuple(items) = self.node(id) else {
            return Err(undescribed());
        };
        if let &[label, class, ..] = items.as_slice()
            && let (Node::Text("module"), &Node::Global(class)) =
                (self.node(label), self.node(class))
        {
            return Ok(Node::Global(class)); // old files add a class's source code
        }
        let &[_, class, key, _, length, ref view @ ..] = items.as_slice() else {
            return Err(undescribed());
        };
        let (&Node::Global(class), &Node::Text(key), &Node::Int(length)) =
            (self.node(class), self.node(key), self.node(length))
        else {
            return Err(undescribed());
        };
        if view.iter().any(|&id| !matches!(self.node(id), Node::None)) {
            return Err(
                "holds storages within storages, as PyTorch before 0.4 wrote them; \
                 load and save it again in Python"
                    .to_owned(),
            );
        }
        let Some(kind) = kind(class) else {
            return Ok(Node::Opaque(class));
        };
        let storage = Storage { key, kind, length };
        storage.bytes()?;
        match self.storages.insert(key, storage) {
            Some(other) if other != storage => {
                Err(format!("is damaged: storage {key} has two descriptions"))
            }
            _ => Ok(Node::Storage(storage)),
        }
    }
}

fn undescribed() -> String {
    "is damaged: a storage has no description".to_owned()
}

/// The kind of the elements of `torch.FloatStorage`, `torch.cuda.FloatStorage` and so on.
fn kind(class: Global<'_>) -> Option<Kind> {
    if !matches!(class.module, "torch" | "torch.cuda") {
        return None;
    }
    Some(match class.name {
        "DoubleStorage" => Kind::Double,
        "FloatStorage" => Kind::Float,
        "HalfStorage" => Kind::Half,
        "BFloat16Storage" => Kind::BFloat16,
        "LongStorage" => Kind::Int64,
        "IntStorage" => Kind::Int,
        "ShortStorage" => Kind::Int16,
        "CharStorage" => Kind::Int8,
        "ByteStorage" => Kind::Uint8,
        "BoolStorage" => Kind::Bool,
        _ => return None,
    })
}

impl View<'_> {
    /// Checks that all elements are within the storage.
    fn check(&self) -> Parsed<()> {
        let outside = || {
            let View { size, storage, .. } = self;
            format!(
                "is damaged: a tensor of shape {size:?} does not fit its storage of {} elements",
                storage.length
            )
        };
        if self.size.len() != self.stride.len() || self.offset < 0 {
            return Err(outside());
        }
        // The number of elements must not overflow, even if a stride of 0 repeats one element.
        self.size
            .iter()
            .try_fold(1_i64, |n, &length| n.checked_mul(length.max(1)))
            .ok_or_else(outside)?;
        if self.size.contains(&0) {
            return Ok(());
        }
        let last = self
            .size
            .iter()
            .zip(&self.stride)
            .try_fold(self.offset, |at, (length, stride)| {
                (length - 1)
                    .checked_mul(*stride)
                    .and_then(|step| at.checked_add(step))
            })
            .ok_or_else(outside)?;
        if last < self.storage.length {
            Ok(())
        } else {
            Err(outside())
        }
    }
}
