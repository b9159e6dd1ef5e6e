//! The stack machine: one step for each opcode (names and meaning as in Python's `pickletools`).

use std::collections::{BTreeMap, HashMap};

use super::{Global, Id, Node, Pickle, Storage};
use crate::weights::Parsed;

/// Pickles of real checkpoints, the optimiser's state included, have some hundred thousand.
const MAX_NODES: usize = 4_000_000;

// What occurs most is there once.
const NONE: Id = Id(0);
const OTHER: Id = Id(1);
const FALSE: Id = Id(2);
const TRUE: Id = Id(3);

pub(super) struct Machine<'a> {
    input: &'a [u8],
    at: usize,
    pub(super) nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at its marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    pub(super) storages: BTreeMap<&'a str, Storage<'a>>,
}

pub(super) fn run(input: &[u8]) -> Parsed<Pickle<'_>> {
    let mut machine = Machine {
        input,
        at: 0,
        nodes: vec![Node::None, Node::Other, Node::Bool(false), Node::Bool(true)],
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        storages: BTreeMap::new(),
    };
    match machine.finish() {
        Ok(root) => Ok(Pickle {
            nodes: machine.nodes,
            root,
            end: machine.at,
            storages: machine.storages,
        }),
        Err(reason) => Err(format!("{reason} (byte {} of its pickle)", machine.at)),
    }
}

impl<'a> Machine<'a> {
    fn finish(&mut self) -> Parsed<Id> {
        loop {
            let opcode = self.u8()?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Parsed<()> {
        match opcode {
            0x80 => self.protocol()?,
            0x95 => self.skip(8)?, // FRAME
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.stack.push(self.top()?),

            b'N' => self.stack.push(NONE),
            0x88 => self.stack.push(TRUE),
            0x89 => self.stack.push(FALSE),
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Node::Int(value.into()))?;
            }
            b'K' => {
                let value = self.u8()?;
                self.push(Node::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Node::Int(value.into()))?;
            }
            0x8a | 0x8b => self.long(opcode == 0x8a)?,
            b'G' => self.skip_other(8)?,

            b'U' | 0x8c => self.text(1)?,
            b'T' | b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'C' => self.bytes(1)?,
            b'B' => self.bytes(4)?,
            0x8e | 0x96 => self.bytes(8)?,

            b')' => self.push(Node::Tuple(Vec::new()))?,
            0x85..=0x87 => self.short_tuple(usize::from(opcode - 0x84))?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Node::Tuple(items))?;
            }
            b']' => self.push(Node::List(Vec::new()))?,
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.extend(items)?;
            }
            b'}' => self.push(Node::Dict(Vec::new()))?,
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)?;
            }
            0x8f => self.stack.push(OTHER),    // EMPTY_SET
            0x90 => drop(self.pop_to_mark()?), // ADDITEMS
            0x91 => {
                self.pop_to_mark()?; // FROZENSET
                self.stack.push(OTHER);
            }

            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.push(Node::Global(Global { module, name }))?;
            }
            0x93 => self.stack_global()?,
            b'R' | 0x81 => self.call(0)?, // REDUCE, NEWOBJ
            0x92 => self.call(1)?,        // NEWOBJ_EX, with keyword arguments
            b'b' => drop(self.pop()?),    // BUILD: attributes hold no weights
            b'Q' => {
                let id = self.pop()?;
                let node = self.persistent(id)?;
                self.push(node)?;
            }

            b'h' => {
                let key = self.u8()?;
                self.recall(key.into())?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.array()?);
                self.recall(key)?;
            }
            b'q' => {
                let key = self.u8()?;
                self.remember(key.into())?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.array()?);
                self.remember(key)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,

            _ => return Err(format!("damaged: unknown pickle opcode 0x{opcode:02x}")),
        }
        Ok(())
    }

    // The input.

    fn take(&mut self, length: usize) -> Parsed<&'a [u8]> {
        let rest = &self.input[self.at..];
        let bytes = rest
            .get(..length)
            .ok_or("is cut off, or damaged; fetch it again")?;
        self.at += length;
        Ok(bytes)
    }

    fn skip(&mut self, length: usize) -> Parsed<()> {
        self.take(length).map(drop)
    }

    fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Parsed<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// Bytes whose number stands before them in `width` bytes, lowest first.
    fn counted(&mut self, width: usize) -> Parsed<&'a [u8]> {
        let mut length = [0; 8];
        length[..width].copy_from_slice(self.take(width)?);
        // A number beyond usize is beyond the file, too.
        self.take(usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX))
    }

    fn line(&mut self) -> Parsed<&'a str> {
        let rest = &self.input[self.at..];
        let length = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        let line = self.take(length)?;
        self.skip(1)?;
        std::str::from_utf8(line).map_err(|_| "damaged: a class's name is not text".to_owned())
    }

    fn protocol(&mut self) -> Parsed<()> {
        match self.u8()? {
            2..=5 => Ok(()),
            version => Err(format!(
                "is a pickle of protocol {version}; 2 to 5 can be read"
            )),
        }
    }

    // The stack. What lies below the last mark is out of reach until the mark is taken away.

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Parsed<Id> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor() => Ok(id),
            _ => Err("damaged: too few values".to_owned()),
        }
    }

    fn pop(&mut self) -> Parsed<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_to_mark(&mut self) -> Parsed<Vec<Id>> {
        let mark = self.marks.pop().ok_or("damaged: no mark")?;
        Ok(self.stack.split_off(mark))
    }

    fn push(&mut self, node: Node<'a>) -> Parsed<()> {
        if self.nodes.len() == MAX_NODES {
            return Err(format!(
                "holds more than {MAX_NODES} values; in Python, save its state_dict alone"
            ));
        }
        self.stack.push(Id(self.nodes.len() as u32));
        self.nodes.push(node);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Parsed<()> {
        let id = self.memo.get(&key).ok_or("damaged: nothing remembered")?;
        self.stack.push(*id);
        Ok(())
    }

    fn remember(&mut self, key: u32) -> Parsed<()> {
        let id = self.top()?;
        self.memo.insert(key, id);
        Ok(())
    }

    // Values.

    fn long(&mut self, short: bool) -> Parsed<()> {
        let bytes = self.counted(if short { 1 } else { 4 })?;
        if bytes.len() > 8 {
            return self.push(Node::Long(bytes));
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut value = [if negative { 0xff } else { 0 }; 8];
        value[..bytes.len()].copy_from_slice(bytes);
        self.push(Node::Int(i64::from_le_bytes(value)))
    }

    fn skip_other(&mut self, length: usize) -> Parsed<()> {
        self.skip(length)?;
        self.stack.push(OTHER);
        Ok(())
    }

    /// Python 2 wrote text and bytes alike; what is not UTF-8 names no tensor.
    fn text(&mut self, width: usize) -> Parsed<()> {
        match std::str::from_utf8(self.counted(width)?) {
            Ok(text) => self.push(Node::Text(text))?,
            Err(_) => self.stack.push(OTHER),
        }
        Ok(())
    }

    fn bytes(&mut self, width: usize) -> Parsed<()> {
        self.counted(width)?;
        self.stack.push(OTHER);
        Ok(())
    }

    fn short_tuple(&mut self, length: usize) -> Parsed<()> {
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Node::Tuple(items))
    }

    fn node_mut(&mut self, id: Id) -> &mut Node<'a> {
        &mut self.nodes[id.0 as usize]
    }

    /// Into the list on top of the stack; objects of other classes take items, too, and lose them.
    fn extend(&mut self, items: Vec<Id>) -> Parsed<()> {
        let target = self.top()?;
        if let Node::List(list) = self.node_mut(target) {
            list.extend(items);
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Parsed<()> {
        let target = self.top()?;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err("damaged: a key without a value".to_owned());
        };
        if let Node::Dict(dict) = self.node_mut(target) {
            dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
        }
        Ok(())
    }

    fn stack_global(&mut self) -> Parsed<()> {
        let name = self.pop()?;
        let module = self.pop()?;
        match (self.node(module), self.node(name)) {
            (&Node::Text(module), &Node::Text(name)) => {
                self.push(Node::Global(Global { module, name }))
            }
            _ => Err("damaged: a class without a name".to_owned()),
        }
    }

    /// Stands for a call: makes what weight files need, and of all else a mere note of its class. `keywords` are dropped.
    fn call(&mut self, keywords: usize) -> Parsed<()> {
        for _ in 0..keywords {
            self.pop()?;
        }
        let arguments = self.pop()?;
        let callee = self.pop()?;
        match self.object(callee, arguments)? {
            Made::Known(id) => self.stack.push(id),
            Made::New(node) => self.push(node)?,
        }
        Ok(())
    }

    pub(super) fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id.0 as usize]
    }

    /// Moves the items out of a list, so that no list is ever copied twice.
    pub(super) fn take_list(&mut self, id: Id) -> Option<Vec<Id>> {
        match self.node_mut(id) {
            Node::List(items) => Some(std::mem::take(items)),
            _ => None,
        }
    }
}

/// What a call comes to.
pub(super) enum Made<'a> {
    /// A node that is there already.
    Known(Id),
    New(Node<'a>),
}
