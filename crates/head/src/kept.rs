//! What a frozen encoder says of films that do not change: computed once, and kept in memory.

use std::collections::HashMap;

use mflag_core::progress::Progress;
use mflag_train::upload;
use tch::Tensor;

use crate::error::Result;

/// The inputs of a head, for each of some films.
#[derive(Debug)]
pub struct Kept {
    inputs: Vec<Tensor>,
    /// By film of the store.
    rows: HashMap<usize, i64>,
}

impl Kept {
    /// The inputs of `films`, from batches of them that come in order; `None` as soon as it is known that those of `all` films, of which
    /// these are a part, would take more than `limit` bytes.
    ///
    /// # Errors
    /// Those of the batches, and libtorch's own.
    pub fn fill(
        films: &[usize],
        all: usize,
        limit: u64,
        mut batches: impl Iterator<Item = Result<Vec<Tensor>>>,
    ) -> Result<Option<Kept>> {
        let Some(first) = batches.next() else {
            return Ok(None);
        };
        let first = first?;
        let in_batch = first.first().map_or(0, |t| t.size()[0]);
        if bytes(&first) * all as u64 > limit * in_batch.max(1) as u64 {
            return Ok(None);
        }
        let progress = Progress::new("encode films", films.len() as u64, "films");
        let inputs: Vec<Tensor> = first
            .iter()
            .map(|t| room(t, films.len()))
            .collect::<Result<_>>()?;
        let mut row = 0;
        for batch in std::iter::once(Ok(first)).chain(batches) {
            let batch = batch?;
            let number = batch.first().map_or(0, |t| t.size()[0]);
            for (place, tensor) in inputs.iter().zip(&batch) {
                place.f_narrow(0, row, number)?.f_copy_(tensor)?;
            }
            row += number;
            progress.inc(number as u64);
        }
        progress.finish();
        let rows = films.iter().enumerate();
        Ok(Some(Kept {
            inputs,
            rows: rows.map(|(row, &film)| (film, row as i64)).collect(),
        }))
    }

    /// The inputs of these films, in their order.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn of(&self, films: &[usize]) -> Result<Vec<Tensor>> {
        let rows: Vec<i64> = films.iter().map(|film| self.rows[film]).collect();
        let rows = Tensor::f_from_slice(&rows)?;
        let pick = |t: &Tensor| {
            let rows = upload(rows.shallow_clone(), t.device())?;
            Ok(t.f_index_select(0, &rows)?)
        };
        self.inputs.iter().map(pick).collect()
    }
}

/// What `batch` takes.
fn bytes(batch: &[Tensor]) -> u64 {
    let each = |t: &Tensor| (t.numel() * t.kind().elt_size_in_bytes()) as u64;
    batch.iter().map(each).sum()
}

/// Room for as many rows like those of `batch`.
fn room(batch: &Tensor, rows: usize) -> Result<Tensor> {
    let mut size = batch.size();
    size[0] = rows as i64;
    Ok(Tensor::f_zeros(&size, (batch.kind(), batch.device()))?)
}
