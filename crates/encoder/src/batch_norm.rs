//! BatchNorm that is not computed by libtorch alone.

use std::error::Error;
use std::fmt::Debug;

use tch::Tensor;

/// BatchNorm in training mode, in place of libtorch's: for training in several processes that share
/// the statistics of their batches.
pub trait BatchNorm: Debug + Send + Sync {
    /// Normalises each channel of `x`, `[B, C, …]`, and applies the weight and the bias `affine`,
    /// `[C]` each. Updates the mean and the variance `running`, `[C]` each: they move by the share
    /// `momentum` to those of the batch. `epsilon` is added to the variance.
    ///
    /// # Errors
    /// If another process is lost.
    fn forward(
        &self,
        x: &Tensor,
        affine: [&Tensor; 2],
        running: [&Tensor; 2],
        momentum: f64,
        epsilon: f64,
    ) -> Result<Tensor, Box<dyn Error + Send + Sync>>;
}
