//! bf16 autocast and loss scaling on the CPU against PyTorch (`tests/oracle/precision.py`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

use mflag_tests::{assert_close, formula, golden_json, numbers};
use mflag_train::optim::{Group, OptimiserConfig};
use mflag_train::precision::GradScaler;
use mflag_train::{AdamW, Error, Precision, Result};
use tch::{Device, Kind, Reduction, Tensor};

/// Two units in the last place of bf16 (2⁻⁸ each), because CPUs with and without bf16 products
/// round differently.
const BF16: f64 = 2.0 / 256.0;

fn tensor(values: &[f64], shape: &[i64]) -> Tensor {
    Tensor::from_slice(values).view(shape).to_kind(Kind::Float)
}

fn parameter(name: &str, shape: &[i64]) -> Tensor {
    tensor(&formula::weights(name, shape), shape).set_requires_grad(true)
}

fn head(t: &Tensor) -> Vec<f64> {
    let t = t.detach().to_kind(Kind::Double).contiguous().view(-1);
    Vec::try_from(t.narrow(0, 0, t.size1().unwrap().min(16))).unwrap()
}

#[test]
fn autocast_uses_the_same_kinds_as_torch() {
    let parameters = [
        ("conv.weight", &[4, 3, 3, 3][..]),
        ("norm.weight", &[4]),
        ("norm.bias", &[4]),
        ("fc.weight", &[5, 4]),
        ("fc.bias", &[5]),
    ]
    .map(|(name, shape)| (name, parameter(name, shape)));
    let [conv, weight, bias, fc, fc_bias] = parameters.each_ref().map(|(_, p)| p);
    let x = tensor(&formula::values("films", 216), &[2, 3, 6, 6]);
    let none = None::<&Tensor>;
    let mut found = Precision::Bf16
        .autocast(Device::Cpu, || {
            let conv = x.conv2d(conv, none, [1, 1], [1, 1], [1, 1], 1);
            let norm =
                conv.batch_norm(Some(weight), Some(bias), none, none, true, 0.1, 1e-5, false);
            let relu = norm.relu();
            let pooled = relu.mean_dim([2_i64, 3].as_slice(), false, None);
            let linear = pooled.linear(fc, Some(fc_bias));
            let zeros = Tensor::zeros([2, 5], tch::kind::FLOAT_CPU);
            Ok::<_, Error>(vec![
                ("sum_f32", &linear + Tensor::ones([5], tch::kind::FLOAT_CPU)),
                ("log_softmax", linear.log_softmax(1, None)),
                ("loss", linear.mse_loss(&zeros, Reduction::Mean)),
                ("conv", conv),
                ("norm", norm),
                ("relu", relu),
                ("pooled", pooled),
                ("linear", linear),
            ])
        })
        .unwrap();
    found[2].1.backward();
    let gradients = parameters.iter().map(|(name, p)| (*name, p.grad()));
    let golden = &golden_json("precision/precision.json")["autocast"];
    for (name, tensor) in found.drain(..) {
        check(name, &tensor, &golden[name]);
    }
    for (name, gradient) in gradients {
        check(name, &gradient, &golden[format!("gradient.{name}")]);
    }
    let after = x.conv2d(conv, none, [1, 1], [1, 1], [1, 1], 1);
    assert_eq!(after.kind(), Kind::Float, "the region has ended");
}

fn check(name: &str, tensor: &Tensor, golden: &serde_json::Value) {
    let kind = match golden["dtype"].as_str() {
        Some("bfloat16") => Kind::BFloat16,
        _ => Kind::Float,
    };
    assert_eq!(tensor.kind(), kind, "{name}");
    assert_close(&head(tensor), &numbers(&golden["values"]), BF16, name);
}

#[test]
fn regions_nest_and_end_after_a_panic() {
    let product = || {
        let a = Tensor::ones([2, 2], tch::kind::FLOAT_CPU);
        Ok::<_, Error>(a.matmul(&a).kind())
    };
    let bf16 = |body: &dyn Fn() -> Result<Kind>| Precision::Bf16.autocast(Device::Cpu, body);
    assert_eq!(bf16(&|| bf16(&product)).unwrap(), Kind::BFloat16);
    let caught = std::panic::catch_unwind(|| bf16(&|| panic!("inside")));
    assert!(caught.is_err());
    assert_eq!(product().unwrap(), Kind::Float);
    assert_eq!(
        Precision::Fp32.autocast(Device::Cpu, product).unwrap(),
        Kind::Float
    );
}

#[test]
fn inference_computes_no_gradients() {
    let weight = Tensor::ones([2, 2], tch::kind::FLOAT_CPU).set_requires_grad(true);
    let product = || Ok::<_, Error>(weight.matmul(&weight));
    let bf16 = Precision::Bf16;
    let result = bf16.inference(Device::Cpu, product).unwrap();
    assert!(result.kind() == Kind::BFloat16 && !result.requires_grad());
    let result = bf16.autocast(Device::Cpu, product).unwrap();
    assert!(result.kind() == Kind::BFloat16 && result.requires_grad());
}

#[test]
fn fp16_needs_a_gpu() {
    let error = Precision::Fp16
        .resolve(Device::Cpu)
        .unwrap_err()
        .to_string();
    assert!(error.contains("precision=bf16 or fp32"), "{error}");
}

/// Scale and growth tracker are equal to PyTorch's, the parameter within 1e-6.
#[test]
fn the_scaler_is_that_of_torch() {
    let p = tensor(&formula::values("p", 3), &[3]).set_requires_grad(true);
    let config = OptimiserConfig {
        weight_decay: 0.01,
        ..OptimiserConfig::default()
    };
    let group = Group::new("all", vec![("p".to_owned(), p.shallow_clone())]);
    let mut optimiser = AdamW::new(vec![group], &config).unwrap();
    let mut scaler = GradScaler::new(Device::Cpu).unwrap();
    let golden = golden_json("precision/precision.json");
    let mut lines = golden["scaler"]
        .as_array()
        .unwrap()
        .iter()
        .map(numbers)
        .peekable();
    for step in 0..2010 {
        let factor = if matches!(step, 0 | 1 | 5) {
            f64::INFINITY
        } else {
            1.0
        };
        let c = tensor(&formula::values(&format!("c.{}", step % 4), 3), &[3]);
        scaler.scale(&(&p * c * factor).sum(Kind::Float)).backward();
        let overflow = scaler.unscale(&mut optimiser).unwrap();
        optimiser.step(1e-3, Some(&overflow)).unwrap();
        scaler.update(&overflow).unwrap();
        optimiser.zero_grad().unwrap();
        if let Some(line) = lines.next_if(|line| line[0] == f64::from(step)) {
            let state = scaler.state();
            assert_eq!(state[0].1.double_value(&[]), line[1], "scale at {step}");
            assert_eq!(state[1].1.double_value(&[]), line[2], "tracker at {step}");
            assert_close(&head(&p), &line[3..], 1e-6, &format!("p at {step}"));
        }
    }
    assert!(lines.next().is_none());
}
