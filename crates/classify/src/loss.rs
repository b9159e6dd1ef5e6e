//! The losses of classification.

use mflag_head::Result;
use tch::{Reduction, Tensor};

/// Mean binary cross-entropy of the `logits` over the entries that are known, all of a batch together; 0 if none is.
/// `truth` is 1 or 0, and `known` 1 or 0, all three `[B, labels]` and of one kind.
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

/// Mean cross-entropy of the `logits`, `[B, classes]`, over films whose class, `[B]` of i64, is known.
///
/// # Errors
/// If the shapes differ.
pub fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    let none = None::<Tensor>;
    Ok(logits.f_cross_entropy_loss(classes, none, Reduction::Mean, UNKNOWN, 0.0)?)
}

/// The class of a film that has none.
pub(crate) const UNKNOWN: i64 = -100;
