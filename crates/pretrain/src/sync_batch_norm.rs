//! BatchNorm over the batches of all processes.

use mflag_encoder::BatchNorm;
use mflag_train::World;
use tch::Tensor;

/// Computes BatchNorm with the statistics of all ranks.
#[derive(Debug)]
pub struct SyncBatchNorm(pub World);

impl BatchNorm for SyncBatchNorm {
    fn forward(
        &self,
        x: &Tensor,
        affine: [&Tensor; 2],
        running: [&Tensor; 2],
        momentum: f64,
        epsilon: f64,
    ) -> Result<Tensor, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self
            .0
            .sync_batch_norm(x, affine, running, momentum, epsilon)?)
    }
}
