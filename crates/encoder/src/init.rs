//! Initial values of layers as in PyTorch. Those of tch differ.

use tch::nn;

/// Uniform values from `-bound` to `bound`.
pub fn uniform(bound: f64) -> nn::Init {
    nn::Init::Uniform {
        lo: -bound,
        up: bound,
    }
}

/// A BatchNorm with weight 1. (tch draws the weight from a uniform distribution.)
pub fn batch_norm() -> nn::BatchNormConfig {
    nn::BatchNormConfig {
        ws_init: nn::Init::Const(1.0),
        ..Default::default()
    }
}

/// A linear layer with the initial values of `torch.nn.Linear`: uniform within ±1/√`inputs`. (The
/// values of tch are √6 times as large.)
pub fn linear(p: nn::Path<'_>, inputs: i64, outputs: i64) -> nn::Linear {
    let values = uniform(1.0 / (inputs as f64).sqrt());
    let config = nn::LinearConfig {
        ws_init: values,
        bs_init: Some(values),
        bias: true,
    };
    nn::linear(p, inputs, outputs, config)
}
