//! What the training loop does together with the other ranks. Alone, it does nothing.

use mflag_core::signals::SIGTERM;
use tch::{Kind, Tensor};

use super::Trainer;
use crate::error::{Error, Result};
use crate::optim::AdamW;
use crate::shim::c10d::Reducer;
use crate::task::Task;
use crate::world::{Then, World};

/// Copies the weights of rank 0 to all ranks.
pub(super) fn connect<T: Task>(task: &T, optimiser: &AdamW) -> Result<Option<(World, Reducer)>> {
    let Some(world) = task.world() else {
        return Ok(None);
    };
    for (_, variable) in task.variables() {
        world.broadcast(&variable)?;
    }
    let reducer = world.reducer(&optimiser.parameters())?;
    Ok(Some((world.clone(), reducer)))
}

impl<T: Task> Trainer<'_, T> {
    fn world(&self) -> Option<&World> {
        self.ranks.as_ref().map(|(world, _)| world)
    }

    /// Whether this process writes the files of the run.
    pub(super) fn is_main(&self) -> bool {
        self.world().is_none_or(World::is_main)
    }

    /// The same answer on all ranks.
    pub(super) fn decide(&self, answer: bool) -> Result<bool> {
        self.world()
            .map_or(Ok(answer), |world| world.decide(answer))
    }

    /// Fails if the weights differ between ranks.
    pub(super) fn agree_on_weights(&self) -> Result<()> {
        let Some(world) = self.world() else {
            return Ok(());
        };
        world.agree_on(&self.task.variables())
    }

    /// Lets the backward pass that completes an optimiser step average the gradients. The earlier
    /// ones of the step only add them up.
    pub(super) fn prepare_backward(&self) -> Result<()> {
        match &self.ranks {
            Some((_, reducer)) if self.completes_step(self.state.batch + 1) => reducer.prepare(),
            _ => Ok(()),
        }
    }

    /// The means of scalars over the ranks, which also tell each other of signals.
    pub(super) fn over_ranks(
        &mut self,
        values: Vec<(&'static str, Tensor)>,
    ) -> Result<Vec<(&'static str, Tensor)>> {
        let Some(world) = self.world() else {
            return Ok(values);
        };
        let (names, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        let signal = f64::from(u8::from(self.signals.received().is_some()));
        let values = values
            .iter()
            .map(|value| value.detach().to_kind(Kind::Double));
        let values: Vec<Tensor> = values.chain([Tensor::from(signal)]).collect();
        let means = world.mean(&Tensor::f_stack(&values, 0)?, Then::Own)?;
        let signals = means.f_double_value(&[names.len() as i64])?;
        self.rank_has_signal |= signals > 0.0;
        let mean = |(i, name)| Ok((name, means.f_get(i)?));
        (0..).zip(names).map(mean).collect()
    }

    /// The signal that ends training: this process's, or with several ranks any rank's, so that all
    /// end after the same step.
    pub(super) fn signal(&self) -> Option<i32> {
        let own = self.signals.received();
        match self.world() {
            None => own,
            Some(_) => self.rank_has_signal.then(|| own.unwrap_or(SIGTERM)),
        }
    }

    /// Copies those variables of rank 0 that are not trained, such as the statistics of BatchNorm,
    /// to all ranks: without `train.sync_batch_norm`, each rank has its own.
    pub(super) fn share_statistics(&self) -> Result<()> {
        let Some(world) = self.world() else {
            return Ok(());
        };
        for (_, variable) in self.task.variables() {
            if !variable.requires_grad() {
                world.broadcast(&variable)?;
            }
        }
        Ok(())
    }

    /// The names of the samples of all ranks.
    pub(super) fn of_all_ranks(&self, ids: Vec<String>) -> Result<Vec<String>> {
        let Some(world) = self.world() else {
            return Ok(ids);
        };
        let wrong = |e: serde_json::Error| Error::Config(format!("names of samples: {e}"));
        let all = world.gather_bytes(&serde_json::to_vec(&ids).map_err(wrong)?)?;
        let lists = all
            .iter()
            .map(|ids| serde_json::from_slice(ids).map_err(wrong));
        Ok(lists.collect::<Result<Vec<Vec<String>>>>()?.concat())
    }
}
