//! A reader of Python pickles that executes nothing.
//!
//! A pickle is a program for a small stack machine. Here it makes [`Node`]s: plain values, storages and tensors. Classes are only
//! names; the few that weight files need are known to `objects.rs`, every other becomes [`Node::Opaque`].
//!
//! Nodes lie in one list and refer to each other by number: pickles that nest a million deep, or hold themselves, can then
//! neither overflow the stack nor leak. Text and bytes stay in the file. So memory is bounded by the pickle's length.

mod machine;
mod objects;

use std::collections::BTreeMap;
use std::fmt;

use tch::Kind;

use super::Parsed;

/// Number of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(u32);

/// A value, as far as weight files need it.
#[derive(Debug)]
pub(super) enum Node<'a> {
    /// Python's None.
    None,
    /// Floats, bytes, sets: nothing that a tensor is made of.
    Other,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits: its bytes, lowest first.
    Long(&'a [u8]),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Pairs in the order they were set; the last of a key holds.
    Dict(Vec<(Id, Id)>),
    /// A class or function: its name, nothing more.
    Global(Global<'a>),
    Storage(Storage<'a>),
    Tensor(View<'a>),
    /// An object of a class that is not known here.
    Opaque(Global<'a>),
}

/// Name of a class or function.
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

/// A block of numbers, kept outside of the pickle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    pub(super) kind: Kind,
    /// Number of elements.
    pub(super) length: i64,
}

impl Storage<'_> {
    pub(super) fn bytes(&self) -> Parsed<usize> {
        usize::try_from(self.length)
            .ok()
            .and_then(|n| n.checked_mul(self.kind.elt_size_in_bytes()))
            .ok_or_else(|| {
                let Storage { key, length, .. } = self;
                format!("damaged: storage {key} of {length} elements")
            })
    }
}

/// A tensor: a window on a storage, whose bounds have been checked.
#[derive(Clone, Debug)]
pub(super) struct View<'a> {
    pub(super) storage: Storage<'a>,
    pub(super) offset: i64,
    pub(super) size: Vec<i64>,
    pub(super) stride: Vec<i64>,
}

/// A pickle that has been read.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    pub(super) root: Id,
    /// Length of the pickle in bytes; more may follow it in a file.
    pub(super) end: usize,
    /// All storages that it refers to, by key.
    pub(super) storages: BTreeMap<&'a str, Storage<'a>>,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle at the start of `bytes`, of protocol 2 to 5.
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
