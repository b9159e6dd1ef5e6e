//! The losses of classification.

use mflag_head::Result;
use tch::{Reduction, Tensor};

/// Stands for the class of a film whose class is unknown. PyTorch's cross-entropy ignores this
/// value.
pub(crate) const UNKNOWN: i64 = -100;

/// Mean binary cross-entropy over the known entries of a batch; 0 if none is known. `logits`,
/// `truth` (1 or 0) and `known` (1 or 0) are `[B, labels]` and of one kind.
///
/// # Errors
/// If the shapes differ.
pub fn masked_bce(logits: &Tensor, truth: &Tensor, known: &Tensor) -> Result<Tensor> {
    let none = None::<Tensor>;
    let sum = logits.f_binary_cross_entropy_with_logits(
        truth,
        Some(known),
        none.as_ref(),
        Reduction::Sum,
    )?;
    Ok(sum / known.f_sum(known.kind())?.f_clamp_min(1.0)?)
}

/// Mean cross-entropy over the films whose class is known. `logits` are `[B, classes]`, `classes`
/// are `[B]` of i64.
///
/// # Errors
/// If the shapes differ.
pub fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    let none = None::<Tensor>;
    Ok(logits.f_cross_entropy_loss(classes, none, Reduction::Mean, UNKNOWN, 0.0)?)
}
