//! Features of films from a frozen encoder: computed once and kept in memory.

use std::collections::HashMap;

use mflag_core::progress::Progress;
use mflag_train::upload;
use tch::Tensor;

use crate::error::Result;

/// The inputs of a head for a set of films.
#[derive(Debug)]
pub struct FeatureCache {
    /// Each input with a row per film.
    inputs: Vec<Tensor>,
    /// The row of each film, by its index in the store.
    rows: HashMap<usize, i64>,
}

impl FeatureCache {
    /// Fills a cache for `films` from `batches` of their inputs, in the order of `films`.
    ///
    /// Returns `None` if the inputs of `total` films would take more than `limit` bytes, as
    /// estimated from the first batch. `total` is the number of all films to be cached; `films` are
    /// some of them.
    ///
    /// # Errors
    /// If a batch is an error, or memory for the inputs cannot be allocated.
    pub fn fill(
        films: &[usize],
        total: usize,
        limit: u64,
        mut batches: impl Iterator<Item = Result<Vec<Tensor>>>,
    ) -> Result<Option<FeatureCache>> {
        let Some(first) = batches.next() else {
            return Ok(None);
        };
        let first = first?;
        if bytes(&first) * total as u64 > limit * rows_in(&first).max(1) as u64 {
            return Ok(None);
        }
        let progress = Progress::new("encode films", films.len() as u64, "films");
        let inputs: Vec<Tensor> = first
            .iter()
            .map(|input| allocate(input, films.len()))
            .collect::<Result<_>>()?;
        let mut row = 0;
        for batch in std::iter::once(Ok(first)).chain(batches) {
            let batch = batch?;
            let rows = rows_in(&batch);
            for (cached, input) in inputs.iter().zip(&batch) {
                cached.f_narrow(0, row, rows)?.f_copy_(input)?;
            }
            row += rows;
            progress.inc(rows as u64);
        }
        progress.finish();
        let rows = films.iter().copied().zip(0..).collect();
        Ok(Some(FeatureCache { inputs, rows }))
    }

    /// The inputs of these films, in their order.
    ///
    /// # Errors
    /// If libtorch cannot allocate the inputs.
    pub fn select(&self, films: &[usize]) -> Result<Vec<Tensor>> {
        let rows: Vec<i64> = films.iter().map(|film| self.rows[film]).collect();
        let rows = Tensor::f_from_slice(&rows)?;
        let select = |input: &Tensor| {
            let rows = upload(rows.shallow_clone(), input.device())?;
            Ok(input.f_index_select(0, &rows)?)
        };
        self.inputs.iter().map(select).collect()
    }
}

/// Films in a batch of inputs.
fn rows_in(batch: &[Tensor]) -> i64 {
    batch.first().map_or(0, |input| input.size()[0])
}

/// Bytes in a batch of inputs.
fn bytes(batch: &[Tensor]) -> u64 {
    let bytes = |input: &Tensor| (input.numel() * input.kind().elt_size_in_bytes()) as u64;
    batch.iter().map(bytes).sum()
}

/// Allocates `rows` rows like those of `input`.
fn allocate(input: &Tensor, rows: usize) -> Result<Tensor> {
    let mut size = input.size();
    size[0] = rows as i64;
    Ok(Tensor::f_zeros(&size, (input.kind(), input.device()))?)
}
