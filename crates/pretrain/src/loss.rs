//! The two losses of M-FLAG. Formulas are those of the authors' code (arXiv 2307.08347, MICCAI 2023).
//!
//! Half-precision features are computed on in float32: call the losses outside autocast.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Which matrix the orthogonality loss multiplies out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gram {
    /// `XᵀX`, `[D, D]`: the formula as written.
    Features,
    /// `XXᵀ`, `[B, B]`: the same value at `B / D` of the work.
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
    /// On the raw pooled features, as the authors' code does: neither centred nor scaled, so that it also fixes their
    /// size, and cannot go below about `D / 2 · (1 − B / D)` when the batch B is smaller than the width D.
    #[default]
    Official,
    /// On features standardised over the batch, column by column: C is their correlation matrix.
    Normalised,
    /// Not computed.
    Off,
}

/// Alignment loss: `mean_n (4 − 4 cos(v_n, t_n))`, for projections `v` and `t`, both `[B, P]`.
/// 0 when each pair points the same way, 8 when opposite. It has no negatives and no temperature.
pub fn alignment(v: &Tensor, t: &Tensor) -> Tensor {
    let (v, t) = (full(v), full(t));
    let cosine = (unit_rows(&v) * unit_rows(&t)).sum_dim_intlist([-1i64].as_slice(), false, None);
    (1.0 - cosine.mean(None)) * 4.0
}

/// `x` in float32 if it is in half precision, else as it is.
pub(crate) fn full(x: &Tensor) -> Tensor {
    match x.kind() {
        Kind::Half | Kind::BFloat16 => x.to_kind(Kind::Float),
        _ => x.shallow_clone(),
    }
}

/// Rows of `x`, `[n, d]`, scaled to length 1; a row of zeros stays zero (epsilon 1e-12, as `torch.nn.functional.normalize`).
pub fn unit_rows(x: &Tensor) -> Tensor {
    let norm = x.norm_scalaropt_dim(2.0, [-1i64].as_slice(), true);
    x / norm.clamp_min(1e-12)
}

/// Orthogonality loss on pooled features `x`, `[B, D]`: with `C = xᵀx / B`,
/// `½ [Σ_i (C_ii − 1)² + lambda · Σ_{i≠j} C_ij²]`. `None` when the form is off.
///
/// In the normalised form each column of `x` is first standardised over the batch (biased variance, epsilon 1e-5).
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

/// Columns of `x`, `[B, D]`, with mean 0 and variance 1 over the batch.
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
