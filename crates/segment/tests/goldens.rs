//! Goldens against segmentation_models_pytorch and PyTorch (`tests/oracle/segmentation.py`). Both
//! sides compute in float64; the tolerance is 1e-9.
#![allow(clippy::unwrap_used, reason = "test code")]

use mflag_encoder::{Arch, ResNet};
use mflag_segment::Loss;
use mflag_segment::loss::loss;
use mflag_segment::unet::Unet;
use mflag_tests::{assert_close, formula, golden_json, numbers};
use serde_json::Value;
use tch::{Device, Kind, Tensor, nn};

const TOLERANCE: f64 = 1e-9;

fn filled(name: &str, shape: &[i64]) -> Tensor {
    let size: i64 = shape.iter().product();
    Tensor::from_slice(&formula::values(name, size as usize)).view(shape)
}

fn first(x: &Tensor, n: i64) -> Vec<f64> {
    Vec::try_from(x.detach().flatten(0, -1).narrow(0, 0, n)).unwrap()
}

#[test]
fn the_u_net_matches_segmentation_models_pytorch() {
    let golden = golden_json("segmentation/unet.json");
    let mut store = nn::VarStore::new(Device::Cpu);
    let encoder = ResNet::new(&(store.root() / "encoder"), Arch::ResNet18).unwrap();
    let decoder = Unet::new(&store.root(), Arch::ResNet18);
    store.double();
    tch::no_grad(|| {
        for (name, mut variable) in store.variables() {
            let shape = variable.size();
            variable.copy_(&Tensor::from_slice(&formula::weights(&name, &shape)).view(&shape[..]));
        }
    });
    let variables = store.variables();
    let is_decoder = |name: &&String| !name.starts_with("encoder.");
    let mut names: Vec<&String> = variables.keys().filter(is_decoder).collect();
    names.sort();
    let golden_names = golden["names"].as_array().unwrap();
    assert!(
        names
            .iter()
            .map(|n| n.as_str())
            .eq(golden_names.iter().filter_map(Value::as_str))
    );

    let films = filled("films", &[2, 1, 64, 64]);
    let forward = |train: bool| {
        let features = encoder.features(&films, train).unwrap();
        decoder.forward(&Unet::inputs(features), train).unwrap()
    };
    let check = |logits: &Tensor, golden: &Value, mode: &str| {
        assert_eq!(logits.size(), [2, 1, 64, 64]);
        let sum = logits.sum(Kind::Double).double_value(&[]);
        assert_close(&[sum], &numbers(&golden["sum"]), TOLERANCE, mode);
        assert_close(
            &first(logits, 6),
            &numbers(&golden["first"]),
            TOLERANCE,
            mode,
        );
    };
    check(&forward(false), &golden["eval"], "eval");
    let logits = forward(true);
    check(&logits, &golden["train"], "train");
    (&logits * filled("cotangent", &logits.size()))
        .sum(Kind::Double)
        .backward();
    for (name, norm) in golden["gradients"].as_object().unwrap() {
        let found = variables[name].grad().norm().double_value(&[]);
        assert_close(&[found], &[norm.as_f64().unwrap()], TOLERANCE, name);
    }
}

#[test]
fn losses_and_gradients_match_the_formulas() {
    let shape = [3, 1, 8, 8];
    for golden in golden_json("segmentation/loss.json").as_array().unwrap() {
        let form: Loss = serde_json::from_value(golden["loss"].clone()).unwrap();
        let case = golden["case"].as_str().unwrap();
        let targets = match case {
            "empty" => Tensor::zeros(shape, (Kind::Double, Device::Cpu)),
            "soft" => filled("targets/soft", &shape).clamp(0.0, 1.0),
            _ => filled(&format!("targets/{case}"), &shape)
                .gt(0.6)
                .to_kind(Kind::Double),
        };
        let logits = (filled(&format!("logits/{case}"), &shape) * 4.0).set_requires_grad(true);
        let value = loss(form, &logits, &targets).unwrap();
        let name = format!("{form:?}, {case}");
        assert_close(
            &[value.double_value(&[])],
            &numbers(&golden["value"]),
            TOLERANCE,
            &name,
        );
        value.backward();
        assert_close(
            &first(&logits.grad(), 8),
            &numbers(&golden["gradient"]),
            TOLERANCE,
            &name,
        );
    }
}
