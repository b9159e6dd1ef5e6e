//! The losses of segmentation, over all pixels of a batch together. Logits and targets (from 0 to
//! 1) have one shape.

use mflag_head::Result;
use tch::{Reduction, Tensor};

use crate::config::Loss;

/// Exponent of the focal loss (Lin et al., ICCV 2017).
const GAMMA: f64 = 2.0;
/// Weight of the focal loss; that of the Dice loss is 1.
const ALPHA: f64 = 10.0;
/// Added to numerator and denominator of Dice, so that two empty masks have a Dice of 1.
const SMOOTH: f64 = 1.0;

/// Computes the loss of a batch, a scalar.
///
/// # Errors
/// If the shapes differ.
pub fn loss(form: Loss, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    Ok(match form {
        Loss::Mixed => focal(logits, targets)? * ALPHA - soft_dice(logits, targets)?.f_log()?,
        Loss::Dice => -soft_dice(logits, targets)? + 1.0,
        Loss::Bce => bce(logits, targets)?,
        Loss::DiceBce => bce(logits, targets)? - soft_dice(logits, targets)? + 1.0,
    })
}

/// Mean binary cross-entropy over pixels.
fn bce(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    bce_reduced(logits, targets, Reduction::Mean)
}

fn bce_reduced(logits: &Tensor, targets: &Tensor, reduction: Reduction) -> Result<Tensor> {
    let none = None::<Tensor>;
    Ok(logits.f_binary_cross_entropy_with_logits(
        targets,
        none.as_ref(),
        none.as_ref(),
        reduction,
    )?)
}

/// Mean over pixels of `(1 − p)^γ · BCE`, where p is the probability of the true class. For a soft
/// target t, p is `sigmoid (logit · (2 t − 1))`, as in MGCA.
fn focal(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let bce = bce_reduced(logits, targets, Reduction::None)?;
    // log (1 − p) of the true class: −logits where the target is 1, logits where it is 0.
    let log_wrong = (logits * (targets * -2.0 + 1.0)).f_log_sigmoid()?;
    let weight = (log_wrong * GAMMA).f_exp()?;
    Ok((weight * bce).f_mean(logits.kind())?)
}

/// `(2 Σ p·t + 1) / (Σ p + Σ t + 1)` over the batch.
fn soft_dice(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let (p, kind) = (logits.f_sigmoid()?, logits.kind());
    let both = (&p * targets).f_sum(kind)?;
    let sum = p.f_sum(kind)? + targets.f_sum(kind)?;
    Ok((both * 2.0 + SMOOTH) / (sum + SMOOTH))
}
