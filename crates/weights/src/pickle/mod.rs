//! A reader of Python pickles that executes nothing.
//!
//! A pickle is a program for a small stack machine. This machine makes [`Node`]s: plain values,
//! storages and tensors. Classes are only names. `objects.rs` knows the few that weight files need;
//! every other class becomes [`Node::Opaque`].
//!
//! All nodes are in one list and refer to each other by index. A pickle that is nested a million
//! levels deep, or contains itself, can therefore neither overflow the stack nor leak memory. Text
//! and bytes are slices of the file. The length of the pickle thus bounds the memory.

mod input;
mod machine;
mod objects;
pub(super) mod opcode;

use std::collections::BTreeMap;
use std::fmt;

use tch::Kind;

use super::Parsed;

/// The index of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(u32);

/// A Python value, as far as weight files need it.
#[derive(Debug)]
pub(super) enum Node<'a> {
    /// Python's None.
    None,
    /// A float, bytes or a set: no part of a tensor.
    Other,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits: its bytes, lowest first.
    Long(&'a [u8]),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Pairs in the order in which they were set. The last pair of a key counts.
    Dict(Vec<(Id, Id)>),
    /// The name of a class or function.
    Global(Global<'a>),
    Storage(Storage<'a>),
    Tensor(View<'a>),
    /// An object of a class that `objects.rs` does not know.
    Opaque(Global<'a>),
}

/// The name of a class or function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Global<'a> {
    module: &'a str,
    name: &'a str,
}

impl fmt::Display for Global<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// A block of numbers. Its content is outside the pickle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    pub(super) kind: Kind,
    /// Number of elements.
    pub(super) length: i64,
}

impl Storage<'_> {
    /// The length in bytes.
    pub(super) fn bytes(&self) -> Parsed<usize> {
        usize::try_from(self.length)
            .ok()
            .and_then(|n| n.checked_mul(self.kind.elt_size_in_bytes()))
            .ok_or_else(|| {
                let Storage { key, length, .. } = self;
                format!("is damaged: storage {key} has {length} elements")
            })
    }
}

/// A tensor: a view of a storage. Its bounds have been checked.
#[derive(Clone, Debug)]
pub(super) struct View<'a> {
    pub(super) storage: Storage<'a>,
    pub(super) offset: i64,
    pub(super) size: Vec<i64>,
    pub(super) stride: Vec<i64>,
}

/// A parsed pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    pub(super) root: Id,
    /// The length of the pickle in bytes. More may follow it in a file.
    pub(super) end: usize,
    /// All storages that the pickle refers to, by key.
    pub(super) storages: BTreeMap<&'a str, Storage<'a>>,
}

impl<'a> Pickle<'a> {
    /// Parses the pickle at the start of `bytes`, of protocol 2 to 5.
    pub(super) fn parse(bytes: &'a [u8]) -> Parsed<Pickle<'a>> {
        machine::run(bytes)
    }

    pub(super) fn root(&self) -> &Node<'a> {
        self.node(self.root)
    }

    pub(super) fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id.0 as usize]
    }
}
