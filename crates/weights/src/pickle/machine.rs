//! The stack machine: one method for each opcode.

use std::collections::{BTreeMap, HashMap};

use super::input::Input;
use super::{Global, Id, Node, Pickle, Storage, opcode as op};
use crate::Parsed;

/// A bound on the number of values. Real checkpoints, including the optimiser's state, have some
/// hundred thousand.
const MAX_NODES: usize = 4_000_000;

// The most frequent values share one node each.
const NONE: Id = Id(0);
const OTHER: Id = Id(1);
const FALSE: Id = Id(2);
const TRUE: Id = Id(3);

pub(super) struct Machine<'a> {
    input: Input<'a>,
    nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    /// The height of the stack at each mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    pub(super) storages: BTreeMap<&'a str, Storage<'a>>,
}

/// Runs the pickle to its end.
pub(super) fn run(bytes: &[u8]) -> Parsed<Pickle<'_>> {
    let mut machine = Machine {
        input: Input::new(bytes),
        nodes: vec![Node::None, Node::Other, Node::Bool(false), Node::Bool(true)],
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        storages: BTreeMap::new(),
    };
    let root = machine.run();
    let end = machine.input.position;
    Ok(Pickle {
        root: root.map_err(|reason| format!("{reason} (byte {end} of its pickle)"))?,
        nodes: machine.nodes,
        end,
        storages: machine.storages,
    })
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Parsed<Id> {
        loop {
            match self.input.byte()? {
                op::STOP => return self.pop(),
                opcode => self.step(opcode)?,
            }
        }
    }

    fn step(&mut self, opcode: u8) -> Parsed<()> {
        match opcode {
            op::PROTO => self.protocol(),
            op::FRAME => self.input.skip(8),

            op::MARK => self.mark(),
            op::POP => self.pop().map(drop),
            op::POP_MARK => self.pop_to_mark().map(drop),
            op::DUP => self.duplicate(),

            op::NONE => self.push_id(NONE),
            op::NEWTRUE => self.push_id(TRUE),
            op::NEWFALSE => self.push_id(FALSE),
            op::BININT => self.signed(),
            op::BININT1 => self.unsigned(1),
            op::BININT2 => self.unsigned(2),
            op::LONG1 => self.long(1),
            op::LONG4 => self.long(4),
            op::BINFLOAT => self.float(),

            op::SHORT_BINSTRING | op::SHORT_BINUNICODE => self.text(1),
            op::BINSTRING | op::BINUNICODE => self.text(4),
            op::BINUNICODE8 => self.text(8),
            op::SHORT_BINBYTES => self.bytes(1),
            op::BINBYTES => self.bytes(4),
            op::BINBYTES8 | op::BYTEARRAY8 => self.bytes(8),

            op::EMPTY_TUPLE => self.short_tuple(0),
            op::TUPLE1 => self.short_tuple(1),
            op::TUPLE2 => self.short_tuple(2),
            op::TUPLE3 => self.short_tuple(3),
            op::TUPLE => self.tuple(),
            op::EMPTY_LIST => self.push(Node::List(Vec::new())),
            op::APPEND => self.append(),
            op::APPENDS => self.appends(),
            op::EMPTY_DICT => self.push(Node::Dict(Vec::new())),
            op::SETITEM => self.set_item(),
            op::SETITEMS => self.set_items(),
            op::EMPTY_SET => self.push_id(OTHER),
            op::ADDITEMS => self.pop_to_mark().map(drop),
            op::FROZENSET => self.frozen_set(),

            op::GLOBAL => self.global(),
            op::STACK_GLOBAL => self.stack_global(),
            op::REDUCE | op::NEWOBJ => self.call(),
            op::NEWOBJ_EX => self.call_with_keywords(),
            // The attributes of an object hold no weights.
            op::BUILD => self.pop().map(drop),
            op::BINPERSID => self.persistent_id(),

            op::BINGET => self.get(1),
            op::LONG_BINGET => self.get(4),
            op::BINPUT => self.put(1),
            op::LONG_BINPUT => self.put(4),
            op::MEMOIZE => self.remember(self.memo.len() as u32),

            _ => Err(format!("is damaged: unknown pickle opcode 0x{opcode:02x}")),
        }
    }

    fn protocol(&mut self) -> Parsed<()> {
        match self.input.byte()? {
            2..=5 => Ok(()),
            version => Err(format!(
                "is a pickle of protocol {version}; only protocols 2 to 5 are supported"
            )),
        }
    }

    // The stack. Values below the last mark are out of reach until the mark is removed.

    fn mark(&mut self) -> Parsed<()> {
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn top(&self) -> Parsed<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&id) if self.stack.len() > floor => Ok(id),
            _ => Err("is damaged: its pickle takes a value from an empty stack".to_owned()),
        }
    }

    fn pop(&mut self) -> Parsed<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_to_mark(&mut self) -> Parsed<Vec<Id>> {
        let mark = self
            .marks
            .pop()
            .ok_or("is damaged: its pickle uses a mark that it did not set")?;
        Ok(self.stack.split_off(mark))
    }

    fn duplicate(&mut self) -> Parsed<()> {
        let id = self.top()?;
        self.push_id(id)
    }

    fn push_id(&mut self, id: Id) -> Parsed<()> {
        self.stack.push(id);
        Ok(())
    }

    fn push(&mut self, node: Node<'a>) -> Parsed<()> {
        if self.nodes.len() == MAX_NODES {
            return Err(format!(
                "holds more than {MAX_NODES} values; in Python, save only its state_dict"
            ));
        }
        self.stack.push(Id(self.nodes.len() as u32));
        self.nodes.push(node);
        Ok(())
    }

    // The memo.

    fn get(&mut self, width: usize) -> Parsed<()> {
        let key = self.input.unsigned(width)? as u32;
        let id = self
            .memo
            .get(&key)
            .ok_or("is damaged: its pickle reads a memo that it did not write")?;
        self.push_id(*id)
    }

    fn put(&mut self, width: usize) -> Parsed<()> {
        let key = self.input.unsigned(width)? as u32;
        self.remember(key)
    }

    fn remember(&mut self, key: u32) -> Parsed<()> {
        let id = self.top()?;
        self.memo.insert(key, id);
        Ok(())
    }

    // Numbers, text and bytes.

    fn signed(&mut self) -> Parsed<()> {
        let value = i32::from_le_bytes(self.input.array()?);
        self.push(Node::Int(value.into()))
    }

    fn unsigned(&mut self, width: usize) -> Parsed<()> {
        let value = self.input.unsigned(width)?;
        self.push(Node::Int(value.cast_signed()))
    }

    fn long(&mut self, width: usize) -> Parsed<()> {
        let bytes = self.input.counted(width)?;
        if bytes.len() > 8 {
            return self.push(Node::Long(bytes));
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut value = [if negative { 0xff } else { 0 }; 8];
        value[..bytes.len()].copy_from_slice(bytes);
        self.push(Node::Int(i64::from_le_bytes(value)))
    }

    fn float(&mut self) -> Parsed<()> {
        self.input.skip(8)?;
        self.push_id(OTHER)
    }

    /// Python 2 wrote text and bytes with the same opcodes. Bytes that are not UTF-8 are not the
    /// name of a tensor.
    fn text(&mut self, width: usize) -> Parsed<()> {
        match std::str::from_utf8(self.input.counted(width)?) {
            Ok(text) => self.push(Node::Text(text)),
            Err(_) => self.push_id(OTHER),
        }
    }

    fn bytes(&mut self, width: usize) -> Parsed<()> {
        self.input.counted(width)?;
        self.push_id(OTHER)
    }

    // Containers.

    fn short_tuple(&mut self, length: usize) -> Parsed<()> {
        let mut items = (0..length)
            .map(|_| self.pop())
            .collect::<Parsed<Vec<Id>>>()?;
        items.reverse();
        self.push(Node::Tuple(items))
    }

    fn tuple(&mut self) -> Parsed<()> {
        let items = self.pop_to_mark()?;
        self.push(Node::Tuple(items))
    }

    fn append(&mut self) -> Parsed<()> {
        let item = self.pop()?;
        self.extend_list(vec![item])
    }

    fn appends(&mut self) -> Parsed<()> {
        let items = self.pop_to_mark()?;
        self.extend_list(items)
    }

    /// Adds items to the list on top of the stack. Objects of other classes accept items, too, and
    /// drop them.
    fn extend_list(&mut self, items: Vec<Id>) -> Parsed<()> {
        let target = self.top()?;
        if let Node::List(list) = self.node_mut(target) {
            list.extend(items);
        }
        Ok(())
    }

    fn set_item(&mut self) -> Parsed<()> {
        let value = self.pop()?;
        let key = self.pop()?;
        self.extend_dict(&[key, value])
    }

    fn set_items(&mut self) -> Parsed<()> {
        let items = self.pop_to_mark()?;
        self.extend_dict(&items)
    }

    /// Adds keys and values, in turn, to the dictionary on top of the stack.
    fn extend_dict(&mut self, items: &[Id]) -> Parsed<()> {
        let target = self.top()?;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err("is damaged: a dictionary has a key without a value".to_owned());
        };
        if let Node::Dict(dict) = self.node_mut(target) {
            dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
        }
        Ok(())
    }

    fn frozen_set(&mut self) -> Parsed<()> {
        self.pop_to_mark()?;
        self.push_id(OTHER)
    }

    // Classes and objects.

    fn global(&mut self) -> Parsed<()> {
        let module = self.input.line()?;
        let name = self.input.line()?;
        self.push(Node::Global(Global { module, name }))
    }

    fn stack_global(&mut self) -> Parsed<()> {
        let name = self.pop()?;
        let module = self.pop()?;
        match (self.node(module), self.node(name)) {
            (&Node::Text(module), &Node::Text(name)) => {
                self.push(Node::Global(Global { module, name }))
            }
            _ => Err("is damaged: a class has no name".to_owned()),
        }
    }

    /// Stands for a call: makes the node of a known class, or [`Node::Opaque`] for any other.
    fn call(&mut self) -> Parsed<()> {
        let arguments = self.pop()?;
        let callee = self.pop()?;
        match self.object(callee, arguments)? {
            Made::Known(id) => self.push_id(id),
            Made::New(node) => self.push(node),
        }
    }

    /// Keyword arguments are dropped: no known class has any.
    fn call_with_keywords(&mut self) -> Parsed<()> {
        self.pop()?;
        self.call()
    }

    fn persistent_id(&mut self) -> Parsed<()> {
        let id = self.pop()?;
        let node = self.persistent(id)?;
        self.push(node)
    }

    // Nodes.

    pub(super) fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id.0 as usize]
    }

    fn node_mut(&mut self, id: Id) -> &mut Node<'a> {
        &mut self.nodes[id.0 as usize]
    }

    /// Moves the items out of a list, so that no list is copied twice.
    pub(super) fn take_list(&mut self, id: Id) -> Option<Vec<Id>> {
        match self.node_mut(id) {
            Node::List(items) => Some(std::mem::take(items)),
            _ => None,
        }
    }
}

/// The result of a call.
pub(super) enum Made<'a> {
    /// A node that exists already.
    Known(Id),
    New(Node<'a>),
}
