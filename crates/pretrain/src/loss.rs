//! The two losses of M-FLAG, as in the authors' code (arXiv 2307.08347, MICCAI 2023).
//!
//! Features in half precision are converted to float32. Call the losses outside autocast.
//!
//! With a [`World`], a loss is that of the joined batch of all ranks, and so is its gradient, once
//! gradients are averaged over the ranks. The alignment loss needs no more than this average.

use mflag_train::{Then, World};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::error::Result;

/// The matrix that the orthogonality loss computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gram {
    /// `XᵀX`, `[D, D]`: the formula as written.
    Features,
    /// `XXᵀ`, `[B, B]`: gives the same value with `B / D` of the work.
    Samples,
}

impl Gram {
    /// The smaller matrix for `batch` rows of `width` features.
    pub fn cheaper(batch: i64, width: i64) -> Gram {
        if batch < width {
            Gram::Samples
        } else {
            Gram::Features
        }
    }
}

/// The form of the orthogonality loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrthogonalityForm {
    /// On the raw pooled features, as in the authors' code. These are neither centred nor scaled,
    /// so the loss also determines their size. If the batch B is smaller than the width D, the loss
    /// cannot fall below about `D / 2 · (1 − B / D)`.
    #[default]
    Official,
    /// On features standardised over the batch: C is their correlation matrix.
    Normalised,
    /// Not computed.
    Off,
}

/// Alignment loss: `mean_n (4 − 4 cos(v_n, t_n))`, for projections `v` and `t`, both `[B, P]`. It
/// is 0 if the vectors of each pair have the same direction, and 8 if they have opposite
/// directions. It uses no negative pairs and no temperature.
pub fn alignment(v: &Tensor, t: &Tensor) -> Tensor {
    let (v, t) = (full(v), full(t));
    let cosine = (unit_rows(&v) * unit_rows(&t)).sum_dim_intlist([-1i64].as_slice(), false, None);
    (1.0 - cosine.mean(None)) * 4.0
}

/// Converts half precision to float32, and leaves other kinds unchanged.
pub(crate) fn full(x: &Tensor) -> Tensor {
    match x.kind() {
        Kind::Half | Kind::BFloat16 => x.to_kind(Kind::Float),
        _ => x.shallow_clone(),
    }
}

/// The rows of `x`, `[n, d]`, scaled to length 1. A row of zeros stays zero (epsilon 1e-12, as in
/// `torch.nn.functional.normalize`).
pub fn unit_rows(x: &Tensor) -> Tensor {
    let norm = x.norm_scalaropt_dim(2.0, [-1i64].as_slice(), true);
    x / norm.clamp_min(1e-12)
}

/// Orthogonality loss on pooled features `x`, `[B, D]`: `½ [Σ_i (C_ii − 1)² + lambda · Σ_{i≠j}
/// C_ij²]` with `C = xᵀx / B`. `None` if `form` is [`OrthogonalityForm::Off`].
///
/// The normalised form first standardises each column of `x` over the batch (biased variance,
/// epsilon 1e-5).
///
/// With `world`, the batch is that of all ranks, which have the same number of rows. The ranks then
/// exchange their features for [`Gram::Samples`], and their sums `xᵀx` for [`Gram::Features`].
///
/// # Errors
/// If a rank is lost.
pub fn orthogonality(
    x: &Tensor,
    form: OrthogonalityForm,
    lambda: f64,
    gram: Gram,
    world: Option<&World>,
) -> Result<Option<Tensor>> {
    let x = match form {
        OrthogonalityForm::Off => return Ok(None),
        OrthogonalityForm::Official => full(x),
        OrthogonalityForm::Normalised => standardise(&full(x), world)?,
    };
    Ok(Some(decorrelation(&x, lambda, gram, world)?))
}

/// Scales the columns of `x`, `[B, D]`, to mean 0 and variance 1 over the batch.
fn standardise(x: &Tensor, world: Option<&World>) -> Result<Tensor> {
    let mean = |x: &Tensor| {
        let mean = x.mean_dim([0i64].as_slice(), true, None);
        match world {
            Some(world) => world.mean(&mean, Then::Own),
            None => Ok(mean),
        }
    };
    let centred = x - mean(x)?;
    let variance = mean(&centred.square())?;
    Ok(centred * (variance + 1e-5).rsqrt())
}

fn decorrelation(x: &Tensor, lambda: f64, gram: Gram, world: Option<&World>) -> Result<Tensor> {
    let x = match (world, gram) {
        (Some(world), Gram::Samples) => world.gather(x, Then::Same)?,
        _ => x.shallow_clone(),
    };
    // The sum over all rows: for `Gram::Samples`, this rank has them all.
    let sum = |of_own_rows: Tensor| match (world, gram) {
        (Some(world), Gram::Features) => world.sum(&of_own_rows, Then::Same),
        _ => Ok(of_own_rows),
    };
    let ranks = match (world, gram) {
        (Some(world), Gram::Features) => world.size() as f64,
        _ => 1.0,
    };
    let batch = x.size()[0] as f64 * ranks;
    let diagonal = sum(x.square().sum_dim_intlist([0i64].as_slice(), false, None))? / batch;
    // Σ_ij C_ij² = ‖XᵀX‖²_F / B² = ‖XXᵀ‖²_F / B².
    let product = match gram {
        Gram::Features => sum(x.tr().matmul(&x))?,
        Gram::Samples => x.matmul(&x.tr()),
    };
    let all = (product / batch).square().sum(None);
    let on_diagonal = (&diagonal - 1.0).square().sum(None);
    let off_diagonal = all - diagonal.square().sum(None);
    Ok((on_diagonal + off_diagonal * lambda) * 0.5)
}
