//! ResNets equal those of torchvision (`tests/oracle/resnet.py`), both in float64, to 1e-9.
#![allow(clippy::unwrap_used, reason = "test code")]

use mflag_encoder::{Arch, ResNet};
use mflag_tests::{assert_close, formula, golden_json, numbers};
use serde_json::Value;
use tch::{Device, Kind, Tensor, nn};

const TOLERANCE: f64 = 1e-9;

fn filled(name: &str, shape: &[i64]) -> Tensor {
    let size: i64 = shape.iter().product();
    Tensor::from_slice(&formula::values(name, size as usize)).view(shape)
}

/// A network in float64 with the weights of `mflag_tests::formula`.
fn network(arch: Arch) -> (nn::VarStore, ResNet) {
    let mut store = nn::VarStore::new(Device::Cpu);
    let network = ResNet::new(&store.root(), arch).unwrap();
    // Copied in place, because the network shares the memory of these variables.
    store.double();
    tch::no_grad(|| {
        for (name, mut variable) in store.variables() {
            let shape = variable.size();
            variable.copy_(&Tensor::from_slice(&formula::weights(&name, &shape)).view(&shape[..]));
        }
    });
    (store, network)
}

fn head(x: &Tensor, n: i64) -> Vec<f64> {
    Vec::try_from(x.detach().flatten(0, -1).narrow(0, 0, n)).unwrap()
}

fn check_forward(network: &ResNet, golden: &Value, mode: &str) -> Tensor {
    let films = filled("films", &[3, 1, 64, 64]);
    let features = network.features(&films, mode == "train").unwrap();
    let golden = &golden[mode];
    assert_close(
        &head(&features.pooled, 8),
        &numbers(&golden["pooled"]),
        TOLERANCE,
        mode,
    );
    let sum = features.pooled.sum(Kind::Double).double_value(&[]);
    assert_close(&[sum], &numbers(&golden["sum"]), TOLERANCE, mode);
    for (stage, golden) in features
        .stages
        .iter()
        .zip(golden["stages"].as_array().unwrap())
    {
        let shape: Vec<f64> = stage.size().iter().map(|&n| n as f64).collect();
        let moments = [stage.mean(Kind::Double), stage.std(true)].map(|t| t.double_value(&[]));
        assert_close(
            &[shape, moments.to_vec()].concat(),
            &numbers(golden),
            TOLERANCE,
            mode,
        );
    }
    features.pooled
}

fn check(arch: Arch, file: &str) {
    let golden = golden_json(file);
    let (store, network) = network(arch);
    let mut names: Vec<String> = store.variables().into_keys().collect();
    names.sort();
    let expected_names: Vec<&str> = golden["names"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(names, expected_names);
    let parameters: usize = store.trainable_variables().iter().map(Tensor::numel).sum();
    assert_eq!(parameters as u64, golden["parameters"].as_u64().unwrap());

    let _ = check_forward(&network, &golden, "eval");
    let pooled = check_forward(&network, &golden, "train");
    (&pooled * filled("cotangent", &pooled.size()))
        .sum(Kind::Double)
        .backward();
    let variables = store.variables();
    for (name, golden) in golden["gradients"].as_object().unwrap() {
        let gradient = variables[name].grad();
        let mut found = vec![gradient.norm().double_value(&[])];
        found.extend(head(&gradient, 2));
        assert_close(&found, &numbers(golden), TOLERANCE, name);
    }
    for (name, golden) in golden["statistics"].as_object().unwrap() {
        assert_close(
            &head(&variables[name], 3),
            &numbers(golden),
            TOLERANCE,
            name,
        );
    }
}

#[test]
fn resnet18_equals_torchvision() {
    check(Arch::ResNet18, "resnet/resnet18.json");
}

#[test]
fn resnet50_equals_torchvision() {
    check(Arch::ResNet50, "resnet/resnet50.json");
}

#[test]
fn the_other_sizes_have_the_parameters_of_torchvision() {
    // The parameter counts of torchvision without the classifier.
    for (arch, parameters) in [(Arch::ResNet34, 21_284_672), (Arch::ResNet101, 42_500_160)] {
        let store = nn::VarStore::new(Device::Cpu);
        ResNet::new(&store.root(), arch).unwrap();
        let found: usize = store.trainable_variables().iter().map(Tensor::numel).sum();
        assert_eq!(found, parameters, "{}", arch.name());
    }
}

#[test]
fn grey_films_equal_three_equal_channels() {
    let (_store, network) = network(Arch::ResNet18);
    let grey = filled("films", &[2, 1, 64, 64]);
    let one = network.forward(&grey, false).unwrap();
    let three = network
        .forward(&grey.expand([2, 3, 64, 64], false), false)
        .unwrap();
    assert!((one - three).abs().max().double_value(&[]) < TOLERANCE);
}

#[test]
fn initial_values_are_those_of_torchvision() {
    tch::manual_seed(1);
    let store = nn::VarStore::new(Device::Cpu);
    ResNet::new(&store.root(), Arch::ResNet18).unwrap();
    let kernel = &store.variables()["layer3.0.conv1.weight"];
    let stdev = (2.0_f64 / (256.0 * 9.0)).sqrt();
    assert!((kernel.std(true).double_value(&[]) / stdev - 1.0).abs() < 0.01);
    assert!(kernel.mean(Kind::Float).double_value(&[]).abs() < stdev * 0.01);
}

#[test]
fn a_wrong_shape_is_an_error() {
    let store = nn::VarStore::new(Device::Cpu);
    let network = ResNet::new(&store.root(), Arch::ResNet18).unwrap();
    let films = Tensor::zeros([2, 2, 64, 64], (Kind::Float, Device::Cpu));
    let message = network.forward(&films, false).unwrap_err().to_string();
    assert!(message.contains("[2, 2, 64, 64]"), "{message}");
}
