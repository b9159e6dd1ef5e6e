//! How layers on the encoder start as PyTorch's do; tch draws other values.

use tch::nn;

/// Uniform from `-bound` to `bound`.
pub fn uniform(bound: f64) -> nn::Init {
    nn::Init::Uniform {
        lo: -bound,
        up: bound,
    }
}

/// BatchNorm with weight 1 (tch draws it from a uniform law).
pub fn batch_norm() -> nn::BatchNormConfig {
    nn::BatchNormConfig {
        ws_init: nn::Init::Const(1.0),
        ..Default::default()
    }
}

/// A linear layer that starts as `torch.nn.Linear` does: uniform within ±1/√input (tch's own start is √6 times wider).
pub fn linear(p: nn::Path<'_>, input: i64, output: i64) -> nn::Linear {
    let start = uniform(1.0 / (input as f64).sqrt());
    let config = nn::LinearConfig {
        ws_init: start,
        bs_init: Some(start),
        bias: true,
    };
    nn::linear(p, input, output, config)
}
