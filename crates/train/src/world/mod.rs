//! The processes that train one model together, on PyTorch's engine (c10d).
//!
//! Each process, called a rank, trains on its share of every batch. Their objective is the mean of
//! the losses of all ranks: [`World::sum`] and [`World::gather`] have its gradient, and the
//! training loop averages the gradients of the weights.

mod agree;
mod connect;
mod failure;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mflag_core::launch::Launch;
use tch::{Kind, Tensor};

pub use agree::Facts;

use crate::error::{Error, Result};
use crate::shim::c10d::{Group, Reducer, Store};

/// A rank that waits longer than this for another fails. Rank 0 alone measures validations and
/// writes files, while the others wait.
pub const TIMEOUT: Duration = Duration::from_secs(600);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the ranks do with the result of a collective that has a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// All ranks compute the same loss from it. Each rank then knows the gradient of all.
    Same,
    /// Each rank computes something of its own. Their gradients are summed in the backward pass.
    Own,
}

/// The processes that train one model together, two or more. Cheap to clone. One thread at a time
/// may use it.
#[derive(Debug, Clone)]
pub struct World(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    launch: Launch,
    store: Store,
    group: Group,
    /// The message of the first collective that failed.
    failure: OnceLock<String>,
}

impl World {
    /// The number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.0.launch.rank
    }

    /// The number of processes.
    pub fn size(&self) -> usize {
        self.0.launch.world_size
    }

    /// Whether this process is rank 0, which alone writes files and prints results.
    pub fn is_main(&self) -> bool {
        self.rank() == 0
    }

    /// What the launcher has said.
    pub fn launch(&self) -> &Launch {
        &self.0.launch
    }

    /// The sum of `x` over all ranks, with gradients.
    ///
    /// # Errors
    /// If a rank is lost, or the shapes differ. The same holds for all collectives.
    pub fn sum(&self, x: &Tensor, then: Then) -> Result<Tensor> {
        self.done(self.0.group.sum(x, then == Then::Same))
    }

    /// The mean of `x` over all ranks, with gradients.
    ///
    /// # Errors
    /// As [`World::sum`].
    pub fn mean(&self, x: &Tensor, then: Then) -> Result<Tensor> {
        Ok(self.sum(x, then)? / self.size() as f64)
    }

    /// The rows of `x`, `[n, …]`, of rank 0, then of rank 1, and so on: `[n · size, …]`, with
    /// gradients. `n` must be the same on all ranks.
    ///
    /// # Errors
    /// As [`World::sum`].
    pub fn gather(&self, x: &Tensor, then: Then) -> Result<Tensor> {
        self.done(self.0.group.gather(x, then == Then::Same))
    }

    /// Replaces `x` by that of rank 0.
    ///
    /// # Errors
    /// As [`World::sum`].
    pub fn broadcast(&self, x: &Tensor) -> Result<()> {
        self.done(self.0.group.broadcast(x))
    }

    /// Waits until all ranks are here, for work that takes some ranks much longer than others.
    /// Waits up to a day; other collectives wait for [`TIMEOUT`].
    ///
    /// # Errors
    /// As [`World::sum`].
    pub fn barrier(&self) -> Result<()> {
        self.done(self.0.group.barrier(DAY))
    }

    /// Lets rank 0 do `work` before the others do it, for work that writes files which the others
    /// then find.
    ///
    /// # Errors
    /// If `work` fails here, or a rank is lost.
    pub fn main_first<T, E: From<Error>>(
        &self,
        work: impl FnOnce() -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        if self.is_main() {
            let result = work()?;
            self.barrier()?;
            Ok(result)
        } else {
            self.barrier()?;
            work()
        }
    }

    /// The bytes of each rank.
    ///
    /// # Errors
    /// As [`World::sum`].
    pub fn gather_bytes(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        let lengths = self.gather(&Tensor::from_slice(&[bytes.len() as i64]), Then::Same)?;
        let lengths = Vec::<i64>::try_from(lengths)?;
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let padded = Tensor::f_zeros([1, longest], (Kind::Uint8, tch::Device::Cpu))?;
        let mine = Tensor::from_slice(bytes);
        padded
            .f_get(0)?
            .f_narrow(0, 0, bytes.len() as i64)?
            .f_copy_(&mine)?;
        let all = self.gather(&padded, Then::Same)?;
        let of_rank = |(rank, length): (usize, &i64)| {
            let row = all.f_get(rank as i64)?.f_narrow(0, 0, *length)?;
            Ok(Vec::<u8>::try_from(row)?)
        };
        lengths.iter().enumerate().map(of_rank).collect()
    }

    /// The bytes of rank 0. The other ranks pass nothing.
    ///
    /// # Errors
    /// As [`World::sum`].
    pub fn broadcast_bytes(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let own = if self.is_main() { bytes } else { &[] };
        Ok(self.gather_bytes(own)?.swap_remove(0))
    }

    /// The same answer on all ranks: that of rank 0.
    ///
    /// # Errors
    /// As [`World::sum`].
    pub fn decide(&self, answer: bool) -> Result<bool> {
        Ok(self.broadcast_bytes(&[u8::from(answer)])? == [1])
    }

    /// The rows of all ranks in the order of one process, which has dealt its batches to the ranks
    /// in turn: batch 0 to rank 0, batch 1 to rank 1, and so on. `rows` are those of this rank's
    /// batches, `[n, d]`, one after the other. A batch has `batch_size` rows, and all batches
    /// `total` rows.
    ///
    /// # Errors
    /// As [`World::sum`].
    pub fn gather_batches(&self, rows: &Tensor, batch_size: usize, total: usize) -> Result<Tensor> {
        let rounds = total.div_ceil(batch_size).div_ceil(self.size());
        let (most, width) = ((rounds * batch_size) as i64, rows.size()[1]);
        let padded = Tensor::f_zeros([most, width], (rows.kind(), rows.device()))?;
        padded.f_narrow(0, 0, rows.size()[0])?.f_copy_(rows)?;
        let all = self.gather(&padded, Then::Same)?;
        // [rank, round, row, d] → [round, rank, row, d]. Only the last batch can be smaller, so
        // that all padding is at the end.
        let shape = [self.size() as i64, rounds as i64, batch_size as i64, width];
        let in_order = all
            .f_view(shape)?
            .f_transpose(0, 1)?
            .f_reshape([-1, width])?;
        Ok(in_order.f_narrow(0, 0, total as i64)?)
    }

    /// A reducer of the gradients of `parameters`, in the order of the forward pass.
    pub(crate) fn reducer(&self, parameters: &[&Tensor]) -> Result<Reducer> {
        self.done(Reducer::new(&self.0.group, parameters))
    }

    /// BatchNorm in training mode over the batches of all ranks: `torch.nn.SyncBatchNorm`. `x` is
    /// `[n, channels, …]`. Updates the running statistics.
    ///
    /// # Errors
    /// As [`World::sum`].
    pub fn sync_batch_norm(
        &self,
        x: &Tensor,
        affine: [&Tensor; 2],
        running: [&Tensor; 2],
        momentum: f64,
        epsilon: f64,
    ) -> Result<Tensor> {
        let group = &self.0.group;
        self.done(group.sync_batch_norm(x, affine, running, momentum, epsilon))
    }

    /// Keeps the message of a collective that has failed.
    fn done<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            let _ = self.0.failure.set(error.to_string());
        }
        result.map_err(|error| Error::Collective {
            rank: self.rank(),
            reason: error.to_string(),
        })
    }
}
