//! Wrappers of `shim/c10d.cpp`: the store, the collectives and the gradient buckets of several
//! processes.

use std::ffi::{CString, c_char, c_int};
use std::ptr::NonNull;
use std::time::Duration;

use tch::Tensor;
use torch_sys::C_tensor;

use super::{Handles, checked, handles};
use crate::error::{Error, Result};

/// A C++ object that Rust only passes on.
#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn mflag_store_open(
        host: *const c_char,
        port: u16,
        serve: c_int,
        prefix: *const c_char,
        timeout_ms: i64,
        store: *mut *mut Opaque,
    ) -> *mut c_char;
    fn mflag_store_set(
        store: *mut Opaque,
        key: *const c_char,
        value: *const u8,
        n: usize,
    ) -> *mut c_char;
    fn mflag_store_has(store: *mut Opaque, key: *const c_char, found: *mut c_int) -> *mut c_char;
    fn mflag_store_get(
        store: *mut Opaque,
        key: *const c_char,
        value: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn mflag_group_connect(
        store: *mut Opaque,
        rank: c_int,
        ranks: c_int,
        address: *const c_char,
        interface: *const c_char,
        timeout_ms: i64,
        group: *mut *mut Opaque,
    ) -> *mut c_char;
    fn mflag_group_close(group: *mut Opaque) -> *mut c_char;
    fn mflag_sum(
        group: *mut Opaque,
        x: *const C_tensor,
        same: c_int,
        sum: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn mflag_gather(
        group: *mut Opaque,
        x: *const C_tensor,
        same: c_int,
        rows: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn mflag_broadcast(group: *mut Opaque, x: *const C_tensor) -> *mut c_char;
    fn mflag_barrier(group: *mut Opaque, timeout_ms: i64) -> *mut c_char;
    fn mflag_sync_batch_norm(
        group: *mut Opaque,
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        running_mean: *const C_tensor,
        running_variance: *const C_tensor,
        momentum: f64,
        epsilon: f64,
        y: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn mflag_reducer_new(
        group: *mut Opaque,
        parameters: Handles,
        n: usize,
        reducer: *mut *mut Opaque,
    ) -> *mut c_char;
    fn mflag_reducer_prepare(reducer: *mut Opaque) -> *mut c_char;
    fn mflag_reducer_free(reducer: *mut Opaque);
}

/// The C++ objects of this module. A store and a group are never freed: their destructors wait for
/// operations that a lost rank may never end, and a process has one of each until it exits.
#[derive(Debug, Clone, Copy)]
struct Object(NonNull<Opaque>);

// SAFETY: TCPStore locks itself. A group starts operations from one thread at a time, which `World`
// promises, and its own threads run them.
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}

impl Object {
    /// The object that `make` writes.
    fn made(make: impl FnOnce(*mut *mut Opaque) -> *mut c_char) -> Result<Object> {
        let mut object = std::ptr::null_mut();
        checked(make(&raw mut object))?;
        let missing = || Error::Libtorch("an object was not made".to_owned());
        NonNull::new(object).map(Object).ok_or_else(missing)
    }

    fn pointer(self) -> *mut Opaque {
        self.0.as_ptr()
    }
}

/// The tensor that `make` writes.
fn tensor(make: impl FnOnce(*mut *mut C_tensor) -> *mut c_char) -> Result<Tensor> {
    let mut made = std::ptr::null_mut();
    checked(make(&raw mut made))?;
    // SAFETY: on success, `make` has written a new at::Tensor, which tch's Tensor owns.
    Ok(unsafe { Tensor::from_ptr(made) })
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::Config(format!("{text:?} holds a NUL character")))
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Keys and values that all processes share: a TCPStore.
#[derive(Debug, Clone)]
pub(crate) struct Store(Object);

impl Store {
    /// Connects to the store at `host`:`port`, or with `serve` opens it there. All keys begin with
    /// `prefix`.
    pub(crate) fn open(
        (host, port): (&str, u16),
        serve: bool,
        prefix: &str,
        timeout: Duration,
    ) -> Result<Store> {
        let (host, prefix) = (c_string(host)?, c_string(prefix)?);
        let timeout = milliseconds(timeout);
        // SAFETY: both strings outlive the call.
        let open = |store| unsafe {
            let serve = c_int::from(serve);
            mflag_store_open(host.as_ptr(), port, serve, prefix.as_ptr(), timeout, store)
        };
        Object::made(open).map(Store)
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        let (key, n) = (c_string(key)?, value.len());
        // SAFETY: a live store; key and value outlive the call.
        checked(unsafe { mflag_store_set(self.0.pointer(), key.as_ptr(), value.as_ptr(), n) })
    }

    /// The value of `key`, if it has been set. Does not wait for it.
    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let key = c_string(key)?;
        let mut found = 0;
        // SAFETY: a live store; key and answer outlive the call.
        checked(unsafe { mflag_store_has(self.0.pointer(), key.as_ptr(), &raw mut found) })?;
        if found == 0 {
            return Ok(None);
        }
        // SAFETY: as above.
        let value =
            tensor(|value| unsafe { mflag_store_get(self.0.pointer(), key.as_ptr(), value) })?;
        Ok(Some(Vec::<u8>::try_from(value)?))
    }
}

/// Where a process listens for the others.
#[derive(Debug)]
pub(crate) enum Listen<'a> {
    /// At an address of this host.
    Address(&'a str),
    /// At a network interface of this host.
    Interface(&'a str),
}

/// The connected processes: a ProcessGroup with Gloo.
#[derive(Debug, Clone)]
pub(crate) struct Group(Object);

impl Group {
    /// Connects the processes, which all call this. An operation that takes longer than `timeout`
    /// fails.
    pub(crate) fn connect(
        store: &Store,
        (rank, ranks): (usize, usize),
        listen: &Listen<'_>,
        timeout: Duration,
    ) -> Result<Group> {
        let (address, interface) = match listen {
            Listen::Address(address) => (Some(c_string(address)?), None),
            Listen::Interface(interface) => (None, Some(c_string(interface)?)),
        };
        let pointer =
            |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |t| t.as_ptr());
        let number = |n: usize| c_int::try_from(n).unwrap_or(c_int::MAX);
        let (rank, ranks, timeout) = (number(rank), number(ranks), milliseconds(timeout));
        let (address, interface) = (pointer(&address), pointer(&interface));
        let store = store.0.pointer();
        // SAFETY: a live store; one of the two strings may be null, and both outlive the call.
        let connect = |group| unsafe {
            mflag_group_connect(store, rank, ranks, address, interface, timeout, group)
        };
        Object::made(connect).map(Group)
    }

    /// Closes the connections to the other ranks. Every later operation fails.
    pub(crate) fn close(&self) -> Result<()> {
        // SAFETY: a live group, which no other thread uses.
        checked(unsafe { mflag_group_close(self.0.pointer()) })
    }

    /// The sum of `x` over all ranks. `same`: all ranks compute the same from it.
    pub(crate) fn sum(&self, x: &Tensor, same: bool) -> Result<Tensor> {
        let same = c_int::from(same);
        // SAFETY: a live group and a live tensor.
        tensor(|sum| unsafe { mflag_sum(self.0.pointer(), x.as_ptr(), same, sum) })
    }

    /// The rows of `x` of all ranks, in order. `same` as in [`Group::sum`].
    pub(crate) fn gather(&self, x: &Tensor, same: bool) -> Result<Tensor> {
        let same = c_int::from(same);
        // SAFETY: a live group and a live tensor.
        tensor(|rows| unsafe { mflag_gather(self.0.pointer(), x.as_ptr(), same, rows) })
    }

    /// Replaces `x` by that of rank 0.
    pub(crate) fn broadcast(&self, x: &Tensor) -> Result<()> {
        // SAFETY: a live group and a live tensor.
        checked(unsafe { mflag_broadcast(self.0.pointer(), x.as_ptr()) })
    }

    /// Waits until all ranks are here, for at most `timeout`.
    pub(crate) fn barrier(&self, timeout: Duration) -> Result<()> {
        // SAFETY: a live group.
        checked(unsafe { mflag_barrier(self.0.pointer(), milliseconds(timeout)) })
    }

    /// BatchNorm in training mode over the batches of all ranks.
    pub(crate) fn sync_batch_norm(
        &self,
        x: &Tensor,
        [weight, bias]: [&Tensor; 2],
        [running_mean, running_variance]: [&Tensor; 2],
        momentum: f64,
        epsilon: f64,
    ) -> Result<Tensor> {
        let [weight, bias, mean, variance] =
            [weight, bias, running_mean, running_variance].map(Tensor::as_ptr);
        let (group, x) = (self.0.pointer(), x.as_ptr());
        // SAFETY: a live group and five live tensors.
        tensor(|y| unsafe {
            mflag_sync_batch_norm(group, x, weight, bias, mean, variance, momentum, epsilon, y)
        })
    }
}

/// Averages gradients over all ranks, in buckets and during the backward pass: DDP's Reducer.
#[derive(Debug)]
pub(crate) struct Reducer(Object);

impl Reducer {
    /// A reducer of the gradients of `parameters`, in the order of the forward pass.
    pub(crate) fn new(group: &Group, parameters: &[&Tensor]) -> Result<Reducer> {
        let list = handles(parameters.iter().copied());
        let n = list.len();
        // SAFETY: a live group and a list of n live handles.
        let reducer = Object::made(|reducer| unsafe {
            mflag_reducer_new(group.0.pointer(), list.as_ptr(), n, reducer)
        });
        reducer.map(Reducer)
    }

    /// Lets the next backward pass average the gradients. Without this, it only adds them up.
    pub(crate) fn prepare(&self) -> Result<()> {
        // SAFETY: a live reducer.
        checked(unsafe { mflag_reducer_prepare(self.0.pointer()) })
    }
}

impl Drop for Reducer {
    fn drop(&mut self) {
        // SAFETY: the reducer is freed once.
        unsafe { mflag_reducer_free(self.0.pointer()) };
    }
}
