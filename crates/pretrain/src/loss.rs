//! The two losses of M-FLAG, as in the authors' code (arXiv 2307.08347, MICCAI 2023).
//!
//! Features in half precision are converted to float32. Call the losses outside autocast.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

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
pub fn orthogonality(
    x: &Tensor,
    form: OrthogonalityForm,
    lambda: f64,
    gram: Gram,
) -> Option<Tensor> {
    let x = full(x);
    match form {
        OrthogonalityForm::Off => None,
        OrthogonalityForm::Official => Some(decorrelation(&x, lambda, gram)),
        OrthogonalityForm::Normalised => Some(decorrelation(&standardise(&x), lambda, gram)),
    }
}

/// Scales the columns of `x`, `[B, D]`, to mean 0 and variance 1 over the batch.
fn standardise(x: &Tensor) -> Tensor {
    let centred = x - x.mean_dim([0i64].as_slice(), true, None);
    let variance = centred.square().mean_dim([0i64].as_slice(), true, None);
    centred * (variance + 1e-5).rsqrt()
}

fn decorrelation(x: &Tensor, lambda: f64, gram: Gram) -> Tensor {
    let batch = x.size()[0] as f64;
    let diagonal = x.square().sum_dim_intlist([0i64].as_slice(), false, None) / batch;
    // Σ_ij C_ij² = ‖XᵀX‖²_F / B² = ‖XXᵀ‖²_F / B².
    let product = match gram {
        Gram::Features => x.tr().matmul(x),
        Gram::Samples => x.matmul(&x.tr()),
    };
    let all = (product / batch).square().sum(None);
    let on_diagonal = (&diagonal - 1.0).square().sum(None);
    let off_diagonal = all - diagonal.square().sum(None);
    (on_diagonal + off_diagonal * lambda) * 0.5
}
